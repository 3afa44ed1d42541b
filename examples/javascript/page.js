// The page: a camera's or a file's frames, the face in them, and a bar for each of its action units.
//
// index.html?model=…&finder=… opens other files, ?threads=4 and ?provider=webgpu compute on more threads or the GPU.

import { Detector } from "./detector.js";

const settings = {
  model: "../../runtime/models/lgrnet_edge.onnx",
  finder: "yunet.onnx",
  provider: "wasm",
  threads: "1",
  ...Object.fromEntries(new URLSearchParams(location.search)),
};
const [video, overlay, status, pace, units] = ["video", "overlay", "status", "pace", "units"].map((id) =>
  document.getElementById(id),
);
const frame = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

const say = (text) => (status.textContent = text);
// Whatever fails is told, and nothing goes on as if it had not.
addEventListener("error", (event) => say(String(event.error?.message ?? event.message)));
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
  const threads = Number(settings.threads);
  if (!(Number.isInteger(threads) && threads >= 1)) throw new Error(`threads=${settings.threads}: give 1 or more`);
  if (threads > 1 && !crossOriginIsolated)
    throw new Error(`threads=${threads}: browsers give one thread only to this page; serve it by serve.py`);
  ort.env.wasm.numThreads = threads;
  const [model, finder] = await Promise.all([bytes(settings.model), bytes(settings.finder)]);
  return Detector.open(ort, model, finder, { executionProviders: [settings.provider] });
}

function rows({ aus, au_names: names, thresholds }, keys) {
  units.innerHTML = "<tr><th>AU<th>Name<th><th>p<th>0–5";
  return keys.map((key, n) => {
    const row = units.insertRow();
    row.innerHTML = '<td><td><td><div class="bar"><i></i><b></b></div><td><td>';
    row.cells[0].textContent = aus[n]; // text, as a model may come from anywhere (?model=…)
    row.cells[1].textContent = names[key];
    row.querySelector("b").style.left = `${100 * thresholds[n]}%`;
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
  [overlay.width, overlay.height] = [frame.canvas.width, frame.canvas.height];
  if (!frame.canvas.width) return; // nothing is open
  paint.drawImage(frame.canvas, 0, 0); // the frame that was looked at, as the video has gone on since
  paint.fillStyle = "#7fdbff";
  for (const [x, y] of face?.landmarks ?? []) paint.fillRect(x - 1, y - 1, 3, 3);
}

async function run(detector) {
  const table = rows(detector.spec, detector.names);
  const { preset, precision, training_data: trained } = detector.spec;
  const compute = settings.provider === "wasm" ? `WebAssembly, threads: ${settings.threads}` : settings.provider;
  let mean = 0; // milliseconds a frame, smoothed
  let source = 0; // which of the videos that were opened is looked at
  let looking = Promise.resolve(); // the look that is under way
  const next = (of) =>
    video.requestVideoFrameCallback(() => {
      if (of === source) looking = look(of);
    });
  async function look(of) {
    const begun = performance.now();
    [frame.canvas.width, frame.canvas.height] = [video.videoWidth, video.videoHeight];
    frame.drawImage(video, 0, 0);
    const face = await detector.follow(frame.getImageData(0, 0, video.videoWidth, video.videoHeight));
    if (of !== source) return;
    show(table, detector.names, face);
    const took = performance.now() - begun;
    mean = mean ? 0.9 * mean + 0.1 * took : took;
    pace.textContent = `${preset}, ${precision}, ${compute}: ${mean.toFixed(0)} ms a frame${face ? "" : "; no face"}\nTrained on: ${trained}`;
    next(of);
  }
  // Ends what is looked at; gives the number of what comes next.
  async function stop() {
    const of = ++source;
    for (const track of video.srcObject?.getTracks() ?? []) track.stop(); // or the camera's light stays on
    if (video.src) URL.revokeObjectURL(video.src);
    video.srcObject = null;
    video.removeAttribute("src");
    video.load();
    await looking.catch(() => {});
    detector.reset();
    frame.canvas.width = 0;
    show(table, detector.names, null);
    pace.textContent = "";
    mean = 0;
    say("");
    return of;
  }
  async function play(stream, url) {
    const of = await stop();
    if (of !== source) return;
    video.srcObject = stream;
    if (url) video.src = url;
    await video.play();
    if (of !== source) return;
    if (!video.videoWidth) throw new Error("there are no pictures in it");
    next(of);
  }
  document.getElementById("stop").onclick = stop;
  document.getElementById("camera").onclick = async () => {
    if (!navigator.mediaDevices)
      throw new Error("browsers give cameras only to https:// pages and to http://localhost: serve the page by one");
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
    stream.getVideoTracks()[0].onended = () => say("The camera has ended.");
    await play(stream);
  };
  document.getElementById("file").onchange = async ({ target }) => {
    const [file] = target.files;
    if (!file) return;
    await play(null, URL.createObjectURL(file)).catch((error) => {
      if (error.name === "AbortError") return; // another was opened meanwhile
      throw new Error(
        `${file.name}: this browser does not play it (${error.message}); H.264 in MP4 is what all of them play`,
      );
    });
  };
  say("Ready: start the camera or choose a video file. Nothing leaves this page.");
}

await run(await open());
