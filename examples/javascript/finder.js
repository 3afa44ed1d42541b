// Where faces are: the packaged network, as runtime/finders/network.py runs it.

import { overlap } from "./boxes.js";
import { anchorMatrix } from "./geometry.js";
import { OUTSIDE, shrink } from "./pictures.js";

const SEARCH_SIDE = 400; // longer side to which larger pictures are reduced, pixels
const LEAST_SIDE = 64; // of what the network is given, as the runtime's finder does it
const GRIDS = [
  ["fine", 8],
  ["middle", 16],
  ["coarse", 32],
]; // names of the outputs, and pixels from one cell to the next
const UNIT = 4; // strides that sizes and points are measured in
const SAME = 0.35; // overlap of two boxes from which the less sure one is dropped

/** A found face: {box: [left, top, width, height], score: 0 to 1, alignment}, pixels of the picture. */
export class FaceFinder {
  constructor(ort, session, threshold = 0.5) {
    Object.assign(this, { ort, session, threshold });
    const lacking = GRIDS.map(([name]) => name).find((name) => !session.outputNames.includes(name));
    if (lacking)
      throw new RangeError(
        `the face finder has no output ${lacking}: give it runtime/finders/network.onnx, or what export.finder writes`,
      );
  }

  /** Search a picture; the surest face comes first. */
  async find(picture) {
    const zoom = Math.min(1, SEARCH_SIDE / Math.max(picture.width, picture.height));
    const [width, height] = [picture.width, picture.height].map((side) => Math.max(1, Math.round(side * zoom)));
    const small = zoom < 1 ? shrink(picture, width, height) : picture;
    const input = planes(small);
    const said = await this.session.run({
      picture: new this.ort.Tensor("float32", input.data, [1, 3, input.height, input.width]),
    });
    const candidates = GRIDS.flatMap(([name, stride]) => read(said[name], stride, this.threshold));
    const sane = apart(candidates).filter(
      ({ points: [left, right] }) => Math.hypot(right[0] - left[0], right[1] - left[1]) >= 1,
    );
    return sane.map(({ box, score, points }) => ({
      box: box.map((value) => value / zoom),
      score,
      alignment: anchorMatrix(points.map(([x, y]) => [x / zoom, y / zoom])),
    }));
  }
}

// (3, height, width) floats, BGR, 0 to 255; sides are filled up to a multiple of 32.
function planes({ data, width, height }) {
  const padded = { width: filled(width), height: filled(height) };
  const size = padded.width * padded.height;
  const out = new Float32Array(3 * size).fill(OUTSIDE);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [from, to] = [4 * (y * width + x), y * padded.width + x];
      for (let plane = 0; plane < 3; plane++) out[plane * size + to] = data[from + 2 - plane];
    }
  }
  return { data: out, ...padded };
}

const filled = (side) => Math.max(LEAST_SIDE, Math.ceil(side / 32) * 32);

// The cells of a grid, (1, 15, rows, columns), that say a face: 0 is the score before the logistic function, 1 and 2 how
// far the middle of the box lies from that of the cell, strides, 3 and 4 the logarithms of its width and height, 5 to 14
// where eyes, nose tip and mouth corners lie from the middle of the cell, left as the viewer sees it first.
function read({ data, dims }, stride, threshold) {
  const [rows, columns] = dims.slice(2);
  const cells = rows * columns;
  const found = [];
  for (let cell = 0; cell < cells; cell++) {
    const score = 1 / (1 + Math.exp(-data[cell]));
    if (score < threshold) continue;
    const say = (channel) => data[channel * cells + cell];
    const middle = [cell % columns, Math.floor(cell / columns)].map((at) => (at + 0.5) * stride - 0.5);
    const [width, height] = [3, 4].map((channel) => Math.exp(clamp(say(channel))) * UNIT * stride);
    const [x, y] = [0, 1].map((axis) => middle[axis] + say(1 + axis) * stride);
    const points = [0, 1, 2, 3, 4].map((point) =>
      [0, 1].map((axis) => middle[axis] + say(5 + 2 * point + axis) * UNIT * stride),
    );
    found.push({ box: [x - width / 2, y - height / 2, width, height], score, points });
  }
  return found;
}

const clamp = (logarithm) => Math.min(Math.max(logarithm, -3), 3);

// Of candidates that overlap, the surest.
function apart(candidates) {
  const kept = [];
  for (const face of candidates.sort((a, b) => b.score - a.score)) {
    if (kept.every((other) => overlap(face.box, other.box) <= SAME)) kept.push(face);
  }
  return kept;
}
