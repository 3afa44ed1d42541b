// The detector: a picture in, action units out. `ort` is onnxruntime-web or onnxruntime-node.

import { alignmentBox, area, faceBox, overlap, sameFace } from "./boxes.js";
import { ALIGNED_SIZE, alignmentMatrix, cropMatrix, invert, isPlausible, transform } from "./geometry.js";
import { readSpec } from "./metadata.js";
import { check, cut, fromBytes, shrink } from "./pictures.js";
import { FaceFinder } from "./finder.js";

const AGAIN = 0.3; // overlap of a found face with a known one from which the two are the same

/** Finds the action units of faces. What a look at a face says:
 *  {landmarks: 49 points, box: [left, top, width, height] around them, probability: {AU01: 0 to 1, …},
 *  intensity: {AU01: 0 to 5, …} or null, present: ["AU12", …]}. */
export class Detector {
  /** Open a model of `python -m export.onnx`, and a face finder, network.onnx, both given as bytes.
   *  Options are those of ort.InferenceSession, such as {executionProviders: ["webgpu"]}. */
  static async open(ort, model, finder, options = {}) {
    [model, finder] = [model, finder].map((file) => (file instanceof ArrayBuffer ? new Uint8Array(file) : file));
    const spec = readSpec(model);
    if (spec.batch !== 1) throw new RangeError(`the model takes ${spec.batch} faces a call: export it with --batch 1`);
    const session = (file, what) =>
      ort.InferenceSession.create(file, options).catch((error) => {
        throw new Error(`${what}: ${error?.message ?? error}`, { cause: error });
      });
    const network = await session(model, "the model");
    return new Detector(ort, spec, network, new FaceFinder(ort, await session(finder, "the face finder")));
  }

  constructor(ort, spec, session, finder) {
    Object.assign(this, { ort, spec, session, finder });
    this.names = spec.aus.map((au) => `AU${String(au).padStart(2, "0")}`);
  }

  /** Faces of a picture by itself, `score` of the finder with each, the largest found first: each is looked at in the
   *  finder's alignment, then in that of its landmarks. `most` ends the search, boxes of `known` faces are left out. */
  async detect(picture, most = Infinity, known = []) {
    check(picture);
    const found = (await this.finder.find(picture))
      .filter(({ alignment }) => known.every((box) => overlap(alignmentBox(alignment), box) < AGAIN))
      .sort((a, b) => area(b.box) - area(a.box));
    const faces = [];
    for (const { score, alignment } of found) {
      if (faces.length >= most) break;
      const first = await this.look(picture, alignment);
      if (!isPlausible(first.landmarks, alignment, picture) || !(await this.confirm(picture, first.landmarks)))
        continue;
      const used = alignmentMatrix(first.landmarks);
      const second = await this.look(picture, used);
      const boxes = [...known, ...faces.map((face) => face.box)];
      if (boxes.some((box) => sameFace(box, second.box)) || !isPlausible(second.landmarks, used, picture)) continue;
      faces.push({ ...second, score });
    }
    return faces;
  }

  /** What the network says of one face, given its alignment. */
  async look(picture, alignment) {
    const matrix = cropMatrix(alignment);
    const { crop_size: size, thresholds } = this.spec;
    const face = new this.ort.Tensor("uint8", cut(picture, matrix, size), [1, size, size, 3]);
    const said = await this.session.run({ face });
    const back = invert(matrix);
    const flat = said.landmarks.data;
    const landmarks = Array.from({ length: 49 }, (_, n) => transform(back, [flat[2 * n], flat[2 * n + 1]]));
    const named = (values) => Object.fromEntries(this.names.map((name, n) => [name, values[n]]));
    const probabilities = said.au_probability.data;
    return {
      landmarks,
      box: faceBox(landmarks),
      probability: named(probabilities),
      intensity: said.au_intensity ? named(said.au_intensity.data) : null,
      present: this.names.filter((_, n) => probabilities[n] >= thresholds[n]),
    };
  }

  /** Whether the finder sees a face under landmarks. */
  async confirm(picture, landmarks) {
    const upright = fromBytes(cut(picture, alignmentMatrix(landmarks), ALIGNED_SIZE), ALIGNED_SIZE);
    return (await this.finder.find(shrink(upright, ALIGNED_SIZE / 2, ALIGNED_SIZE / 2))).length > 0;
  }
}
