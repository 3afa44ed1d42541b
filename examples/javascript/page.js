// The page: a camera's or a file's frames, the faces in them, and a bar for each action unit of one of them.
//
// index.html?model=…&finder=… opens other files, ?faces=8 follows more people, ?threads=4 and ?provider=webgpu compute
// on more threads or the GPU.

const settings = {
  model: "../../runtime/models/lgrnet_edge.onnx",
  finder: "../../runtime/finders/network.onnx",
  provider: "wasm",
  threads: "1",
  faces: "4",
  ...Object.fromEntries(new URLSearchParams(location.search)),
};
const ids = ["controls", "video", "overlay", "status", "pace", "trained", "units"];
const [controls, video, overlay, status, pace, trained, units] = ids.map((id) => document.getElementById(id));
const PATIENCE = 10_000; // milliseconds for the last frame of what is stopped

const say = (text) => (status.textContent = text);
// Whatever fails is told, and nothing goes on as if it had not.
addEventListener("error", (event) => say(String(event.error?.message ?? event.message)));
addEventListener("unhandledrejection", (event) => say(String(event.reason?.message ?? event.reason)));

const worker = new Worker("worker.js", { type: "module" });

// Gives the worker's answer; the next question waits for it.
function ask(question, transfer = []) {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data));
    worker.onerror = ({ message }) => reject(new Error(`worker.js: ${message ?? "a file of it is not there"}`));
    worker.postMessage(question, transfer);
  });
}

function rows({ aus, au_names: names, thresholds }, keys) {
  units.innerHTML = "<caption></caption><tr><th>AU<th>Name<th colspan=2>Probability<th>Intensity";
  return keys.map((key, n) => {
    const row = units.insertRow();
    row.innerHTML =
      '<td><td><span></span><span class="heard"> (present)</span><td><div class="bar"><i></i><b></b></div><td><td>';
    row.cells[0].textContent = aus[n]; // text, as a model may come from anywhere (?model=…)
    row.querySelector("span").textContent = names[key];
    row.querySelector("b").style.left = `${100 * thresholds[n]}%`;
    return row;
  });
}

// The bars of one face; of none, they are empty.
function show(table, keys, face) {
  units.caption.textContent = face ? `Face ${face.id}` : "";
  for (const [n, row] of table.entries()) {
    const probability = face?.probability[keys[n]];
    row.className = face?.present.includes(keys[n]) ? "present" : "";
    row.querySelector("i").style.width = `${100 * (probability ?? 0)}%`;
    row.cells[3].textContent = probability?.toFixed(2) ?? "";
    row.cells[4].textContent = face?.intensity?.[keys[n]].toFixed(1) ?? "";
  }
}

// The frame that was looked at, as the video has gone on since; the face with the bars has a colour.
function draw(frame, faces, chosen) {
  const paint = overlay.getContext("2d");
  [overlay.width, overlay.height] = [frame.width, frame.height];
  paint.drawImage(frame, 0, 0);
  frame.close();
  const letter = Math.max(11, Math.round(overlay.width / 45));
  paint.font = `600 ${letter}px system-ui, sans-serif`;
  paint.lineWidth = letter / 5;
  for (const { id, landmarks, present, box } of faces) {
    paint.fillStyle = id === chosen.id ? "#7fdbff" : "#fff";
    for (const [x, y] of landmarks) paint.fillRect(x - 1, y - 1, 3, 3);
    const units = present.map((key) => Number(key.slice(2))).join(" ");
    const label = units ? `Face ${id}: ${units}` : `Face ${id}`;
    const room = overlay.width - paint.measureText(label).width;
    const place = [Math.max(Math.min(box[0], room), 0), Math.max(box[1], letter)];
    paint.strokeText(label, ...place);
    paint.fillText(label, ...place);
  }
}

function release(stream, url) {
  for (const track of stream?.getTracks() ?? []) track.stop(); // or the camera's light stays on
  if (url) URL.revokeObjectURL(url);
}

async function run({ spec, names }) {
  const table = rows(spec, names);
  const { preset, precision } = spec;
  const compute = settings.provider === "wasm" ? `WebAssembly, threads: ${settings.threads}` : settings.provider;
  let mean = 0; // milliseconds a frame, smoothed
  let chosen = null; // the face whose bars are shown
  let source = 0; // which of the videos that were opened is looked at
  let looking = Promise.resolve(); // the look that is under way
  // The worker has one frame at a time; those that the video shows meanwhile are left out.
  const next = (of, first = false) =>
    video.requestVideoFrameCallback(() => {
      if (of === source) looking = look(of, first).catch((error) => end(of, error.message));
    });
  async function look(of, first) {
    const begun = performance.now();
    const bitmap = await createImageBitmap(video);
    const { faces, frame } = await ask({ frame: bitmap, first }, [bitmap]);
    if (of !== source) return frame.close();
    const size = ({ box: [, , width, height] }) => width * height;
    const [largest] = faces.toSorted((a, b) => size(b) - size(a));
    chosen = faces.find(({ id }) => id === chosen?.id) ?? largest ?? null;
    show(table, names, chosen);
    draw(frame, faces, chosen);
    const took = performance.now() - begun;
    mean = mean ? 0.9 * mean + 0.1 * took : took;
    pace.textContent = `${preset}, ${precision}, ${compute}: ${mean.toFixed(0)} ms a frame; faces: ${faces.length}`;
    next(of);
  }
  // Ends what is looked at; gives the number of what comes next.
  async function stop() {
    const of = ++source;
    release(video.srcObject, video.src);
    video.srcObject = null;
    video.removeAttribute("src");
    video.load();
    overlay.width = 0;
    show(table, names, null);
    chosen = null;
    pace.textContent = "";
    mean = 0;
    say("");
    const late = new Error("The worker does not answer: wait, or reload the page.");
    // The worker takes one question at a time.
    await Promise.race([looking, new Promise((_, reject) => setTimeout(reject, PATIENCE, late))]);
    return of;
  }
  // Old bars are not left to look like new ones.
  function end(of, why) {
    if (of !== source) return;
    stop();
    say(why);
  }
  async function play(of, stream, url) {
    if (of !== source) return release(stream, url); // another was opened meanwhile
    video.srcObject = stream;
    if (url) video.src = url;
    await video.play().catch((error) => {
      if (of === source) throw error;
    });
    if (of !== source) return;
    if (!video.videoWidth) throw new Error("there are no pictures in it");
    next(of, true);
  }
  document.getElementById("stop").onclick = stop;
  document.getElementById("camera").onclick = async () => {
    if (!navigator.mediaDevices)
      throw new Error("browsers give cameras only to https:// pages and to http://localhost: serve the page by one");
    const of = await stop();
    const wanted = { video: { width: 640, height: 480 } };
    const stream = await navigator.mediaDevices
      .getUserMedia(wanted)
      .catch((error) => end(of, `The camera cannot be opened: ${error.message}`));
    if (!stream) return;
    stream.getVideoTracks()[0].onended = () => end(of, "The camera has ended.");
    await play(of, stream);
  };
  document.getElementById("file").onchange = async ({ target }) => {
    const [file] = target.files;
    if (!file) return;
    target.value = ""; // or choosing the same file again changes nothing
    await play(await stop(), null, URL.createObjectURL(file)).catch((error) => {
      throw new Error(
        `${file.name}: this browser does not play it (${error.message}); H.264 in MP4 is what all of them play`,
      );
    });
  };
  trained.textContent = `Trained on: ${spec.training_data}.`;
  controls.disabled = false;
  say("Ready: start the camera or choose a video file. Nothing leaves this page.");
}

await run(await ask({ open: settings }));
