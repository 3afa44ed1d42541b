"""A smooth map of a head, on which hair grows and lies."""

import cv2
import numpy as np

from lgrnet.faces.drawing.canvas import Canvas
from lgrnet.faces.head.rig import Part

MIDDLE, SQUARES = (0.0, 5.0, 0.5), (62.0, 86.0, 85.0)
"""Centre, cm, and squared half axes, cm², of an ellipsoid like the skull."""

CENTRE = np.array(MIDDLE)
_GRID, _REACH = 48, 2.7  # cells and radians of the map, from the top of the head outwards


def unit(vectors: np.ndarray) -> np.ndarray:
    """Scale vectors along the last axis to length 1."""
    return vectors / np.sqrt((vectors * vectors).sum(-1, keepdims=True))


class Skull:
    """A smooth map of the head's radius around the middle of the skull, without the ears."""

    def __init__(self, canvas: Canvas) -> None:
        points = canvas.head[canvas.rig.vertex_part <= Part.HEAD]
        x, y, z = points.T
        ear = (np.abs(x) > 7.7) & (y < 6) & (y > -3) & (z < 5)
        away = points[~ear] - CENTRE
        radius = np.linalg.norm(away, axis=1)
        column, row = np.rint(self._chart(away)).astype(int).T
        inside = (column >= 0) & (column < _GRID) & (row >= 0) & (row < _GRID)
        place, radius = (row * _GRID + column)[inside], radius[inside]
        total = np.bincount(place, radius, _GRID**2).reshape(_GRID, _GRID)
        number = np.bincount(place, minlength=_GRID**2).reshape(_GRID, _GRID).astype(float)
        total, number = total / np.maximum(number, 1), np.minimum(number, 1)
        near = cv2.GaussianBlur(number, (0, 0), 1.0) + 1e-9
        wide = cv2.GaussianBlur(total, (0, 0), 4.0) / (cv2.GaussianBlur(number, (0, 0), 4.0) + 1e-9)
        filled = (cv2.GaussianBlur(total, (0, 0), 1.0) + 0.02 * wide) / (near + 0.02)
        self.map = filled.astype(np.float32)

    @staticmethod
    def _chart(away: np.ndarray) -> np.ndarray:
        """Return (N, 2) places in the map: the angle from the top, spread in all directions."""
        flat = np.hypot(away[:, 0], away[:, 2]) + 1e-9
        polar = np.arctan2(flat, away[:, 1])
        return (away[:, ::2] * (polar / flat)[:, None] / _REACH + 1) * ((_GRID - 1) / 2)

    def place(
        self, points: np.ndarray, lift: float | np.ndarray, loose: bool | np.ndarray = False
    ) -> np.ndarray:
        """Put points ``lift`` above the skull; loose ones only where they are lower."""
        away = points - CENTRE
        distance = np.linalg.norm(away, axis=1) + 1e-9
        at = self._chart(away).astype(np.float32)[:, None]
        # As OpenCV 4 rounds them. OpenCV 5 does not, and on the last digit hangs whether a strand
        # grows, and with that all that is drawn by chance after it.
        at = (np.rint(at * 32) / 32).astype(np.float32)
        radius = cv2.remap(
            self.map, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        target = radius[:, 0] + lift
        target = np.where(loose, np.maximum(target, distance), target)
        return CENTRE + away * (target / distance)[:, None]

    def normal(self, points: np.ndarray) -> np.ndarray:
        """Return where a skull-like ellipsoid faces, (N, 3) unit."""
        return unit((points - CENTRE) / np.array(SQUARES))
