// Where a face is in a picture: runtime/align.py and runtime/tracking/lost.py in JavaScript.
//
// A point is [x, y], pixels, the middle of the first pixel at [0, 0]. A matrix [a, b, c, d, e, f] takes [x, y] to
// [a·x + b·y + c, d·x + e·y + f].

export const ALIGNED_SIZE = 200; // side of an aligned face, pixels
export const CROP_SIZE = 176; // side of what the network sees of it, the middle
const ENLARGEMENT = 2.9; // side of the aligned face over the longer side of its anchors' box

const mean = (points) => [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);

export const eyeCentres = (landmarks) => [mean(landmarks.slice(19, 25)), mean(landmarks.slice(25, 31))];

export const interOcular = (landmarks) => {
  const [left, right] = eyeCentres(landmarks);
  return Math.hypot(right[0] - left[0], right[1] - left[1]);
};

export const transform = ([a, b, c, d, e, f], [x, y]) => [a * x + b * y + c, d * x + e * y + f];

export function invert([a, b, c, d, e, f]) {
  const determinant = a * e - b * d;
  const [p, q, r, s] = [e / determinant, -b / determinant, -d / determinant, a / determinant];
  return [p, q, -(p * c + q * f), r, s, -(r * c + s * f)];
}

/** The similarity from a picture to its aligned face: eyes level, the anchors' box in the middle.
 *  Anchors are left and right eye centre, nose tip, left and right mouth corner, as the viewer sees them. */
export function anchorMatrix(anchors) {
  const [left, right] = anchors;
  const span = Math.hypot(right[0] - left[0], right[1] - left[1]);
  if (!(span > 1e-6)) throw new RangeError("alignment needs two eyes apart from each other");
  const [cos, sin] = [(right[0] - left[0]) / span, (right[1] - left[1]) / span];
  const turned = anchors.map(([x, y]) => [cos * x + sin * y, cos * y - sin * x]);
  const low = [0, 1].map((axis) => Math.min(...turned.map((point) => point[axis])));
  const high = [0, 1].map((axis) => Math.max(...turned.map((point) => point[axis])));
  const half = 0.5 * ENLARGEMENT * Math.max(high[0] - low[0], high[1] - low[1]);
  const scale = (ALIGNED_SIZE - 1) / 2 / half;
  const shift = [0, 1].map((axis) => scale * (half - (low[axis] + high[axis]) / 2));
  return [scale * cos, scale * sin, shift[0], -scale * sin, scale * cos, shift[1]];
}

/** The same from 49 landmarks. */
export const alignmentMatrix = (landmarks) =>
  anchorMatrix([...eyeCentres(landmarks), landmarks[13], landmarks[31], landmarks[37]]);

/** From an alignment, picture → aligned face, to picture → the network's crop of it. */
export function cropMatrix([a, b, c, d, e, f]) {
  const offset = (ALIGNED_SIZE - CROP_SIZE) / 2;
  return [a, b, c - offset, d, e, f - offset];
}

/** Whether landmarks may be on a face: in the picture, of a sane size, and near the alignment that they were found
 *  with. */
export function isPlausible(landmarks, used, picture) {
  if (!landmarks.flat().every(Number.isFinite)) return false;
  const eyes = interOcular(landmarks);
  if (!(eyes >= 6 && eyes <= 2 * Math.max(picture.width, picture.height))) return false;
  const inside = landmarks.filter(([x, y]) => x >= 0 && y >= 0 && x < picture.width && y < picture.height);
  if (inside.length < 0.6 * landmarks.length) return false;
  const found = alignmentMatrix(landmarks);
  const zoom = Math.hypot(found[0], found[3]) / Math.hypot(used[0], used[3]);
  const turn = Math.atan2(found[3], found[0]) - Math.atan2(used[3], used[0]);
  const middle = [(ALIGNED_SIZE - 1) / 2, (ALIGNED_SIZE - 1) / 2];
  const moved = transform(used, transform(invert(found), middle));
  return (
    zoom >= 1 / 1.5 &&
    zoom <= 1.5 &&
    Math.cos(turn) >= Math.cos(Math.PI / 6) &&
    Math.hypot(moved[0] - middle[0], moved[1] - middle[1]) <= 0.25 * ALIGNED_SIZE
  );
}
