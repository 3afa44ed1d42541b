"""What is drawn over the shaded head: strokes and filled shapes that know what lies before them."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Protocol

import cv2
import numpy as np

from lgrnet.faces.drawing.camera import PIVOT, Pose, project
from lgrnet.faces.drawing.shade import Lighting
from lgrnet.faces.head.rig import Rig
from runtime.align import transform

_SUBPIXEL = 4  # bits of the fixed point that OpenCV draws with
_CLEARANCE = 0.3  # cm behind the surface at which a line is still seen


@dataclass(frozen=True, eq=False)
class Canvas:
    """A picture in the making, at the resolution of the rasteriser.

    Attributes:
        image: (H, W, 3) float32, linear RGB; drawn on in place.
        depth: (H, W) float32, distance from the camera plane, cm; :data:`raster.FAR` off the head.
        head: (V, 3) float32, the vertices in this expression, cm, head axes (x to the image's
            right, y up, z out of the face).
        rig: The face rig.
        pose: Where the head is.
        light: What shines on it.
        matrix: (2, 3), from the projection's cm to pixels of this canvas.
        density: Pixels per cm at the head's pivot.
    """

    image: np.ndarray
    depth: np.ndarray
    head: np.ndarray
    rig: Rig
    pose: Pose
    light: Lighting
    matrix: np.ndarray
    density: float

    @cached_property
    def anatomy(self) -> np.ndarray:
        """The 68 iBUG landmarks of this expression, (68, 3), cm, head axes."""
        return self.head[self.rig.landmarks68]

    def see(self, points: np.ndarray) -> np.ndarray:
        """Project points.

        Args:
            points: (N, 3), cm, head axes.

        Returns:
            (N, 3): x and y in pixels of the canvas, pixel centres at whole numbers, and depth in
            cm, comparable with ``depth``.
        """
        turned = (np.asarray(points, np.float64) - PIVOT) @ self.pose.rotation().T
        seen = project(turned, self.pose).astype(np.float64)
        seen[:, :2] = transform(seen[:, :2], self.matrix)
        return seen

    def stroke(self, points: np.ndarray, width: float, colour: np.ndarray) -> None:
        """Draw a line through space, hidden where it lies more than 3 mm inside the head.

        Args:
            points: (N, 3), cm, head axes.
            width: Thickness, cm; lines thinner than a pixel are drawn fainter instead.
            colour: (3,) linear RGB as it reaches the camera.
        """
        seen = self.see(points)
        pixels = width * self.density
        thickness = max(1, round(pixels))
        opacity = min(1.0, pixels / thickness)
        cover = np.zeros(self.depth.shape, np.uint8)  # OpenCV smooths the edges of bytes only
        for (x0, y0, z0), (x1, y1, z1) in pairwise(seen):
            if self._hidden((x0 + x1) / 2, (y0 + y1) / 2, (z0 + z1) / 2 - _CLEARANCE):
                continue
            ends = np.round(np.array([x0, y0, x1, y1]) * (1 << _SUBPIXEL)).astype(int).tolist()
            cv2.line(cover, ends[:2], ends[2:], 255, thickness, cv2.LINE_AA, _SUBPIXEL)
        self.blend(cover * np.float32(opacity / 255), colour)

    def fill(self, outline: np.ndarray) -> np.ndarray:
        """Return the cover of a filled outline in space, (H, W) float32 in [0, 1]; hides nothing.

        Args:
            outline: (N, 3), cm, head axes.
        """
        cover = np.zeros(self.depth.shape, np.uint8)
        points = np.round(self.see(outline)[:, :2] * (1 << _SUBPIXEL)).astype(np.int32)
        cv2.fillPoly(cover, [points], 255, cv2.LINE_AA, _SUBPIXEL)
        return cover / np.float32(255)

    def blend(self, cover: np.ndarray, colour: np.ndarray) -> None:
        """Lay a colour over the picture.

        Args:
            cover: (H, W) float32 in [0, 1].
            colour: (3,), or (H, W, 3): linear RGB as it reaches the camera.
        """
        rows, columns = np.nonzero(cover.any(1))[0], np.nonzero(cover.any(0))[0]
        if not len(rows):
            return
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        share = cover[box][..., None]
        colour = np.asarray(colour, np.float32)
        part = colour[box] if colour.ndim == 3 else colour
        self.image[box] = self.image[box] * (1 - share) + part * share

    def _hidden(self, x: float, y: float, depth: float) -> bool:
        """Whether the head lies before a place."""
        rows, columns = self.depth.shape
        row, column = round(y), round(x)
        inside = 0 <= row < rows and 0 <= column < columns
        return bool(inside and self.depth[row, column] < depth)


class Overlay(Protocol):
    """Something that a canvas can carry: lashes, glasses, a hand."""

    def draw(self, canvas: Canvas) -> None:
        """Draw it."""
