"""Frames as the detector wants them."""

import logging
from typing import Any

import cv2
import numpy as np

from runtime.errors import InputError

logger = logging.getLogger(__name__)

Picture = np.ndarray[tuple[Any, ...], np.dtype[np.uint8]]
"""What is handed out as a picture: (H, W, 3) uint8, BGR."""

MAX_SIDE = 32766
"""Longest side of a frame, pixels: OpenCV's warps count in 16 bits."""


class ShallowFrames:
    """Tells in the log, once, where frames of 16 bits hold only 10 or 12 of them.

    Cameras give them as they are, in the lower bits, and files keep them so. As 16 bits they are
    nearly black: no face is found, and nobody would know why.
    """

    black = 256
    """Below this a frame may be black, with some noise, whatever its bits are."""

    shallow = 4096

    def __init__(self) -> None:
        self._told = False

    def look(self, frame: np.ndarray) -> None:
        """Look at a frame.

        Args:
            frame: (H, W) or (H, W, channels) uint16.
        """
        if self._told:
            return
        sample = frame[::2, ::2]  # a dark frame is dark in a quarter of its pixels, too
        most = int(sample[..., :3].max() if frame.ndim == 3 else sample.max())  # but for alpha
        if self.black <= most < self.shallow:
            self._told = True
            logger.warning(
                "a frame of uint16 has no value above %d of 65535 and is nearly black: if it holds "
                "10 bits, give frame << 6, if it holds 12, frame << 4",
                most,
            )


shallow_frames = ShallowFrames()
"""One for all sources and detectors, so that a warning comes once."""


def size_of(frame: np.ndarray) -> tuple[int, int]:
    """Return width and height of a frame, pixels."""
    return frame.shape[1], frame.shape[0]


def check_frame(frame: object, name: str = "frame") -> np.ndarray:
    """Turn whatever cameras and files give into BGR, or say what is wrong with it.

    Args:
        frame: (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA; uint8 [0, 255] or uint16
            [0, 65535]. Alpha is dropped, 16 bits are scaled to 8; `shallow_frames` are told in the
            log.
        name: What to call the frame in messages.

    Returns:
        (H, W, 3) uint8, BGR, contiguous; the input itself where it is that already.

    Raises:
        InputError: It is not such an array, is empty, or a side is over 32766 pixels.
    """
    if not isinstance(frame, np.ndarray):
        raise InputError(
            f"{name} is a {type(frame).__name__}: give a NumPy array, (H, W, 3) uint8 BGR"
        )
    if frame.ndim not in (2, 3):
        raise InputError(
            f"{name} has shape {frame.shape}: give one image, (H, W) grey or (H, W, 3) BGR"
        )
    if frame.size == 0:
        raise InputError(f"{name} is empty, its shape is {frame.shape}")
    channels = frame.shape[2] if frame.ndim == 3 else 1
    if channels not in (1, 3, 4):
        hint = ": channels come last, transpose it" if frame.shape[0] in (1, 3, 4) else ""
        raise InputError(
            f"{name} has shape {frame.shape}, {channels} channels where 1 (grey), 3 (BGR) or "
            f"4 (BGRA) belong{hint}"
        )
    if max(frame.shape[:2]) > MAX_SIDE:
        raise InputError(
            f"{name} is {frame.shape[1]} × {frame.shape[0]}: scale it to at most {MAX_SIDE} a side"
        )
    if frame.dtype.kind == "u" and frame.dtype.itemsize == 2:
        native = frame.astype(np.uint16, copy=False)  # files and cameras may give the bytes swapped
        frame = cv2.convertScaleAbs(native, alpha=255 / 65535)
        shallow_frames.look(native)
    elif frame.dtype != np.uint8:
        raise InputError(
            f"{name} is {frame.dtype}: convert it to uint8 in 0 to 255"
            + (
                ", as in (frame * 255).round().astype(np.uint8) if it is 0 to 1"
                if frame.dtype.kind == "f"
                else ""
            )
        )
    if channels == 1:
        return cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_GRAY2BGR)
    if channels == 4:
        return cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_BGRA2BGR)
    return np.ascontiguousarray(frame)
