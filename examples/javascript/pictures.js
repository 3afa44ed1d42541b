// Pixels: a face is cut out of a picture, a picture is made smaller, as `warp` of runtime/align.py does it.
//
// A picture is what canvas calls ImageData: {data, width, height}, RGBA, a byte each.

import { CROP_SIZE, invert, transform } from "./geometry.js";

export const OUTSIDE = 128; // grey, which lies outside the picture

/** Refuse other pictures. */
export function check({ data, width, height }) {
  if (data?.length !== 4 * width * height)
    throw new RangeError(
      `a picture of ${width} × ${height} has ${4 * width * height} bytes, RGBA; this has ${data?.length}`,
    );
}

/** Cut a square out of a picture: (size, size, 3) bytes, BGR, sampled bilinearly. */
export function cut(picture, matrix, size = CROP_SIZE) {
  const source = coarse(picture, matrix, size);
  const [a, b, c, d, e, f] = invert(source.matrix);
  const out = new Uint8Array(size * size * 3);
  for (let row = 0, at = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const [x, y] = [a * column + b * row + c, d * column + e * row + f];
      const [left, top] = [Math.floor(x), Math.floor(y)];
      const [right, low] = [x - left, y - top];
      for (const channel of [2, 1, 0]) {
        const above =
          (1 - right) * pixel(source.picture, left, top, channel) +
          right * pixel(source.picture, left + 1, top, channel);
        const below =
          (1 - right) * pixel(source.picture, left, top + 1, channel) +
          right * pixel(source.picture, left + 1, top + 1, channel);
        out[at++] = Math.round((1 - low) * above + low * below);
      }
    }
  }
  return out;
}

/** Make a picture of what `cut` gave. */
export function fromBytes(bytes, size) {
  const data = new Uint8ClampedArray(4 * size * size).fill(255);
  for (let at = 0; at < size * size; at++) {
    for (let channel = 0; channel < 3; channel++) data[4 * at + channel] = bytes[3 * at + 2 - channel];
  }
  return { data, width: size, height: size };
}

function pixel({ data, width, height }, x, y, channel) {
  return x >= 0 && y >= 0 && x < width && y < height ? data[4 * (y * width + x) + channel] : OUTSIDE;
}

// Faces that shrink to half or less are averaged down by a whole factor first, or sampling would skip pixels.
function coarse(picture, matrix, size) {
  const factor = Math.floor(1 / Math.max(Math.hypot(matrix[0], matrix[3]), 1e-6));
  if (factor < 2) return { picture, matrix };
  const back = invert(matrix);
  const corners = [
    [0, 0],
    [size, 0],
    [0, size],
    [size, size],
  ].map((corner) => transform(back, corner));
  const edge = (choose, axis) => choose(...corners.map((corner) => corner[axis]));
  const left = Math.max(Math.floor(edge(Math.min, 0)) - factor, 0);
  const top = Math.max(Math.floor(edge(Math.min, 1)) - factor, 0);
  const columns = Math.floor((Math.min(Math.ceil(edge(Math.max, 0)) + factor, picture.width) - left) / factor);
  const rows = Math.floor((Math.min(Math.ceil(edge(Math.max, 1)) + factor, picture.height) - top) / factor);
  if (columns < 1 || rows < 1) return { picture, matrix };
  const part = { left, top, width: columns * factor, height: rows * factor };
  const centre = transform(matrix, [left + (factor - 1) / 2, top + (factor - 1) / 2]);
  const [a, b, , d, e] = matrix.map((value) => value * factor);
  return { picture: shrink(picture, columns, rows, part), matrix: [a, b, centre[0], d, e, centre[1]] };
}

/** Make a picture, or a part of it, smaller: each new pixel is the mean of the rectangle of old ones that it covers. */
export function shrink(
  picture,
  width,
  height,
  part = { left: 0, top: 0, width: picture.width, height: picture.height },
) {
  const [columns, rows] = [shares(part.left, part.width, width), shares(part.top, part.height, height)];
  const data = new Uint8ClampedArray(4 * width * height);
  const sums = new Float64Array(4 * width); // of one new row
  for (let row = 0; row < height; row++) {
    sums.fill(0);
    for (let y = rows.first[row]; y < rows.first[row] + rows.weights[row].length; y++) {
      const tall = rows.weights[row][y - rows.first[row]];
      for (let column = 0; column < width; column++) {
        const [left, weights] = [columns.first[column], columns.weights[column]];
        for (let n = 0; n < weights.length; n++) {
          const from = 4 * (y * picture.width + left + n);
          for (let channel = 0; channel < 4; channel++) {
            sums[4 * column + channel] += tall * weights[n] * picture.data[from + channel];
          }
        }
      }
    }
    for (let at = 0; at < sums.length; at++) data[4 * width * row + at] = Math.round(sums[at]);
  }
  return { data, width, height };
}

// For each of `count` equal stretches of [start, start + length): the first old pixel in it, and the share of each.
function shares(start, length, count) {
  const [first, weights] = [[], []];
  const step = length / count;
  for (let n = 0; n < count; n++) {
    const [low, high] = [start + n * step, start + (n + 1) * step];
    const [from, to] = [Math.floor(low), Math.min(Math.ceil(high - 1e-9), start + length)];
    first.push(from);
    weights.push(
      Float64Array.from(
        { length: to - from },
        (_, k) => (Math.min(from + k + 1, high) - Math.max(from + k, low)) / step,
      ),
    );
  }
  return { first, weights };
}
