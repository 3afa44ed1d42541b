// The detector: a picture in, action units out. `ort` is onnxruntime-web or onnxruntime-node.

import { ALIGNED_SIZE, alignmentMatrix, cropMatrix, interOcular, invert, isPlausible, transform } from "./geometry.js";
import { readSpec } from "./metadata.js";
import { cut, fromBytes, shrink } from "./pictures.js";
import { FaceFinder } from "./yunet.js";

const SEARCH_EVERY = 5; // pictures between two searches while no face is followed
const VERIFY_EVERY = 10; // pictures between two looks of the finder at a face that is followed
const MAX_MISSES = 3; // misses in a row at which it is lost

/** Finds the action units of faces. What a look at a face says:
 *  {landmarks: 49 points, probability: {AU01: 0 to 1, …}, intensity: {AU01: 0 to 5, …} or null, present: ["AU12", …]}. */
export class Detector {
  /** Open a model of `python -m export.onnx`, and a YuNet model, both given as bytes.
   *  Options are those of ort.InferenceSession, such as {executionProviders: ["webgpu"]}. */
  static async open(ort, model, finder, options = {}) {
    [model, finder] = [model, finder].map((file) => (file instanceof ArrayBuffer ? new Uint8Array(file) : file));
    const spec = readSpec(model);
    if (spec.batch !== 1) throw new RangeError(`the model takes ${spec.batch} faces a call: export it with --batch 1`);
    const session = await ort.InferenceSession.create(model, options);
    return new Detector(ort, spec, session, new FaceFinder(ort, await ort.InferenceSession.create(finder, options)));
  }

  constructor(ort, spec, session, finder) {
    Object.assign(this, { ort, spec, session, finder });
    this.names = spec.aus.map((au) => `AU${String(au).padStart(2, "0")}`);
    this.reset();
  }

  /** Forget the face that `follow` follows. */
  reset() {
    this.track = { landmarks: null, age: 0, misses: 0, wait: 0 }; // an answer under way goes on with the old one
  }

  /** All faces of a picture, by itself: each is looked at in the finder's alignment, then in that of its landmarks. */
  async detect(picture) {
    check(picture);
    const faces = [];
    for (const { box, score, alignment } of await this.finder.find(picture)) {
      const first = await this.look(picture, alignment);
      if (!isPlausible(first.landmarks, alignment, picture) || !(await this.#confirm(picture, first.landmarks)))
        continue;
      const used = alignmentMatrix(first.landmarks);
      const second = await this.look(picture, used);
      const apart = 0.5 * interOcular(second.landmarks); // finders take a nose and a mouth for a face now and then
      const known = faces.some((other) => distance(other.landmarks[13], second.landmarks[13]) < apart);
      if (!known && isPlausible(second.landmarks, used, picture)) faces.push({ ...second, box, score });
    }
    return faces;
  }

  /** The largest face of the next picture of a video, or null. It is found once and then followed by its landmarks. */
  async follow(picture) {
    check(picture);
    const track = this.track;
    if (track.landmarks) {
      const used = alignmentMatrix(track.landmarks);
      const face = await this.look(picture, used);
      track.landmarks = isPlausible(face.landmarks, used, picture) ? face.landmarks : null;
      if (track.landmarks && ++track.age >= VERIFY_EVERY) await this.#verify(picture, track);
      if (track.landmarks) return face;
      Object.assign(track, { age: 0, misses: 0, wait: 0 });
    }
    if (track.wait-- > 0) return null;
    const [face] = (await this.detect(picture)).sort((a, b) => b.box[2] * b.box[3] - a.box[2] * a.box[3]);
    if (face) track.landmarks = face.landmarks;
    track.wait = SEARCH_EVERY;
    return face ?? null;
  }

  /** What the network says of one face, given its alignment. */
  async look(picture, alignment) {
    const matrix = cropMatrix(alignment);
    const { crop_size: size, thresholds } = this.spec;
    const face = new this.ort.Tensor("uint8", cut(picture, matrix, size), [1, size, size, 3]);
    const said = await this.session.run({ face });
    const back = invert(matrix);
    const flat = said.landmarks.data;
    const named = (values) => Object.fromEntries(this.names.map((name, n) => [name, values[n]]));
    const probabilities = said.au_probability.data;
    return {
      landmarks: Array.from({ length: 49 }, (_, n) => transform(back, [flat[2 * n], flat[2 * n + 1]])),
      probability: named(probabilities),
      intensity: said.au_intensity ? named(said.au_intensity.data) : null,
      present: this.names.filter((_, n) => probabilities[n] >= thresholds[n]),
    };
  }

  // The network puts a mean face on a wall, too; the finder tells a wall from a face.
  async #verify(picture, track) {
    track.misses = (await this.#confirm(picture, track.landmarks)) ? 0 : track.misses + 1;
    if (track.misses === 0) track.age = 0;
    if (track.misses >= MAX_MISSES) track.landmarks = null;
  }

  async #confirm(picture, landmarks) {
    const upright = fromBytes(cut(picture, alignmentMatrix(landmarks), ALIGNED_SIZE), ALIGNED_SIZE);
    return (await this.finder.find(shrink(upright, ALIGNED_SIZE / 2, ALIGNED_SIZE / 2))).length > 0;
  }
}

const distance = ([ax, ay], [bx, by]) => Math.hypot(ax - bx, ay - by);

function check({ data, width, height }) {
  if (data?.length !== 4 * width * height)
    throw new RangeError(
      `a picture of ${width} × ${height} has ${4 * width * height} bytes, RGBA; this has ${data?.length}`,
    );
}
