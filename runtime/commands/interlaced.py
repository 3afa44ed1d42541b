"""A small interlaced video, to see whether OpenCV reads such videos here.

OpenCV writes none. So it writes progressive MPEG-2, and two bits are turned of the extensions that
say how the sequence and each picture are scanned (ISO/IEC 13818-2, 6.2.2.3 and 6.2.3.1); how the
pictures are coded does not depend on them if the height is a multiple of 32.
"""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

_EXTENSION = b"\x00\x00\x01\xb5"
_SEQUENCE, _PICTURE = 1, 8  # kinds of extensions


def write_interlaced(path: Path, frames: Iterable[np.ndarray], fps: float = 25) -> Path:
    """Write a video whose frames are flagged as interlaced.

    Args:
        path: Where to, an ``.mpg`` file.
        frames: (H, W, 3) uint8, BGR; H a multiple of 32.
        fps: Frames a second, one of MPEG-2's rates.

    Returns:
        The path.

    Raises:
        RuntimeError: This OpenCV writes no MPEG-2.
    """
    writer = None
    for frame in frames:
        if writer is None:
            size = frame.shape[1], frame.shape[0]
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mpg2"), fps, size)
        writer.write(frame)
    if writer is None or not writer.isOpened():
        raise RuntimeError("this OpenCV writes no MPEG-2")
    writer.release()
    path.write_bytes(flagged_interlaced(path.read_bytes()))
    return path


def flagged_interlaced(data: bytes) -> bytes:
    """Turn the bits ``progressive_sequence`` and ``progressive_frame`` of MPEG-2 off."""
    new = bytearray(data)
    at = new.find(_EXTENSION)
    while at >= 0:
        kind = new[at + 4] >> 4
        if kind == _SEQUENCE:
            new[at + 5] &= 0xF7
        elif kind == _PICTURE:
            new[at + 8] &= 0x7F
        at = new.find(_EXTENSION, at + 4)
    return bytes(new)
