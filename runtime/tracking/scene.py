"""Whether a frame begins another scene, as behind a cut of an edited video.

Faces in the same place before and after a cut look much alike, and landmarks fit one as well as the
other: only the picture as a whole tells that it is somebody else. A camera that moves keeps the
colours of the picture, light that changes keeps its layout, and a cut changes both at once. So both
are compared with those of the frame before, on some 64 rows of pixels.

A cross-fade, and a cut between two views that have layout or colours in common, are not noticed.
"""

import cv2
import numpy as np

ROWS = 64
"""About how many rows of pixels are looked at (up to twice as many)."""

SIDE = 16
"""Side of the layout, pixels."""

SAME_LAYOUT = 0.5
"""Correlation of brightness from which the layout is the same."""

SAME_COLOURS = 0.75
"""Share of the pixels whose colour the frame before had as well, from which the colours are."""

_BINS = 8  # a channel


class Scene:
    """What the frames of a stream show, in small."""

    def __init__(self) -> None:
        self._layout: np.ndarray | None = None
        self._pixels: np.ndarray | None = None

    def changed(self, frame: np.ndarray) -> bool:
        """Take in the next frame; one of a single colour, such as a black one, is passed over.

        Args:
            frame: (H, W, 3) uint8, BGR.

        Returns:
            Whether it begins another scene than that of the frame before. False for the first one.
        """
        step = max(1, min(frame.shape[:2]) // ROWS)
        pixels = np.ascontiguousarray(frame[step // 2 :: step, step // 2 :: step])
        layout = _layout(pixels)
        if layout is None:
            return False
        before, pixels_before = self._layout, self._pixels
        self._layout, self._pixels = layout, pixels
        if before is None or float(before @ layout) >= SAME_LAYOUT:
            return False
        common = np.minimum(_colours(pixels_before), _colours(pixels)).sum()
        return float(common) < SAME_COLOURS


def _layout(pixels: np.ndarray) -> np.ndarray | None:
    """Give the brightness in small, of mean 0 and length 1; None where it is the same all over."""
    small = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    grey = small.sum(2, dtype=np.float32).ravel()
    grey -= grey.mean()
    length = float(np.linalg.norm(grey))
    return grey / length if length > 3 * SIDE else None


def _colours(pixels: np.ndarray) -> np.ndarray:
    """Count colours in 8 × 8 × 8 bins, as shares of the pixels."""
    counts = cv2.calcHist([pixels], [0, 1, 2], None, [_BINS] * 3, [0, 256] * 3)
    return counts / (pixels.shape[0] * pixels.shape[1])
