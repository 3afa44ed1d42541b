"""Frames as the detector wants them, from arrays and from image files."""

from pathlib import Path

import cv2
import numpy as np

from runtime.errors import InputError
from runtime.truncation import image_damage

MAX_SIDE = 32766
"""Longest side of a frame, pixels: OpenCV's warps count in 16 bits."""


def check_frame(frame: np.ndarray, name: str = "frame") -> np.ndarray:
    """Turn whatever cameras and files give into BGR, or say what is wrong with it.

    Args:
        frame: (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA; uint8 [0, 255] or uint16
            [0, 65535]. Alpha is dropped, 16 bits are scaled to 8.
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
    if frame.dtype == np.uint16:
        frame = cv2.convertScaleAbs(frame, alpha=255 / 65535)
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


def read_image(path: str | Path) -> np.ndarray:
    """Read an image file, upright as its EXIF says.

    Args:
        path: JPEG, PNG, WebP, BMP, TIFF or whatever else this OpenCV decodes.

    Returns:
        (H, W, 3) uint8, BGR.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It is a folder, not an image, or truncated.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if not path.is_file():
        raise InputError(f"{path} is not a file: give an image")
    data = path.read_bytes()
    if not data:
        raise InputError(f"{path} is empty (0 bytes): copy it again from where it came")
    damage = image_damage(data)
    if damage:
        raise InputError(f"{path} is truncated or damaged ({damage}): copy it again")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise InputError(f"{path}: OpenCV cannot decode it ({error.err})") from error
    if image is None:
        raise InputError(
            f"{path} is not an image that OpenCV can decode, or it is truncated: give a whole "
            "JPEG, PNG, WebP, BMP or TIFF of 8 or 16 bits"
        )
    return check_frame(image, str(path))
