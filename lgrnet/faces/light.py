"""Light and surroundings of a picture, drawn at random."""

import cv2
import numpy as np

from lgrnet.faces.noise import fractal_noise
from lgrnet.faces.raster import rasterise
from lgrnet.faces.shade import SHADOW_EXTENT, SHADOW_SIZE, Lighting, Shadow


def sample_lighting(rng: np.random.Generator) -> Lighting:
    """Draw a key light, mostly from in front and above, an ambient sky and a fill light."""
    key_direction = rng.normal(0, 1, 3) * np.array([0.8, 0.5, 0.2]) + np.array([0, 0.45, 1.0])
    warmth = rng.normal(0, 0.08)
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


def sample_background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draw a plain, graded, cloudy or cluttered background.

    Args:
        rng: Source of randomness.
        height: Rows.
        width: Columns.

    Returns:
        (height, width, 3) float32, linear RGB in [0, 1].
    """
    small = 160
    kind = rng.integers(0, 4)
    pair = rng.uniform(0.02, 0.95, (2, 3))
    pair = pair * 0.45 + pair.mean(1, keepdims=True) * 0.55  # rooms are mostly grey
    if kind == 0:
        picture = np.broadcast_to(pair[0], (small, small, 3)).copy()
    elif kind == 1:
        share = np.linspace(0, 1, small)[:, None, None]
        picture = pair[0] * (1 - share) + pair[1] * share + np.zeros((small, small, 1))
    else:
        cloud = fractal_noise(rng, small, (2, 4, 8, 16, 32), 0.7)[..., None]
        share = 1 / (1 + np.exp(-1.5 * cloud))
        picture = pair[0] * (1 - share) + pair[1] * share
        if kind == 3:
            for _ in range(rng.integers(3, 14)):
                x0, y0, x1, y1 = (int(v) for v in rng.integers(0, small, 4))
                colour = np.clip(rng.uniform(0, 1) + rng.normal(0, 0.12, 3), 0, 1).tolist()
                cv2.rectangle(picture, (x0, y0), (x1, y1), colour, -1)
            picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 6))
    linear = np.clip(picture, 0, 1).astype(np.float32) ** 2.2
    return cv2.resize(linear, (width, height), interpolation=cv2.INTER_LINEAR)
