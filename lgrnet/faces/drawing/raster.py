"""Triangles to pixels: a z-buffer rasteriser and the attribute buffers that shading reads."""

from typing import NamedTuple

import numba
import numpy as np

FAR = 1e6
"""Depth of a pixel that no triangle covers, cm."""

NO_HEIGHT = -100.0
"""Bump height of a pixel that is not facial skin."""


class Fragments(NamedTuple):
    """What the rasteriser found at every pixel.

    Attributes:
        triangle: (H, W) int32, -1 where nothing is.
        weights: (H, W, 2) float32, the first two barycentric weights.
        depth: (H, W) float32, distance along the view axis, :data:`FAR` where nothing is.
    """

    triangle: np.ndarray
    weights: np.ndarray
    depth: np.ndarray


@numba.njit(cache=True)
def rasterise(points, triangles, height, width, cull):
    """Fill triangles with a z-buffer.

    Args:
        points: (V, 3) float32: x right and y down in pixels, z depth, smaller is nearer.
        triangles: (T, 3) int32.
        height: Rows of the image.
        width: Columns of the image.
        cull: Whether to drop triangles that face away.

    Returns:
        :class:`Fragments`.
    """
    triangle = np.full((height, width), -1, np.int32)
    weights = np.zeros((height, width, 2), np.float32)
    depth = np.full((height, width), np.float32(FAR))
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        xa, ya, za = points[a, 0], points[a, 1], points[a, 2]
        xb, yb, zb = points[b, 0], points[b, 1], points[b, 2]
        xc, yc, zc = points[c, 0], points[c, 1], points[c, 2]
        area = (xb - xa) * (yc - ya) - (xc - xa) * (yb - ya)
        # Counter-clockwise with y up is negative with y down.
        if area == 0.0 or (cull and area > 0):
            continue
        left = max(0, int(np.ceil(min(xa, xb, xc) - 0.5)))
        right = min(width - 1, int(np.floor(max(xa, xb, xc) - 0.5)))
        top = max(0, int(np.ceil(min(ya, yb, yc) - 0.5)))
        bottom = min(height - 1, int(np.floor(max(ya, yb, yc) - 0.5)))
        inverse = 1.0 / area
        for y in range(top, bottom + 1):
            py = y + 0.5
            for x in range(left, right + 1):
                px = x + 0.5
                wa = ((xb - px) * (yc - py) - (xc - px) * (yb - py)) * inverse
                wb = ((xc - px) * (ya - py) - (xa - px) * (yc - py)) * inverse
                wc = 1.0 - wa - wb
                if wa >= 0 and wb >= 0 and wc >= 0:
                    z = wa * za + wb * zb + wc * zc
                    if z < depth[y, x]:
                        depth[y, x] = z
                        triangle[y, x] = t
                        weights[y, x, 0] = wa
                        weights[y, x, 1] = wb
    return Fragments(triangle, weights, depth)


@numba.njit(cache=True, fastmath=True)
def vertex_normals(vertices, triangles):
    """Average the normals of the triangles around each vertex, weighted by area.

    Args:
        vertices: (V, 3) float32.
        triangles: (T, 3) int32.

    Returns:
        Unit normals, (V, 3) float32.
    """
    normals = np.zeros_like(vertices)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy, uz = (
            vertices[b, 0] - vertices[a, 0],
            vertices[b, 1] - vertices[a, 1],
            vertices[b, 2] - vertices[a, 2],
        )
        vx, vy, vz = (
            vertices[c, 0] - vertices[a, 0],
            vertices[c, 1] - vertices[a, 1],
            vertices[c, 2] - vertices[a, 2],
        )
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in range(3):
            i = triangles[t, corner]
            normals[i, 0] += nx
            normals[i, 1] += ny
            normals[i, 2] += nz
    for i in range(normals.shape[0]):
        length = np.sqrt(normals[i, 0] ** 2 + normals[i, 1] ** 2 + normals[i, 2] ** 2) + 1e-9
        for k in range(3):
            normals[i, k] /= length
    return normals


@numba.njit(cache=True)
def bilinear(texture, u, v):
    """Sample one channel of a texture at (u, v) pixels, which must lie inside it."""
    i, j = int(u), int(v)
    fu, fv = u - i, v - j
    upper = texture[j, i] * (1 - fu) + texture[j, i + 1] * fu
    lower = texture[j + 1, i] * (1 - fu) + texture[j + 1, i + 1] * fu
    return upper * (1 - fv) + lower * fv


@numba.njit(cache=True)
def face_texture_buffer(
    fragments, triangles, part, uv, relief, lines, folds, squeeze, marks, drawn
):
    """Find, for every pixel of facial skin, its place in the texture and its bump height.

    Args:
        fragments: What is at every pixel.
        triangles: (T, 3) int32.
        part: (T,) uint8; part 0 is the face.
        uv: (V, 2) float32 in [0, 1], v up.
        relief: Bump height at rest, (S, S) float32.
        lines: Wrinkles of skin squeezed along 0°, 45°, 90° and 135°, (4, S, S) float32.
        folds: Wrinkles of skin squeezed in any direction, (S, S) float32.
        squeeze: How much of each shows, (V, 2) float32: strength at the doubled angle, as
            :func:`lgrnet.faces.person.strain.compression` gives it.
        marks: Relief that muscles draw, (S, S) float32.
        drawn: How much of that shows, (V,) float32.

    Returns:
        Texture coordinates (H, W, 2) float32 in texels, and heights (H, W) float32 with
        :data:`NO_HEIGHT` off the face.
    """
    rows, columns = fragments.triangle.shape
    size = relief.shape[0]
    texel = np.zeros((rows, columns, 2), np.float32)
    heights = np.full((rows, columns), np.float32(NO_HEIGHT))
    for y in range(rows):
        for x in range(columns):
            t = fragments.triangle[y, x]
            if t < 0 or part[t] != 0:
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            wa, wb = fragments.weights[y, x, 0], fragments.weights[y, x, 1]
            wc = 1 - wa - wb
            u = (uv[a, 0] * wa + uv[b, 0] * wb + uv[c, 0] * wc) * size - 0.5
            v = (1 - (uv[a, 1] * wa + uv[b, 1] * wb + uv[c, 1] * wc)) * size - 0.5
            u = min(max(u, 0.0), size - 1.001)
            v = min(max(v, 0.0), size - 1.001)
            texel[y, x, 0], texel[y, x, 1] = u, v
            height = bilinear(relief, u, v)
            straight = squeeze[a, 0] * wa + squeeze[b, 0] * wb + squeeze[c, 0] * wc
            slanted = squeeze[a, 1] * wa + squeeze[b, 1] * wb + squeeze[c, 1] * wc
            strength = (straight * straight + slanted * slanted) ** 0.5
            if strength > 0.02:
                height += abs(straight) * bilinear(lines[0 if straight > 0 else 2], u, v)
                height += abs(slanted) * bilinear(lines[1 if slanted > 0 else 3], u, v)
                height += strength * bilinear(folds, u, v)
            lift = drawn[a] * wa + drawn[b] * wb + drawn[c] * wc
            if lift > 0.02:
                height += lift * bilinear(marks, u, v)
            heights[y, x] = height
    return texel, heights
