"""Limbs made of capsules, seen from the camera as a relief."""

from math import sqrt
from typing import NamedTuple

import numba
import numpy as np

from lgrnet.faces.drawing.raster import FAR
from lgrnet.faces.scene.relief import Frame, Relief


class Capsules(NamedTuple):
    """Round bodies, each swept by a sphere whose radius changes evenly.

    Attributes:
        start: (N, 3) float64, cm, view axes.
        end: (N, 3).
        radii: (N, 2), cm, at start and end.
        back: (N, 3), unit, outwards from the limb's upper side.
        limb: (N,) int64; 0 is the trunk, into which the others grow.
        kind: (N,) int64, which part of the limb; only 1 grows into the trunk.
    """

    start: np.ndarray
    end: np.ndarray
    radii: np.ndarray
    back: np.ndarray
    limb: np.ndarray
    kind: np.ndarray


def raise_capsules(frame: Frame, body: Capsules) -> tuple[Relief, np.ndarray, np.ndarray]:
    """See capsules from the camera; those that grow together blend, limbs that touch do not.

    Args:
        frame: Where.
        body: The capsules, cm, view axes; the origin is the pivot of the head.

    Returns:
        The relief; (h, w) int16, which capsule is seen, -1 for none; and (h, w) float32, how far
        along it, cm from its start.
    """
    shape = frame.face.shape
    height = np.full(shape, -FAR, np.float32)
    normal = np.zeros((*shape, 3), np.float32)
    cover, along = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    owner = np.full(shape, -1, np.int16)
    _raise(body, frame.forward, frame.inverse, height, normal, cover, owner, along)
    return Relief(height, normal, cover), owner, along


@numba.njit(cache=True, fastmath=True)
def _raise(body, forward, inverse, height, normal, cover, owner, along):
    """Draw the capsules into a height field: nearest surface, its normal, bone and place on it."""
    rows, columns = height.shape
    density = sqrt(abs(forward[0, 0] * forward[1, 1] - forward[0, 1] * forward[1, 0]))
    for i in range(len(body.kind)):
        a, b = body.start[i], body.end[i]
        ra, rb = body.radii[i, 0], body.radii[i, 1]
        ax = forward[0, 0] * a[0] + forward[0, 1] * a[1] + forward[0, 2]
        ay = forward[1, 0] * a[0] + forward[1, 1] * a[1] + forward[1, 2]
        bx = forward[0, 0] * b[0] + forward[0, 1] * b[1] + forward[0, 2]
        by = forward[1, 0] * b[0] + forward[1, 1] * b[1] + forward[1, 2]
        reach = max(ra, rb) * density + 1
        ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        length = sqrt(ux * ux + uy * uy + uz * uz)
        ux, uy, uz = ux / length, uy / length, uz / length
        across = max(1 - uz * uz, 1e-3)
        limit = (max(ra, rb) + 0.5 / density) ** 2
        for row in range(max(int(min(ay, by) - reach), 0), min(int(max(ay, by) + reach) + 2, rows)):
            for column in range(
                max(int(min(ax, bx) - reach), 0), min(int(max(ax, bx) + reach) + 2, columns)
            ):
                dx = inverse[0, 0] * column + inverse[0, 1] * row + inverse[0, 2] - a[0]
                dy = inverse[1, 0] * column + inverse[1, 1] * row + inverse[1, 2] - a[1]
                m = dx * ux + dy * uy
                away = dx * dx + dy * dy - m * m  # squared, in three dimensions at z = a
                gap = max(away - m * m * uz * uz / across, 0.0)  # squared, line to line
                if gap > limit:
                    continue
                r = 0.5 * (ra + rb)
                s = (m * uz + sqrt(max(m * m * uz * uz - across * (away - r * r), 0.0))) / across
                t = min(max(m + s * uz, 0.0), length)
                r = ra + (rb - ra) * t / length
                s = (m * uz + sqrt(max(m * m * uz * uz - across * (away - r * r), 0.0))) / across
                t = m + s * uz
                edge = r - sqrt(gap)
                if t < 0 or t > length:  # past the end: the sphere there
                    t = 0.0 if t < 0 else length
                    r = ra if t == 0 else rb
                    ex, ey = dx - ux * t, dy - uy * t
                    apart = ex * ex + ey * ey
                    edge = r - sqrt(apart)
                    s = uz * t + sqrt(max(r * r - apart, 0.0))
                share = min(max(edge * density + 0.5, 0.0), 1.0)
                if share <= 0:
                    continue
                cover[row, column] = max(cover[row, column], share)
                nx, ny, nz = (dx - ux * t) / r, (dy - uy * t) / r, (s - uz * t) / r
                z = a[2] + s
                before = owner[row, column]
                blend = 0.0
                if before >= 0:
                    if body.limb[before] == body.limb[i]:
                        blend = 0.3 if body.limb[i] > 0 else 1.0
                    elif body.limb[before] * body.limb[i] == 0 and body.kind[i] == 1:
                        blend = 0.7
                old = height[row, column]
                mix = 1.0 if z > old else 0.0
                if blend > 0 and abs(z - old) < blend:
                    mix = 0.5 + 0.5 * (z - old) / blend
                    height[row, column] = old + (z - old) * mix + blend * mix * (1 - mix)
                else:
                    height[row, column] = max(z, old)
                normal[row, column, 0] += (nx - normal[row, column, 0]) * mix
                normal[row, column, 1] += (ny - normal[row, column, 1]) * mix
                normal[row, column, 2] += (nz - normal[row, column, 2]) * mix
                if z > old:
                    owner[row, column] = i
                    along[row, column] = dx * ux + dy * uy + s * uz
