// The detector in a thread of its own, so that the page answers while it computes.
//
// One message is answered after the other: {open: settings} by what the model says of itself, {frame: ImageBitmap,
// first: whether a video begins} by {faces, frame}, and either by {error: text} where it fails.

import { Detector } from "./detector.js";
import { wideSplits } from "./metadata.js";
import { Tracker } from "./tracker.js";

const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
let detector, tracker, maxFaces;

onmessage = async ({ data: { open: settings, frame, first } }) => {
  try {
    if (settings) postMessage(await open(settings));
    else postMessage({ faces: await look(frame, first), frame }, [frame]);
  } catch (error) {
    postMessage({ error: String(error?.message ?? error) });
  }
};

async function open({ model, finder, provider, threads, faces }) {
  const gpu = provider === "webgpu";
  if (gpu && !navigator.gpu)
    throw new Error("provider=webgpu: this browser has no WebGPU; leave it out to compute on the CPU");
  const numThreads = whole("threads", threads);
  if (numThreads > 1 && !crossOriginIsolated)
    throw new Error(`threads=${threads}: browsers give one thread only to this page; serve it by serve.py`);
  maxFaces = whole("faces", faces);
  const files = await Promise.all([bytes(model), bytes(finder)]);
  const ort = await import(`./node_modules/onnxruntime-web/dist/ort${gpu ? ".webgpu" : ".wasm"}.min.mjs`);
  ort.env.wasm.numThreads = numThreads;
  const executor = gpu ? { name: provider, forceCpuNodeNames: wideSplits(files[0]) } : provider;
  detector = await Detector.open(ort, ...files, { executionProviders: [executor] });
  return { spec: detector.spec, names: detector.names };
}

function look(frame, first) {
  if (first) tracker = new Tracker(detector, maxFaces);
  const { width, height } = Object.assign(canvas.canvas, { width: frame.width, height: frame.height });
  canvas.drawImage(frame, 0, 0);
  return tracker.follow(canvas.getImageData(0, 0, width, height));
}

function whole(name, text) {
  if (!(Number.isInteger(Number(text)) && text >= 1))
    throw new Error(`${name}=${text}: give a whole number, 1 or more`);
  return Number(text);
}

async function bytes(path) {
  const answer = await fetch(path).catch((error) => {
    throw new Error(`${path} cannot be fetched: ${error.message}`);
  });
  if (!answer.ok) throw new Error(`${path} is not there (${answer.status}): docs/embedding.md says where to get it`);
  return new Uint8Array(await answer.arrayBuffer());
}
