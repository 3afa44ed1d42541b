"""Strands of hair to pixels: their light, and a rasteriser that knows what lies before them."""

from math import ceil, floor, sqrt

import cv2
import numba
import numpy as np

from lgrnet.faces.drawing.canvas import Canvas
from lgrnet.faces.person.skull import MIDDLE, SQUARES

_CLEARANCE = 0.35  # cm that a strand may lie behind what is drawn and still be seen


def in_sight(canvas: Canvas, seen: np.ndarray) -> np.ndarray:
    """Return which guides have a point on the canvas that the head does not hide."""
    rows, columns = canvas.depth.shape
    margin = 1.5 * canvas.density
    column, row = seen[..., 0], seen[..., 1]
    near = (column > -margin) & (column < columns + margin) & (row > -margin)
    near &= row < rows + margin
    column = np.clip(column, 0, columns - 1).astype(int)
    row = np.clip(row, 0, rows - 1).astype(int)
    return (near & (seen[..., 2] - 1.0 < canvas.depth[row, column])).any(1)


def compose(canvas: Canvas, paint: np.ndarray, cover: np.ndarray, head: np.ndarray) -> None:
    """Shade the head under the hair and lay the hair over it."""
    light = canvas.light
    towards = light.key_direction
    shift = np.array([-towards[0], towards[1]]) * 0.7 * canvas.density / max(towards[2], 0.5)
    rows, columns = np.flatnonzero(cover.any(1)), np.flatnonzero(cover.any(0))
    if not len(rows):
        return
    reach = ceil(np.abs(shift).max()) + 5  # of shift and blur
    box = np.s_[
        max(rows[0] - reach, 0) : rows[-1] + 1 + reach,
        max(columns[0] - reach, 0) : columns[-1] + 1 + reach,
    ]
    cover, head = cover[box], head[box]
    move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
    caster = np.where(head, cover, 0)
    shadow = cv2.warpAffine(caster, move, caster.shape[::-1])
    shadow = cv2.blur(cv2.blur(shadow, (5, 5)), (7, 7))
    key, rest = light.key.mean(), light.ambient.mean()
    dim = 1 - (0.15 + 0.6 * key / max(key + rest, 1e-6)) * shadow * head
    canvas.image[box] = canvas.image[box] * (dim * (1 - cover))[..., None] + paint[box]


@numba.njit(cache=True, fastmath=True)
def shade_strands(strands, tone, tint, tilts, turn, light, own, streaks, gloss):
    """Light strands after Kajiya and Kay: a white highlight, a coloured one and a diffuse term.

    Args:
        strands: (N, K, 3) float32, cm, head axes.
        tone: (N,) brightness; negative for an underlay, which does not shine.
        tint: (N,) share of the streak's colour at the tip.
        tilts: (N,) how far the scales tilt the highlight.
        turn: (3, 3) head → view axes.
        light: :class:`lgrnet.faces.drawing.shade.Lighting`.
        own: (3,) linear reflectance.
        streaks: (3,) linear reflectance of the lightest locks.
        gloss: Strength of the highlight.

    Returns:
        (N, K, 3) float32, linear RGB that reaches the camera.
    """
    count, points, _ = strands.shape
    colour = np.empty(strands.shape, np.float32)
    key, fill = turn.T @ light.key_direction, turn.T @ light.fill_direction
    half = light.key_direction + np.array([0.0, 0.0, 1.0])
    half = turn.T @ (half / sqrt((half * half).sum()))
    for i in range(count):
        bright = abs(tone[i])
        for k in range(points):
            last, following = max(k - 1, 0), min(k + 1, points - 1)
            ax = strands[i, following, 0] - strands[i, last, 0]
            ay = strands[i, following, 1] - strands[i, last, 1]
            az = strands[i, following, 2] - strands[i, last, 2]
            a = 1 / sqrt(ax * ax + ay * ay + az * az + 1e-9)
            nx = (strands[i, k, 0] - MIDDLE[0]) / SQUARES[0]
            ny = (strands[i, k, 1] - MIDDLE[1]) / SQUARES[1]
            nz = (strands[i, k, 2] - MIDDLE[2]) / SQUARES[2]
            n = 1 / sqrt(nx * nx + ny * ny + nz * nz + 1e-9)
            facing = (nx * key[0] + ny * key[1] + nz * key[2]) * n
            lit = min(max((facing + 0.35) / 1.35, 0.0), 1.0)
            filled = (nx * fill[0] + ny * fill[1] + nz * fill[2]) * n * 0.5 + 0.5
            sky = 0.62 + 0.38 * (turn[1, 0] * nx + turn[1, 1] * ny + turn[1, 2] * nz) * n
            along = (ax * key[0] + ay * key[1] + az * key[2]) * a
            tilt = (ax * half[0] + ay * half[1] + az * half[2]) * a + tilts[i]
            shine = max(1 - (tilt - 0.1) ** 2, 0.0) ** 30
            sheen = max(1 - (tilt + 0.15) ** 2, 0.0) ** 8
            share = k / (points - 1)
            # Roots lie in the shade of the hair above them.
            inner = 0.45 + 0.55 * min(share / 0.3, 1.0)
            diffuse = bright * inner * (
                0.55 + 0.45 * sqrt(max(1 - along * along, 0.0)) + 0.5 * sheen
            )  # fmt: skip
            glint = gloss * inner * shine * lit * max(tone[i], 0.0)
            for j in range(3):
                dye = own[j] + (streaks[j] - own[j]) * tint[i] * share
                arriving = light.ambient[j] * sky + light.key[j] * lit + light.fill[j] * filled
                colour[i, k, j] = dye * arriving * diffuse + (
                    (0.02 + 0.35 * dye) * light.key[j] * glint
                )
    return colour


