"""A small network of our own that finds faces, packaged.

It was trained on rendered heads alone (`lgrnet.finder`), and answers on three grids of cells, 8, 16
and 32 pixels apart: whether a face has its middle there, how large it is, and where its eyes, nose
and mouth corners are. OpenCV computes it, or the native engine where the model runs there too.
"""

from typing import Literal, Protocol

import cv2
import numpy as np

from runtime.align import BORDER, anchor_matrix
from runtime.finders.base import SEARCH_SIDE, FoundFace, checked_side, reduce
from runtime.finders.grids_opencv import OpenCVGrids

STRIDES = (8, 16, 32)
"""Pixels from one cell of a grid to the next."""

CHANNELS = 15
"""Numbers a cell, see `read_grid`."""

LEAST_SIDE = 64
"""Smallest height and width that the network is given, pixels: where the coarse grid has a single
row or column, OpenCV 4.14 computes other numbers than PyTorch (at 32 × n and n × 32, all n)."""

UNIT = 4.0
"""Strides that sizes and points are measured in."""

THRESHOLD = 0.5
"""Score from which something is a face."""

SAME = 0.35
"""Overlap of two boxes from which the less sure one is dropped."""


class Grids(Protocol):
    """The network, computed by one engine."""

    engine: str
    """What computes it, in words."""

    sha256: str
    """Digest of its file."""

    def __call__(self, picture: np.ndarray) -> list[np.ndarray]:
        """Compute what the cells say.

        Args:
            picture: (H, W, 3) uint8, BGR; H and W are multiples of 32, of `LEAST_SIDE` at least.

        Returns:
            For each of `STRIDES` (15, H / stride, W / stride) float32, see `read_grid`.
        """
        ...


class NetworkFinder:
    """The packaged network: half profiles, tilted and small faces as well, with any OpenCV.

    Its score estimates how well the box fits, 0 to 1, no probability.

    Args:
        threshold: Least score of a face.
        search_side: Longer side to which larger frames are reduced for the search, pixels.
        engine: What computes the network: ``"opencv"``, or ``"native"``, which has to be
            compiled and is mostly faster. They find the same, as they differ by rounding only.
        threads: CPU threads of the native engine. OpenCV takes as many as ``cv2.setNumThreads``
            says.

    Attributes:
        engine: What computes the network, in words.
        sha256: Digest of the packaged file.

    Raises:
        ImportError: The native engine is not compiled for this machine.
        ModelError: The packaged file for the native engine is missing or damaged.
        OpenCVError: The packaged file for OpenCV is missing or damaged.
        ValueError: ``search_side`` is below `LEAST_SEARCH_SIDE`, ``threshold`` not above 0 and
            up to 1, or the engine unknown.
    """

    name = "network"

    def __init__(
        self,
        threshold: float = THRESHOLD,
        search_side: int = SEARCH_SIDE,
        engine: Literal["opencv", "native"] = "opencv",
        threads: int = 1,
    ) -> None:
        self._search_side = checked_side(search_side)
        if not 0 < threshold <= 1:
            raise ValueError(f"threshold must be above 0 and up to 1, got {threshold}")
        self._threshold = threshold
        self._given = engine, threads
        self._grids = _open(engine, threads)
        self.engine, self.sha256 = self._grids.engine, self._grids.sha256

    def clone(self) -> "NetworkFinder":
        """Open another one of the same settings, for another thread."""
        return NetworkFinder(self._threshold, self._search_side, *self._given)

    def find(self, frame: np.ndarray) -> list[FoundFace]:
        """Search a frame; see `FaceFinder.find`."""
        small, zoom = reduce(frame, self._search_side)
        found = []
        for score, box, points in zip(*self._search(small), strict=True):
            if np.hypot(*(points[1] - points[0])) < 1:
                continue  # both eyes at one place: how the face is turned cannot be told
            x, y, width, height = (box / zoom).tolist()
            alignment = anchor_matrix(points / zoom)
            found.append(FoundFace((x, y, width, height), float(score), alignment))
        return found

    def confirm(self, face: np.ndarray) -> float | None:
        """Look whether an aligned image shows a face; see `FaceFinder.confirm`."""
        small = cv2.resize(face, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        scores, _, _ = self._search(small)
        return float(scores[0]) if len(scores) else None

    def _search(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Run the network.

        Returns:
            Of each face, surest first: score, (n,); box as left, top, width, height, (n, 4); and
            the anchors of `runtime.align.anchor_matrix`, (n, 5, 2); pixels of the image.
        """
        height, width = image.shape[:2]
        coarsest = STRIDES[-1]
        tall, wide = (max(LEAST_SIDE, -(-side // coarsest) * coarsest) for side in (height, width))
        padded = cv2.copyMakeBorder(
            image, 0, tall - height, 0, wide - width, cv2.BORDER_CONSTANT, value=BORDER
        )
        grids = [
            read_grid(grid, stride, self._threshold)
            for grid, stride in zip(self._grids(padded), STRIDES, strict=True)
        ]
        scores, boxes, points = (np.concatenate(part) for part in zip(*grids, strict=True))
        kept = np.ravel(cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), 0, SAME)).astype(int)
        return scores[kept], boxes[kept], points[kept]


def _open(engine: str, threads: int) -> Grids:
    if engine == "opencv":
        return OpenCVGrids()
    if engine == "native":
        from runtime.finders.grids_native import NativeGrids

        return NativeGrids(threads)
    raise ValueError(f"engine {engine!r} is unknown: give 'opencv' or 'native'")


def read_grid(
    grid: np.ndarray, stride: int, threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read what the network says at the cells of a grid.

    Args:
        grid: (15, rows, columns) float32: the score before the logistic function; how far the
            box's middle lies right of and below the cell's, strides; the logarithms of its width
            and height, `UNIT` strides; the five points' x and y from the cell's middle, alike.
        stride: Pixels from one cell to the next.
        threshold: Least score.

    Returns:
        Of the cells with that score: it, (n,); box as left, top, width, height, (n, 4); points,
        (n, 5, 2); pixels.
    """
    least = np.log(threshold / (1 - threshold)) if threshold < 1 else np.inf
    rows, columns = np.nonzero(grid[0] >= least)
    cells = grid[:, rows, columns].T.astype(np.float64)
    middles = (np.stack([columns, rows], 1) + 0.5) * stride - 0.5
    sizes = np.exp(np.clip(cells[:, 3:5], -3, 3)) * UNIT * stride
    corners = middles + cells[:, 1:3] * stride - sizes / 2
    points = middles[:, None] + cells[:, 5:].reshape(-1, 5, 2) * UNIT * stride
    return 1 / (1 + np.exp(-cells[:, 0])), np.hstack([corners, sizes]), points
