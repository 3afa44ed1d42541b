"""Whether faces that a kernel cuts out are those of `runtime.align.warp`."""

import cv2
import numpy as np

from runtime.align import warp

ROUNDS_PLACES = int(cv2.__version__.split(".")[0]) < 5
"""Whether OpenCV samples at the nearest 1/32 of a pixel, as our kernel does (OpenCV 5 does not)."""

ELSEWHERE = 2 * 255 / 64
"""What half a step along either axis changes at most, between two neighbours, 0 and 255."""


def assert_as_warp(face: np.ndarray, frame: np.ndarray, matrix: np.ndarray, size: int) -> None:
    """Compare each number: all are the same, but for where OpenCV does not round places."""
    wanted = warp(frame, matrix, size)
    if ROUNDS_PLACES:
        np.testing.assert_array_equal(face, wanted)
        return
    difference = np.abs(face.astype(int) - wanted)
    assert difference.max() <= ELSEWHERE + 1
    assert difference.mean() < 1.5
