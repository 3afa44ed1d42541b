// The page: a camera's or a file's frames, the face in them, and a bar for each of its action units.
//
// index.html?model=…&finder=…&provider=webgpu opens other files, or computes on the GPU.

import { Detector } from "./detector.js";

const settings = {
  model: "../../runtime/models/lgrnet_edge.onnx",
  finder: "yunet.onnx",
  provider: "wasm",
  ...Object.fromEntries(new URLSearchParams(location.search)),
};
const [video, overlay, status, units] = ["video", "overlay", "status", "units"].map((id) =>
  document.getElementById(id),
);
const frame = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

const say = (text) => (status.textContent = text);
// Whatever fails is told, and nothing goes on as if it had not.
addEventListener("error", (event) => say(event.message));
addEventListener("unhandledrejection", (event) => say(String(event.reason?.message ?? event.reason)));

async function bytes(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} is not there (${answer.status}): docs/embedding.md says where to get it`);
  return new Uint8Array(await answer.arrayBuffer());
}

async function open() {
  const gpu = settings.provider === "webgpu";
  if (gpu && !navigator.gpu)
    throw new Error("provider=webgpu: this browser has no WebGPU; leave it out to compute on the CPU");
  const ort = await import(`./node_modules/onnxruntime-web/dist/ort${gpu ? ".webgpu" : ".wasm"}.min.mjs`);
  const [model, finder] = await Promise.all([bytes(settings.model), bytes(settings.finder)]);
  return Detector.open(ort, model, finder, { executionProviders: [settings.provider] });
}

function rows({ aus, au_names: names, thresholds }, keys) {
  units.innerHTML = "<tr><th>AU<th><th><th>p<th>0–5";
  return keys.map((key, n) => {
    const row = units.insertRow();
    row.innerHTML = `<td>${aus[n]}<td>${names[key]}<td><div class="bar"><i></i><b style="left:${100 * thresholds[n]}%"></b></div><td><td>`;
    return row;
  });
}

function show(table, keys, face) {
  for (const [n, row] of table.entries()) {
    const probability = face?.probability[keys[n]];
    row.className = face?.present.includes(keys[n]) ? "present" : "";
    row.querySelector("i").style.width = `${100 * (probability ?? 0)}%`;
    row.cells[3].textContent = probability?.toFixed(2) ?? "";
    row.cells[4].textContent = face?.intensity?.[keys[n]].toFixed(1) ?? "";
  }
  const paint = overlay.getContext("2d");
  [overlay.width, overlay.height] = [video.videoWidth, video.videoHeight];
  paint.drawImage(frame.canvas, 0, 0); // the frame that was looked at, as the video has gone on since
  paint.fillStyle = "#7fdbff";
  for (const [x, y] of face?.landmarks ?? []) paint.fillRect(x - 1, y - 1, 3, 3);
}

async function run(detector) {
  const table = rows(detector.spec, detector.names);
  const { preset, precision, training_data: trained } = detector.spec;
  let pace = 0; // milliseconds a frame, smoothed
  let source = 0; // which of the videos that were opened is looked at
  async function look(of) {
    if (of !== source) return;
    const begun = performance.now();
    [frame.canvas.width, frame.canvas.height] = [video.videoWidth, video.videoHeight];
    frame.drawImage(video, 0, 0);
    const face = await detector.follow(frame.getImageData(0, 0, video.videoWidth, video.videoHeight));
    show(table, detector.names, face);
    const took = performance.now() - begun;
    pace = pace ? 0.9 * pace + 0.1 * took : took;
    say(
      `${preset}, ${precision}, ${settings.provider}: ${pace.toFixed(0)} ms a frame${face ? "" : "; no face"}\nTrained on: ${trained}`,
    );
    video.requestVideoFrameCallback(() => look(of));
  }
  const play = async () => {
    const of = ++source;
    detector.reset();
    await video.play();
    video.requestVideoFrameCallback(() => look(of));
  };
  document.getElementById("camera").onclick = async () => {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
    await play();
  };
  document.getElementById("file").onchange = async ({ target }) => {
    const [file] = target.files;
    video.srcObject = null;
    video.src = URL.createObjectURL(file);
    await play().catch((error) => {
      throw new Error(
        `${file.name}: this browser does not play it (${error.message}); H.264 in MP4 is what all of them play`,
      );
    });
  };
  say("Ready: start the camera or choose a video file. Nothing leaves this page.");
}

await run(await open());
