"""A small network of our own that finds faces, packaged, run by OpenCV.

It was trained on rendered heads alone (`lgrnet.finder`), and answers on three grids of cells, 8, 16
and 32 pixels apart: whether a face has its middle there, how large it is, and where its eyes, nose
and mouth corners are.
"""

from pathlib import Path

import cv2
import numpy as np

from runtime.align import BORDER, anchor_matrix
from runtime.errors import OpenCVError
from runtime.files.digest import file_sha256
from runtime.finders.base import SEARCH_SIDE, FoundFace, checked_side, reduce

MODEL = Path(__file__).with_name("network.onnx")
"""The packaged network; ``python -m export.finder`` writes it."""

INPUT, OUTPUTS = "picture", ("fine", "middle", "coarse")
"""Names in the file: (1, 3, H, W) float32, BGR, 0 to 255, both sides multiples of 32; and for each
grid (1, 15, H / stride, W / stride) float32."""

STRIDES = (8, 16, 32)
"""Pixels from one cell of a grid to the next."""

LEAST_SIDE = 64
"""Smallest height and width that the network is given, pixels: where the coarse grid has a single
row or column, OpenCV 4.14 computes other numbers than PyTorch (at 32 × n and n × 32, all n)."""

UNIT = 4.0
"""Strides that sizes and points are measured in."""

THRESHOLD = 0.5
"""Score from which something is a face."""

SAME = 0.35
"""Overlap of two boxes from which the less sure one is dropped."""


class NetworkFinder:
    """The packaged network: half profiles, tilted and small faces as well, with any OpenCV.

    Its score estimates how well the box fits, 0 to 1, no probability.

    Args:
        threshold: Least score of a face.
        search_side: Longer side to which larger frames are reduced for the search, pixels.

    Attributes:
        sha256: Digest of the packaged file.

    Raises:
        OpenCVError: The packaged file is missing or damaged.
        ValueError: ``search_side`` is below `LEAST_SEARCH_SIDE`, or ``threshold`` not above 0 and
            up to 1.
    """

    name = "network"

    def __init__(self, threshold: float = THRESHOLD, search_side: int = SEARCH_SIDE) -> None:
        self._search_side = checked_side(search_side)
        if not 0 < threshold <= 1:
            raise ValueError(f"threshold must be above 0 and up to 1, got {threshold}")
        self._threshold = threshold
        # OpenCV gets the bytes and not the path, as on Windows it opens none with letters beyond
        # ASCII.
        try:
            self._network = cv2.dnn.readNetFromONNX(np.fromfile(MODEL, np.uint8))
            self.sha256 = file_sha256(MODEL)
        except (OSError, cv2.error) as error:
            raise OpenCVError(
                f"the packaged face finder {MODEL} cannot be read by OpenCV {cv2.__version__}: "
                f"reinstall lgrnet ({error})"
            ) from error

    def clone(self) -> "NetworkFinder":
        """Open another one of the same settings, for another thread."""
        return NetworkFinder(self._threshold, self._search_side)

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
        self._network.setInput(cv2.dnn.blobFromImage(padded), INPUT)
        maps = self._network.forward(OUTPUTS)
        grids = [
            read_grid(grid[0], stride, self._threshold)
            for grid, stride in zip(maps, STRIDES, strict=True)
        ]
        scores, boxes, points = (np.concatenate(part) for part in zip(*grids, strict=True))
        kept = np.ravel(cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), 0, SAME)).astype(int)
        return scores[kept], boxes[kept], points[kept]


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
