"""Frames of a video file as they are to be shown: turned, mirrored, of square pixels."""

from pathlib import Path

import cv2
import numpy as np

from runtime.sources.mirror import mirror_of
from runtime.sources.square import SquarePixels


class AsShown:
    """Makes what is to be shown of the frames of a capture.

    Args:
        capture: Opened, at its start. What it turns is set here.
        path: The file; None for one on a server, whose matrix nobody reads.
    """

    def __init__(self, capture: cv2.VideoCapture, path: Path | None) -> None:
        self._mirror = mirror_of(path) if path else None
        # FFmpeg's builds do so by themselves, but phones' portrait videos must not depend on it.
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0 if self._mirror else 1)
        self._square = SquarePixels(capture)

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Make (H', W', 3) of a frame that was just read, (H, W, 3)."""
        return self._square(self._mirror(frame) if self._mirror else frame)