@numba.njit(cache=True, fastmath=True)
def lay_strands(order, seen, colour, opacity, width, head, depth, paint, cover):
    """Draw strands into premultiplied paint and cover, where the head does not hide them.

    Args:
        order: (N,) strands, near to far.
        seen: (N, K, 3) float32, pixels and depth in cm.
        colour: (N, K, 3) float32, linear RGB.
        opacity: (N, K) float32.
        width: (N, K) float32, pixels, at least 1.
        head: (H, W) float32, depth of the head, cm.
        depth: (H, W) float32, cm; lowered where hair covers most of a pixel.
        paint: (H, W, 3) float32.
        cover: (H, W) float32.
    """
    rows, columns = depth.shape
    for i in order:
        for k in range(seen.shape[1] - 1):
            x0, y0, x1, y1 = seen[i, k, 0], seen[i, k, 1], seen[i, k + 1, 0], seen[i, k + 1, 1]
            steep = abs(y1 - y0) > abs(x1 - x0)
            a0, b0, a1, b1 = (y0, x0, y1, x1) if steep else (x0, y0, x1, y1)
            a_size, b_size = (rows, columns) if steep else (columns, rows)
            span = a1 - a0
            if abs(span) < 1e-3:
                continue
            slope = (b1 - b0) / span
            stretch = 0.5 * sqrt(1 + slope * slope)
            first, last = max(ceil(min(a0, a1)), 0), min(ceil(max(a0, a1)), a_size)
            for a in range(first, last):
                t = (a - a0) / span
                s = 1 - t
                b = b0 + slope * (a - a0)
                reach = stretch * (width[i, k] * s + width[i, k + 1] * t)
                low, high = max(floor(b - reach + 0.5), 0), min(floor(b + reach + 0.5), b_size - 1)
                if low > high:
                    continue
                z = seen[i, k, 2] * s + seen[i, k + 1, 2] * t
                full = opacity[i, k] * s + opacity[i, k + 1] * t
                red = colour[i, k, 0] * s + colour[i, k + 1, 0] * t
                green = colour[i, k, 1] * s + colour[i, k + 1, 1] * t
                blue = colour[i, k, 2] * s + colour[i, k + 1, 2] * t
                for c in range(low, high + 1):
                    y, x = (a, c) if steep else (c, a)
                    free = 1 - cover[y, x]
                    if free < 0.01 or z - _CLEARANCE > head[y, x]:
                        continue
                    share = min(min(c + 0.5, b + reach) - max(c - 0.5, b - reach), 1.0) * full
                    if share <= 0:
                        continue
                    share *= free
                    paint[y, x, 0] += share * red
                    paint[y, x, 1] += share * green
                    paint[y, x, 2] += share * blue
                    cover[y, x] += share
                    if cover[y, x] > 0.5 and z < depth[y, x]:
                        depth[y, x] = z
