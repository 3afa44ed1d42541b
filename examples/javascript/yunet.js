// Where faces are: YuNet, a small network of OpenCV Zoo (MIT), as runtime/finders/yunet.py runs it through OpenCV.

import { overlap } from "./boxes.js";
import { anchorMatrix } from "./geometry.js";
import { OUTSIDE, shrink } from "./pictures.js";

const SEARCH_SIDE = 400; // longer side to which larger pictures are reduced, pixels
const STRIDES = [8, 16, 32];
const OUTPUTS = ["cls", "obj", "bbox", "kps"]; // of each stride

/** A found face: {box: [left, top, width, height], score: 0 to 1, alignment}, pixels of the picture. */
export class FaceFinder {
  constructor(ort, session, threshold = 0.7, overlap = 0.3) {
    Object.assign(this, { ort, session, threshold, overlap });
    const wanted = STRIDES.flatMap((stride) => OUTPUTS.map((name) => `${name}_${stride}`));
    const lacking = wanted.find((name) => !session.outputNames.includes(name));
    if (lacking) throw new RangeError(`the face finder is no YuNet of 2023: it has no output ${lacking}`);
    const shape = session.inputMetadata[0].shape;
    this.fixed = shape.slice(2).every((side) => typeof side === "number")
      ? { height: shape[2], width: shape[3] }
      : null;
  }

  /** Search a picture; the surest face comes first. */
  async find(picture) {
    const longer = Math.max(picture.width, picture.height);
    const limit = this.fixed ? Math.min(SEARCH_SIDE, this.fixed.width, this.fixed.height) : SEARCH_SIDE;
    const zoom = Math.min(1, limit / longer);
    const small =
      zoom < 1 ? shrink(picture, Math.round(picture.width * zoom), Math.round(picture.height * zoom)) : picture;
    const planes = this.#planes(small);
    const shape = [1, 3, planes.height, planes.width];
    const said = await this.session.run({
      [this.session.inputNames[0]]: new this.ort.Tensor("float32", planes.data, shape),
    });
    const candidates = STRIDES.flatMap((stride) => this.#decode(said, stride, planes.width / stride));
    const inside = candidates.filter(({ box: [x, y, width, height] }) => {
      const middle = [x + width / 2, y + height / 2];
      return middle[0] >= 0 && middle[1] >= 0 && middle[0] < small.width && middle[1] < small.height;
    });
    const sane = inside.filter(
      ({ points: [left, right] }) => Math.hypot(right[0] - left[0], right[1] - left[1]) >= zoom,
    );
    return apart(sane, this.overlap).map(({ box, score, points }) => ({
      box: box.map((value) => value / zoom),
      score,
      alignment: anchorMatrix(points.map(([x, y]) => [x / zoom, y / zoom])),
    }));
  }

  // (3, height, width) floats, BGR, 0 to 255; sides are filled up to a multiple of 32.
  #planes({ data, width, height }) {
    const padded = this.fixed ?? { width: filled(width), height: filled(height) };
    const area = padded.width * padded.height;
    const out = new Float32Array(3 * area).fill(OUTSIDE);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const [from, to] = [4 * (y * width + x), y * padded.width + x];
        for (let plane = 0; plane < 3; plane++) out[plane * area + to] = data[from + 2 - plane];
      }
    }
    return { data: out, ...padded };
  }

  // One candidate a cell of a grid; its five points are eyes, nose tip, mouth corners, left as the viewer sees it first.
  #decode(said, stride, columns) {
    const [cls, obj, bbox, kps] = OUTPUTS.map((name) => said[`${name}_${stride}`].data);
    const found = [];
    for (let cell = 0; cell < cls.length; cell++) {
      const score = Math.sqrt(clamp(cls[cell]) * clamp(obj[cell]));
      if (score < this.threshold) continue;
      const [column, row] = [cell % columns, Math.floor(cell / columns)];
      const [dx, dy, w, h] = bbox.slice(4 * cell, 4 * cell + 4);
      const [width, height] = [Math.exp(w) * stride, Math.exp(h) * stride];
      const box = [(column + dx) * stride - width / 2, (row + dy) * stride - height / 2, width, height];
      const points = [0, 1, 2, 3, 4].map((point) => {
        const at = 10 * cell + 2 * point;
        return [(column + kps[at]) * stride, (row + kps[at + 1]) * stride];
      });
      found.push({ box, score, points });
    }
    return found;
  }
}

const clamp = (value) => Math.min(Math.max(value, 0), 1);
const filled = (side) => Math.max(96, Math.ceil(side / 32) * 32); // OpenCV's YuNet wants no narrower ones

// Of candidates that overlap, the surest.
function apart(candidates, most) {
  const kept = [];
  for (const face of candidates.sort((a, b) => b.score - a.score)) {
    if (kept.every((other) => overlap(face.box, other.box) <= most)) kept.push(face);
  }
  return kept;
}
