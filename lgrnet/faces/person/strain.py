"""How an expression squeezes the skin: what folds it into wrinkles.

Skin that is shortened in one direction folds across it. For every facial triangle the deformation
from the resting face is measured in the triangle's own plane; its smaller principal stretch says
how much the skin is shortened, and the direction of that stretch which way the folds run.
"""

from math import sqrt

import numba
import numpy as np

from lgrnet.faces.head.rig import Part, Rig


def facial_triangles(rig: Rig) -> np.ndarray:
    """Return the triangles whose strain is measured, (F, 3) int32."""
    return np.ascontiguousarray(rig.triangles[rig.part == Part.FACE])


@numba.njit(cache=True, fastmath=True)
def compression(rest, posed, triangles, uv):
    """Measure how much every vertex's skin is shortened, and in which direction.

    The direction is an axis, not an arrow, so it is given by its doubled angle θ, counted in the
    texture from u towards v: as (c · cos 2θ, c · sin 2θ), which also blends smoothly between
    vertices.

    Args:
        rest: Resting vertices, (V, 3) float32, cm.
        posed: The same in an expression, (V, 3) float32, cm.
        triangles: Those of the face, (F, 3) int32.
        uv: Texture coordinates, (V, 2) float32, v up.

    Returns:
        (V, 2) float32, of length c in [0, 1]: the share of its length that skin loses in the
        direction in which it loses most, 0 where it is only stretched.
    """
    total = np.zeros((rest.shape[0], 2), np.float32)
    weight = np.zeros(rest.shape[0], np.float32)
    old = np.zeros((2, 3))
    new = np.zeros((2, 3))
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        u1, v1 = uv[b, 0] - uv[a, 0], uv[b, 1] - uv[a, 1]
        u2, v2 = uv[c, 0] - uv[a, 0], uv[c, 1] - uv[a, 1]
        area = u1 * v2 - u2 * v1
        if abs(area) < 1e-12:
            continue
        # Derivatives of position by u and by v, at rest and now.
        for k in range(3):
            e, f = rest[b, k] - rest[a, k], rest[c, k] - rest[a, k]
            old[0, k], old[1, k] = (e * v2 - f * v1) / area, (f * u1 - e * u2) / area
            e, f = posed[b, k] - posed[a, k], posed[c, k] - posed[a, k]
            new[0, k], new[1, k] = (e * v2 - f * v1) / area, (f * u1 - e * u2) / area
        # An orthonormal basis of the resting triangle whose first axis is that of u.
        uu = uv_ = vv = 0.0
        for k in range(3):
            uu += old[0, k] * old[0, k]
            uv_ += old[0, k] * old[1, k]
            vv += old[1, k] * old[1, k]
        length = sqrt(uu)
        across = vv - uv_ * uv_ / max(uu, 1e-12)
        if length < 1e-6 or across < 1e-9:
            continue
        height = sqrt(across)
        p = q = r = 0.0  # the squared stretch as a symmetric 2 × 2 matrix in that basis
        for k in range(3):
            along = new[0, k] / length
            up = (new[1, k] - new[0, k] * uv_ / uu) / height
            p += along * along
            q += along * up
            r += up * up
        half = (p - r) / 2
        spread = sqrt(half * half + q * q)
        lost = 1 - sqrt(max((p + r) / 2 - spread, 0.0))
        size = length * height * abs(area)
        for corner in (a, b, c):
            weight[corner] += size
            if lost > 0 and spread > 1e-9:
                # The smaller stretch lies across the larger one: twice 90° turn the sign.
                total[corner, 0] -= size * lost * half / spread
                total[corner, 1] -= size * lost * q / spread
    for i in range(total.shape[0]):
        if weight[i] > 0:
            total[i, 0] /= weight[i]
            total[i, 1] /= weight[i]
    return total
