"""Ambient occlusion: how much of the sky each vertex of a mesh sees, baked by rasterising."""

import numpy as np

from lgrnet.faces.drawing.raster import rasterise, vertex_normals

_DIRECTIONS = 48
_RESOLUTION = 160  # pixels along a side of a depth map
_EXTENT = 44.0  # cm that a depth map covers: a head with its neck, from any side
_BIAS = 0.35  # cm by which a surface may lie behind the depth map and still be seen
_GOLDEN_ANGLE = 2.399963  # radians; spreads points evenly over a sphere


def visibility(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Bake the share of a uniform sky that reaches each vertex.

    The mesh is looked at from directions spread over the sphere; a vertex sees a direction if no
    triangle lies in front of it there. Directions count by the cosine to the vertex's normal.

    Args:
        vertices: (V, 3), cm, at most 44 cm across.
        triangles: (T, 3), counter-clockwise seen from outside.

    Returns:
        (V,) float32 in [0, 1].
    """
    vertices = np.ascontiguousarray(vertices, np.float32)
    triangles = np.ascontiguousarray(triangles, np.int32)
    normals = vertex_normals(vertices, triangles).astype(np.float64)
    centred = vertices - vertices.astype(np.float64).mean(0)
    pixels = _RESOLUTION / _EXTENT  # per cm
    seen, total = np.zeros(len(vertices)), np.zeros(len(vertices))
    for towards in _directions():
        helper = np.array([0, 1, 0]) if abs(towards[1]) < 0.9 else np.array([1, 0, 0])
        right = np.cross(helper, towards)
        right /= np.linalg.norm(right)
        up = np.cross(towards, right)
        screen = np.stack(
            [
                _RESOLUTION / 2 + centred @ right * pixels,
                _RESOLUTION / 2 - centred @ up * pixels,
                -(centred @ towards),
            ],
            axis=1,
        ).astype(np.float32)
        depth = rasterise(screen, triangles, _RESOLUTION, _RESOLUTION, False).depth
        column, row = np.clip(screen[:, :2].astype(int), 0, _RESOLUTION - 1).T
        weight = np.clip(normals @ towards, 0, 1)
        seen += weight * (screen[:, 2] < depth[row, column] + _BIAS)
        total += weight
    return (seen / np.maximum(total, 1e-6)).astype(np.float32)


def _directions() -> np.ndarray:
    """Return unit vectors spread over the sphere, (48, 3)."""
    number = np.arange(_DIRECTIONS)
    y = 1 - 2 * (number + 0.5) / _DIRECTIONS
    radius, angle = np.sqrt(1 - y * y), number * _GOLDEN_ANGLE
    return np.stack([radius * np.cos(angle), y, radius * np.sin(angle)], axis=1)
