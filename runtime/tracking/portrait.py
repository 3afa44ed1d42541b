"""What somebody looks like, roughly: whether it may be the same one who comes back into the frame.

The colours of 8 × 8 squares of the aligned face: skin, hair, glasses, collar. That tells most of
the few people apart who are about within seconds; it recognises nobody.
"""

import numpy as np

from runtime.align import ALIGNED_SIZE, invert, transform

SIDE = 8

LIKE = 0.14
"""Difference up to which two portraits may be of one person. Of rendered people, a second and more
apart, three quarters of the pairs of one differ by less than 0.11, three quarters of the pairs of
two by more than 0.15."""

_SAMPLES = 2  # along a side of a square
_STEP = ALIGNED_SIZE / (SIDE * _SAMPLES)
_GRID = np.stack(np.meshgrid(*[(np.arange(SIDE * _SAMPLES) + 0.5) * _STEP] * 2), -1).reshape(-1, 2)


def portrait(frame: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Look at a face.

    Args:
        frame: (H, W, 3) uint8, BGR.
        matrix: Alignment, frame → aligned face, (2, 3).

    Returns:
        (8, 8, 3) float32, BGR, 0 to 1; what lies outside the frame is as at its edge.
    """
    height, width = frame.shape[:2]
    places = np.rint(transform(_GRID, invert(matrix))).astype(np.intp)
    x, y = places[:, 0].clip(0, width - 1), places[:, 1].clip(0, height - 1)
    pixels = frame[y, x].astype(np.float32).reshape(SIDE, _SAMPLES, SIDE, _SAMPLES, 3)
    return pixels.mean((1, 3)) / 255


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Tell how far two portraits differ: the mean difference of their colours, 0 to 1."""
    return float(np.abs(one - other).mean())
