"""A part of a canvas, with smooth covers and depth of its own: for what is drawn many times."""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from lgrnet.faces.drawing.canvas import Canvas

_FINER = 2  # covers are drawn so much larger and shrunk, which smooths their edges
_SUBPIXEL = 4


@dataclass(frozen=True, eq=False)
class Patch:
    """A part of a canvas.

    Attributes:
        corner: (2,) int, x and y of its first pixel on the canvas.
        image: (h, w, 3) float32, a view of the canvas's picture: drawn on in place.
        depth: (h, w) float32, a view of the canvas's depth, cm.
    """

    corner: np.ndarray
    image: np.ndarray
    depth: np.ndarray

    @classmethod
    def around(cls, canvas: Canvas, points: np.ndarray, margin: float) -> "Patch | None":
        """Return the part that holds points of the canvas, None if none of them is on it.

        Args:
            canvas: The canvas.
            points: (N, 2), pixels of the canvas.
            margin: Room around them, cm at the head's pivot.
        """
        room = margin * canvas.density
        size = np.array(canvas.depth.shape[::-1])
        low = np.clip(np.floor(points.min(0) - room), 0, size).astype(int)
        high = np.clip(np.ceil(points.max(0) + room) + 1, 0, size).astype(int)
        if (high <= low).any():
            return None
        part = np.s_[low[1] : high[1], low[0] : high[0]]
        return cls(low, canvas.image[part], canvas.depth[part])

    def spread(self, points: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Give every pixel a value, by the quadratic that fits given ones best.

        Args:
            points: (N, 2), pixels of the canvas.
            values: (N, K).

        Returns:
            (K, h, w) float32.
        """
        rows, columns = self.depth.shape
        scale = np.array([columns, rows])
        solution, *_ = np.linalg.lstsq(_terms(*((points - self.corner) / scale).T), values)
        x = np.arange(columns, dtype=np.float32)[None] / columns
        y = np.arange(rows, dtype=np.float32)[:, None] / rows
        one, dx, dy, xx, xy, yy = solution[..., None, None].astype(np.float32)
        return (one + dx * x + xx * x**2) + (dy + yy * y + xy * x) * y

    def fill(self, groups: list[np.ndarray]) -> np.ndarray:
        """Return the cover of outlines, (h, w) float32 in [0, 1].

        Args:
            groups: Each (M, N, 2), pixels of the canvas; an outline in another is a hole.
        """
        fine = self._fine()
        for group in groups:
            cv2.fillPoly(fine, list(self._fixed(group)), 255, cv2.LINE_8, _SUBPIXEL)
        return self._shrink(fine)

    def ribbon(
        self, canvas: Canvas, way: np.ndarray, height: float, clearance: float
    ) -> np.ndarray:
        """Return the cover of an upright strip, hidden where the head is nearer.

        Args:
            canvas: The canvas.
            way: (N, 3), the middle of the strip, cm, head axes.
            height: Of the strip, cm.
            clearance: How far it may lie behind the head's surface and still be seen, cm.

        Returns:
            (h, w) float32 in [0, 1].
        """
        rows, columns = self.depth.shape
        middle = canvas.see((way[:-1] + way[1:]) / 2)
        x, y = np.rint(middle[:, :2] - self.corner).astype(int).T
        behind = self.depth[np.clip(y, 0, rows - 1), np.clip(x, 0, columns - 1)]
        shown = behind >= middle[:, 2] - clearance
        half = np.array([0, height / 2, 0])
        edges = self._fixed(canvas.see(np.stack([way + half, way - half], 1).reshape(-1, 3))[:, :2])
        fine = self._fine()
        thick = max(1, round(0.1 * canvas.density * _FINER))  # seen from its narrow side
        for visible, (start, end) in zip(shown, pairwise(edges.reshape(-1, 2, 2)), strict=True):
            if visible:
                quad = np.stack([start[0], end[0], end[1], start[1]])
                cv2.fillConvexPoly(fine, quad, 255, cv2.LINE_8, _SUBPIXEL)
                cv2.polylines(fine, [quad], True, 255, thick, cv2.LINE_8, _SUBPIXEL)
        return self._shrink(fine)

    def _fine(self) -> np.ndarray:
        return np.zeros([_FINER * side for side in self.depth.shape], np.uint8)

    def _fixed(self, points: np.ndarray) -> np.ndarray:
        """Turn pixels of the canvas into OpenCV's fixed point on the finer grid."""
        # Pixel centres lie at whole numbers on both grids.
        placed = (points - self.corner + 0.5) * _FINER - 0.5
        return np.rint(placed * (1 << _SUBPIXEL)).astype(np.int32)

    def _shrink(self, fine: np.ndarray) -> np.ndarray:
        size = self.depth.shape[::-1]
        return cv2.resize(fine, size, interpolation=cv2.INTER_AREA) / np.float32(255)


def _terms(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], 1)
