"""Noticing that the image at a face's place has changed abruptly, as at a cut.

A face changes little from one frame to the next where it is followed, however it moves; behind a
cut, or in a frame that is black, something else is there. So 16 × 16 pixels of the aligned face are
compared with those of the frame before, which takes some 40 microseconds.
"""

import numpy as np

from runtime.align import ALIGNED_SIZE, invert, transform

SIDE = 16

_GRID = np.stack(np.meshgrid(*[(np.arange(SIDE) + 0.5) * (ALIGNED_SIZE / SIDE)] * 2), -1).reshape(
    -1, 2
)

ALIKE = 0.5
"""Correlation of the brightness from which it may be the same face."""


def glance(frame: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Look at a face's place.

    Args:
        frame: (H, W, 3) uint8, BGR.
        matrix: Alignment, frame → aligned face, (2, 3).

    Returns:
        Its brightness, (256,) float32, of mean 0 and length 1; all 0 where it is the same all over.
    """
    height, width = frame.shape[:2]
    places = np.rint(transform(_GRID, invert(matrix))).astype(np.intp)
    x, y = places[:, 0].clip(0, width - 1), places[:, 1].clip(0, height - 1)
    grey = frame[y, x].sum(1, dtype=np.float32)
    grey -= grey.mean()
    length = float(np.linalg.norm(grey))
    return grey / length if length > 3 * SIDE else np.zeros_like(grey)


def alike(before: np.ndarray, now: np.ndarray) -> bool:
    """Tell whether two looks may be at the same face."""
    return float(before @ now) >= ALIKE
