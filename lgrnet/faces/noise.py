"""Smooth random textures."""

from collections.abc import Sequence

import cv2
import numpy as np


def fractal_noise(
    rng: np.random.Generator,
    size: int,
    cells: Sequence[int] = (4, 8, 16, 32, 64),
    persistence: float = 0.6,
) -> np.ndarray:
    """Sum random grids of growing fineness.

    Args:
        rng: Source of randomness.
        size: Side of the texture.
        cells: Grid cells along a side, one octave each.
        persistence: Amplitude of an octave over that of the one before.

    Returns:
        (size, size) float32 with unit standard deviation.
    """
    total = np.zeros((size, size), np.float32)
    amplitude = 1.0
    for count in cells:
        grid = rng.standard_normal((count + 2, count + 2)).astype(np.float32)
        total += amplitude * cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
        amplitude *= persistence
    return total / (total.std() + 1e-6)


def smoothstep(x: np.ndarray, low: float | np.ndarray, high: float | np.ndarray) -> np.ndarray:
    """Rise from 0 at ``low`` to 1 at ``high`` with level ends."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
