// The detector: a picture in, action units out. `ort` is onnxruntime-web or onnxruntime-node.

import { ALIGNED_SIZE, alignmentMatrix, cropMatrix, invert, isPlausible, transform } from "./geometry.js";
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
    this.landmarks = null;
    this.age = this.misses = 0;
    this.wait = 0;
  }

  /** All faces of a picture, by itself: each is looked at in the finder's alignment, then in that of its landmarks. */
  async detect(picture) {
    const faces = [];
    for (const { box, score, alignment } of await this.finder.find(picture)) {
      const first = await this.look(picture, alignment);
      if (!isPlausible(first.landmarks, alignment, picture) || !(await this.#confirm(picture, first.landmarks)))
        continue;
      const used = alignmentMatrix(first.landmarks);
      const second = await this.look(picture, used);
      if (isPlausible(second.landmarks, used, picture)) faces.push({ ...second, box, score });
    }
    return faces;
  }

  /** The largest face of the next picture of a video, or null. It is found once and then followed by its landmarks. */
  async follow(picture) {
    if (this.landmarks) {
      const used = alignmentMatrix(this.landmarks);
      const face = await this.look(picture, used);
      this.landmarks = isPlausible(face.landmarks, used, picture) ? face.landmarks : null;
      if (this.landmarks && ++this.age >= VERIFY_EVERY) await this.#verify(picture);
      if (this.landmarks) return face;
      this.reset();
    }
    if (this.wait-- > 0) return null;
    const [face] = (await this.detect(picture)).sort((a, b) => b.box[2] * b.box[3] - a.box[2] * a.box[3]);
    if (face) this.landmarks = face.landmarks;
    this.wait = SEARCH_EVERY;
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
  async #verify(picture) {
    this.misses = (await this.#confirm(picture, this.landmarks)) ? 0 : this.misses + 1;
    if (this.misses === 0) this.age = 0;
    if (this.misses >= MAX_MISSES) this.landmarks = null;
  }

  async #confirm(picture, landmarks) {
    const upright = fromBytes(cut(picture, alignmentMatrix(landmarks), ALIGNED_SIZE), ALIGNED_SIZE);
    return (await this.finder.find(shrink(upright, ALIGNED_SIZE / 2, ALIGNED_SIZE / 2))).length > 0;
  }
}
