"""The part of a frame that faces lie in, on its way to a GPU that cuts the faces out."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from runtime.align import CROP_SIZE, Sampling, reach, sampling
from runtime.cuda.device import Gpu
from runtime.cuda.memory import Mirror

_MARGIN = 2  # pixels around what a crop shows, for the neighbours that it is interpolated from


def describe(how: Sampling, part: tuple[int, int, int, int], bounds: Sequence[int]) -> np.ndarray:
    """Write down how a face is cut out.

    Args:
        how: How the frame is read.
        part: Left, top, right and bottom edge of the part of the frame that is there, pixels.
        bounds: First column, end of the columns, first row and end of the rows of the squares that
            may be read; all others are grey.

    Returns:
        (16,) float64: output → squares as OpenCV inverts a matrix, 6 numbers; `bounds`; the first
        square's column and row in the part, pixels; the factor; 1 / factor² as the float32 that
        OpenCV multiplies with; bytes from one row of the part to the next; a zero.
    """
    m = how.matrix
    determinant = m[0, 0] * m[1, 1] - m[0, 1] * m[1, 0]
    scale = 1 / determinant if determinant else 0.0
    a, b, c, d = m[1, 1] * scale, -m[0, 1] * scale, -m[1, 0] * scale, m[0, 0] * scale
    inverse = [a, b, -a * m[0, 2] - b * m[1, 2], c, d, -c * m[0, 2] - d * m[1, 2]]
    place = [how.left - part[0], how.top - part[1]]
    share = float(np.float32(1) / np.float32(how.factor**2))
    pitch = 3 * (part[2] - part[0])
    return np.array([*inverse, *bounds, *place, how.factor, share, pitch, 0], np.float64)


def read_bounds(how: Sampling, matrix: np.ndarray, size: int = CROP_SIZE) -> tuple[int, ...]:
    """Tell which squares a crop can read.

    Args:
        how: How the frame is read.
        matrix: Frame → crop, (2, 3).
        size: Side of the crop, pixels.

    Returns:
        First column, end of the columns, first row, end of the rows; none where it shows none.
    """
    if how.factor > 1:
        return 0, how.columns, 0, how.rows
    # Whatever the matrix is, nothing else of the frame may be asked for: the rest is not there.
    low, high = (np.clip(each, -1e9, 1e9) for each in reach(matrix, size))
    x0, y0 = np.maximum(np.floor(low).astype(int) - _MARGIN, 0)
    x1, y1 = np.minimum(np.ceil(high).astype(int) + _MARGIN, (how.columns, how.rows))
    return int(x0), max(int(x1), int(x0)), int(y0), max(int(y1), int(y0))


class FramePart:
    """Takes what the faces of a frame need of it to the GPU.

    Memory on both sides is as large as the largest frame so far.

    Args:
        gpu: Where.
        table: What `describe` says of each face of a batch, (B, 16) float64 on both sides.

    Attributes:
        table: See above.
        address: Of the part on the GPU.
    """

    def __init__(self, gpu: Gpu, table: Mirror) -> None:
        self._gpu, self.table = gpu, table
        self._memory: Mirror | None = None
        self._used = 0

    @property
    def address(self) -> int:
        """Where the part lies on the GPU.

        Raises:
            RuntimeError: There has been no frame.
        """
        if self._memory is None:
            raise RuntimeError("no part of a frame has been staged")
        return self._memory.address

    def stage(self, frame: np.ndarray, matrices: Sequence[np.ndarray]) -> bool:
        """Write the part and the table down in pinned memory.

        Args:
            frame: (H, W, 3) uint8.
            matrices: Frame → crop for each face, (2, 3); at most as many as a batch.

        Returns:
            Whether the part's place on the GPU is another one than before.
        """
        height, width = frame.shape[:2]
        hows = [sampling((width, height), matrix, CROP_SIZE) for matrix in matrices]
        bounds = [read_bounds(*each) for each in zip(hows, matrices, strict=True)]
        edges = [_pixels(*each) for each in zip(hows, bounds, strict=True)]
        edges = [each for each in edges if each[0] < each[2] and each[1] < each[3]] or [(0,) * 4]
        lows, highs = np.min(edges, 0), np.max(edges, 0)
        (left, top), (right, bottom) = map(int, lows[:2]), map(int, highs[2:])
        memory, moved = self._make_room(frame.size)
        self._used = 3 * (right - left) * (bottom - top)
        room = memory.host[: self._used].reshape(bottom - top, right - left, 3)
        room[:] = frame[top:bottom, left:right]
        self.table.host[:] = 0  # faces that are not there are cut out of nothing
        for row, how, bound in zip(self.table.host, hows, bounds, strict=False):
            row[:] = describe(how, (left, top, right, bottom), bound)
        return moved

    def upload(self, stream: Any) -> None:
        """Copy the part to the GPU; the table is copied by the recording, as its size is fixed."""
        if self._memory is not None and self._used:
            self._memory.upload(stream, self._used)

    def free(self) -> None:
        """Give the memory back, the table's as well."""
        self._free_part()
        self.table.free()

    def _free_part(self) -> None:
        if self._memory is not None:
            self._memory.free()
        self._memory = None

    def _make_room(self, size: int) -> tuple[Mirror, bool]:
        """Have memory for a part, bytes; return it, and whether it is new."""
        if self._memory is not None and len(self._memory.host) >= size:
            return self._memory, False
        self._free_part()
        self._memory = Mirror(self._gpu, (size,), np.uint8)
        return self._memory, True


def _pixels(how: Sampling, bounds: Sequence[int]) -> tuple[int, int, int, int]:
    """Turn bounds in squares into edges in pixels of the frame: left, top, right, bottom."""
    x0, x1, y0, y1 = (each * how.factor for each in bounds)
    return how.left + x0, how.top + y0, how.left + x1, how.top + y1
