"""Videos that are stored mirrored, as some phones store what their front camera sees.

OpenCV makes a rotation of whatever matrix an MP4 has, and none at all of some: a picture whose left
and right are to change places comes out upside down.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from runtime.sources.mp4 import video_tracks

Mirror = Callable[[np.ndarray], np.ndarray]
"""Makes a frame, (H, W, 3), of one as it is stored."""

_WAYS: dict[tuple[int, ...], Mirror] = {
    (-1, 0, 0, 1): lambda frame: frame[:, ::-1],
    (1, 0, 0, -1): lambda frame: frame[::-1],
    (0, 1, 1, 0): lambda frame: frame.transpose(1, 0, 2),
    (0, -1, -1, 0): lambda frame: frame[::-1, ::-1].transpose(1, 0, 2),
}
"""By a, b, c, d, where what is at (x, y) is shown at (ax + cy, bx + dy)."""


def mirror_of(path: Path) -> Mirror | None:
    """Tell how the pictures of an MP4 are to be mirrored.

    Args:
        path: A file of any kind.

    Returns:
        What mirrors, and turns, a frame that OpenCV has not turned; None where OpenCV's own
        rotation is right.
    """
    _, tracks = video_tracks(path)
    header = tracks[0].get(b"tkhd", b"") if tracks else b""
    at = 52 if header[:1] == b"\1" else 40
    cells = [header[at + i : at + i + 4] for i in (0, 4, 12, 16)]
    return _WAYS.get(tuple(round(int.from_bytes(c, "big", signed=True) / 65536) for c in cells))
