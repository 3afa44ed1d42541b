"""Frames of square pixels, from videos whose pixels are not.

DV, HDV (1440 × 1080 shown as 1920 × 1080), DVDs and anamorphic lenses store pictures that are
narrower or wider than they are shown. A face that is squeezed is no face that a finder or network
has seen, and angles measured in it are wrong.
"""

import cv2
import numpy as np

MOST = 4.0
"""Widest ratio, and narrowest as 1 of so many, that is believed."""


class SquarePixels:
    """Gives frames of a capture the width at which they are shown.

    Args:
        capture: Opened; what it says of pixels and of its rotation is asked for once.
    """

    def __init__(self, capture: cv2.VideoCapture) -> None:
        wide = capture.get(cv2.CAP_PROP_SAR_NUM)
        high = capture.get(cv2.CAP_PROP_SAR_DEN)
        known = wide > 0 and high > 0 and 1 / MOST <= wide / high <= MOST
        self._ratio = wide / high if known else 1.0
        # Pixels are told of as they are stored; OpenCV has turned the frame.
        self._turned = round(capture.get(cv2.CAP_PROP_ORIENTATION_META)) % 180 == 90

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Resize a frame along the axis that its rows are stored in.

        Args:
            frame: (H, W, 3) uint8, upright.

        Returns:
            (H', W', 3) uint8; the frame itself where its pixels are square, or nobody knows.
        """
        height, width = frame.shape[:2]
        if self._turned:
            size = width, max(1, round(height * self._ratio))
        else:
            size = max(1, round(width * self._ratio)), height
        if size == (width, height):
            return frame
        way = cv2.INTER_AREA if self._ratio < 1 else cv2.INTER_LINEAR
        return cv2.resize(frame, size, interpolation=way)
