// Boxes around faces, [left, top, width, height] in pixels of the picture: runtime/boxes.py in JavaScript.

import { ALIGNED_SIZE, interOcular, invert, transform } from "./geometry.js";

const SAME_FACE = 0.5; // overlap of two faces' boxes from which they are one face
const WITHIN = 0.8; // share of the smaller of two boxes in the other, from which it lies within it

/** From above the brows to the chin, cheek to cheek; it may reach outside the picture. */
export function faceBox(landmarks) {
  const unit = interOcular(landmarks);
  const [xs, ys] = [0, 1].map((axis) => landmarks.map((point) => point[axis]));
  const [left, top] = [Math.min(...xs) - 0.35 * unit, Math.min(...ys) - 0.35 * unit];
  return [left, top, Math.max(...xs) + 0.35 * unit - left, Math.max(...ys) + 0.55 * unit - top];
}

/** About the same box around a face of which only the alignment is known. */
export function alignmentBox(alignment) {
  const middle = transform(invert(alignment), [(ALIGNED_SIZE - 1) / 2, (ALIGNED_SIZE - 1) / 2]);
  const side = (0.8 * ALIGNED_SIZE) / Math.hypot(alignment[0], alignment[3]);
  return [middle[0] - side / 2, middle[1] - side / 2, side, side];
}

export const area = ([, , width, height]) => width * height;

/** Intersection over union, 0 to 1. */
export function overlap(a, b) {
  const both = common(a, b);
  return both / (area(a) + area(b) - both);
}

/** Whether two boxes are of one face: much the same, or one within the other, as where a finder takes a nose and a
 *  mouth for a face. */
export const sameFace = (a, b) => overlap(a, b) >= SAME_FACE || common(a, b) >= WITHIN * Math.min(area(a), area(b));

function common([ax, ay, aw, ah], [bx, by, bw, bh]) {
  const width = Math.max(0, Math.min(ax + aw, bx + bw) - Math.max(ax, bx));
  return width * Math.max(0, Math.min(ay + ah, by + bh) - Math.max(ay, by));
}
