"""Light of a picture, drawn at random, and the shadow that it casts."""

import numpy as np

from lgrnet.faces.drawing.raster import rasterise
from lgrnet.faces.drawing.shade import SHADOW_EXTENT, SHADOW_SIZE, Lighting, Shadow


def sample_lighting(rng: np.random.Generator) -> Lighting:
    """Draw a key light, mostly from in front and above, an ambient sky and a fill light."""
    key_direction = rng.normal(0, 1, 3) * np.array([0.9, 0.5, 0.25]) + np.array([0, 0.45, 1.0])
    warmth = rng.normal(0, 0.12)
    fill_direction = rng.normal(0, 1, 3) + np.array([0, 0, 0.5])
    return Lighting(
        key_direction=key_direction / np.linalg.norm(key_direction),
        key=np.array([1 + warmth, 1, 1 - warmth]) * rng.uniform(0.25, 1.1),
        ambient=np.array([1 - warmth / 2, 1, 1 + warmth / 2]) * rng.uniform(0.25, 0.7),
        fill_direction=fill_direction / np.linalg.norm(fill_direction),
        fill=rng.uniform(0, 0.3) * rng.uniform(0.8, 1.2, 3),
    )


STUDIO = Lighting(
    key_direction=np.array([0.35, 0.45, 0.82]),
    key=np.array([0.78, 0.76, 0.73]),
    ambient=np.array([0.42, 0.43, 0.45]),
    fill_direction=np.array([-0.7, 0.1, 0.7]),
    fill=np.array([0.12, 0.12, 0.13]),
)
"""A soft light from the upper right, for galleries and tests."""


def cast_shadow(positions: np.ndarray, triangles: np.ndarray, light: Lighting) -> Shadow:
    """Render the depth map of the key light.

    Args:
        positions: (V, 3) float32, cm, view axes.
        triangles: Those that cast shadows, (T, 3) int32.
        light: The picture's light.

    Returns:
        The shadow map.
    """
    towards = light.key_direction
    right = np.cross([0.0, 1.0, 0.0], towards)
    right /= np.linalg.norm(right)
    up = np.cross(towards, right)
    scale = SHADOW_SIZE / SHADOW_EXTENT
    seen = np.stack(
        [
            SHADOW_SIZE / 2 + positions @ right * scale,
            SHADOW_SIZE / 2 - positions @ up * scale,
            -(positions @ towards),
        ],
        axis=1,
    ).astype(np.float32)
    depth = rasterise(seen, triangles, SHADOW_SIZE, SHADOW_SIZE, False).depth
    return Shadow(depth, right, up, scale)
