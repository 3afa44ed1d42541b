"""Rounded bodies before the head: height fields, the shadow they cast and the light on them.

Heights are in view axes, towards the camera, and lie along the camera's axis: within a hand or a
cup the perspective hardly shows, so that a body is seen without it and scaled by its distance.
"""

from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import cv2
import numba
import numpy as np

from lgrnet.faces.drawing.camera import PIVOT
from lgrnet.faces.drawing.canvas import Canvas
from lgrnet.faces.drawing.raster import FAR

SKIN_WRAP = np.array([0.38, 0.18, 0.12])
"""How far light wraps around the terminator under skin, RGB, as in
:mod:`lgrnet.faces.drawing.shade`."""

_DEEPEST = 3.0  # cm behind the touched point at which the ground lies where there is no head


@dataclass(frozen=True, eq=False)
class Frame:
    """A part of a canvas in which a body is drawn.

    Attributes:
        box: Rows and columns of the canvas.
        point: (3,) the body's origin, cm, view axes.
        forward: (2, 3) from view cm (x right, y up) at the origin's depth to pixels of the box.
        inverse: (2, 3) back.
        density: Pixels per cm there.
        face: (h, w) float32, height of the head, cm, view axes; -FAR off the head.
    """

    box: tuple[slice, slice]
    point: np.ndarray
    forward: np.ndarray
    inverse: np.ndarray
    density: float
    face: np.ndarray

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Return x and y of every pixel from the body's origin, (h, w) float32, cm, view axes."""
        rows, columns = self.face.shape
        column, row = (
            np.arange(columns, dtype=np.float32),
            np.arange(rows, dtype=np.float32)[:, None],
        )
        m = self.inverse.astype(np.float32)
        x, y = (m[k, 0] * column + m[k, 1] * row + (m[k, 2] - self.point[k]) for k in range(2))
        return x.astype(np.float32), y.astype(np.float32)


def open_frame(
    canvas: Canvas, point: np.ndarray, outline: np.ndarray, reach: float
) -> Frame | None:
    """Find the part of a canvas that a body and its shadow can change.

    Args:
        canvas: Where the body is drawn.
        point: (3,) the body's origin, cm, head axes.
        outline: (N, 2 or 3) places of the body from its origin, cm, view axes.
        reach: What to add around them, cm.

    Returns:
        The frame, or None where the body is out of the picture.
    """
    pose = canvas.pose
    view = (point - PIVOT) @ pose.rotation().T
    scale = pose.distance / (pose.distance - view[2])
    forward = canvas.matrix * (scale, -scale, 1.0)
    rows, columns = canvas.depth.shape
    pixels = (outline[:, :2] + view[:2]) @ forward[:, :2].T + forward[:, 2]
    margin = reach * canvas.density * scale
    left, top = np.maximum(np.floor(pixels.min(0) - margin), 0).astype(int)
    right, bottom = np.minimum(np.ceil(pixels.max(0) + margin), (columns, rows)).astype(int)
    if left >= right or top >= bottom:
        return None
    box = np.s_[top:bottom, left:right]
    forward[:, 2] -= left, top
    depth = canvas.depth[box]
    face = np.where(depth < FAR, np.float32(pose.distance) - depth, np.float32(-FAR))
    inverse = cv2.invertAffineTransform(forward)
    return Frame(box, view, forward, inverse, canvas.density * scale, face)


class Relief(NamedTuple):
    """A body seen from the camera, (h, w) of its frame.

    Attributes:
        height: float32, cm, view axes; -FAR off the body.
        normal: (h, w, 3) float32, view axes.
        cover: float32 in [0, 1].
    """

    height: np.ndarray
    normal: np.ndarray
    cover: np.ndarray


def lay(
    canvas: Canvas, frame: Frame, relief: Relief, reflectance: np.ndarray, gloss: np.ndarray,
    wrap: np.ndarray, shininess: float = 20.0,
) -> None:  # fmt: skip
    """Shadow the head under a body and draw the body, lit by the same terms as heads are.

    Args:
        canvas: Drawn on.
        frame: Which part.
        relief: The body.
        reflectance: (h, w, 3) float32, linear RGB.
        gloss: (h, w) float32, specular strength; skin's is about 0.35.
        wrap: (3,) how far light wraps around the terminator: :data:`SKIN_WRAP`, or zero.
        shininess: Exponent of the highlight.
    """
    light, density = canvas.light, frame.density
    shade = _shadow(relief.height, frame.face, light.key_direction, frame.forward)
    shade = cv2.GaussianBlur(shade, (0, 0), max(0.1 * density, 0.3))
    shade = cv2.resize(shade, relief.height.shape[::-1], interpolation=cv2.INTER_LINEAR)
    deepest = np.float32(frame.point[2] - _DEEPEST)
    ground = np.maximum(relief.height, np.maximum(frame.face, deepest))
    near = cv2.GaussianBlur(ground, (0, 0), max(0.28 * density, 0.3))
    closeness = cv2.GaussianBlur(relief.cover, (0, 0), max(0.45 * density, 0.3))
    _light(
        canvas.image[frame.box], frame.face, relief, shade, near, closeness, reflectance, gloss,
        wrap, shininess, np.stack([light.key, light.ambient, light.fill]),
        np.stack([light.key_direction, light.fill_direction]),
    )  # fmt: skip


@numba.njit(cache=True, fastmath=True)
def _shadow(height, face, towards, forward):
    """Return how much of the key light the hand keeps from itself and the face, at half size."""
    rows, columns = height.shape
    result = np.zeros(((rows + 1) // 2, (columns + 1) // 2), np.float32)
    right = forward[0, 0] * towards[0] + forward[0, 1] * towards[1]
    down = forward[1, 0] * towards[0] + forward[1, 1] * towards[1]
    for j in range(result.shape[0]):
        for i in range(result.shape[1]):
            row, column = 2 * j, 2 * i
            z = max(height[row, column], face[row, column])
            if z < -100:
                continue
            dark, s = 0.0, 0.25
            for _ in range(11):
                y, x = int(row + s * down + 0.5), int(column + s * right + 0.5)
                if 0 <= y < rows and 0 <= x < columns:
                    dark = max(dark, (height[y, x] - z - s * towards[2] - 0.06) * 3.0)
                if dark >= 1:
                    dark = 1.0
                    break
                s *= 1.28
            result[j, i] = dark
    return result


@numba.njit(cache=True, fastmath=True)
def _light(
    image, face, relief, shade, near, closeness, reflectance, gloss, wrap, shininess, glow, towards,
):  # fmt: skip
    rows, columns = face.shape
    key, ambient, fill = glow[0], glow[1], glow[2]
    key_d, fill_d = towards[0], towards[1]
    hx, hy, hz = key_d[0], key_d[1], key_d[2] + 1  # half vector, the viewer at +z
    h_length = sqrt(hx * hx + hy * hy + hz * hz)
    key_share = key[1] * max(key_d[2], 0.2)
    key_share /= key_share + 0.8 * ambient[1] + 1e-6
    for row in range(rows):
        for column in range(columns):
            share, dark = relief.cover[row, column], shade[row, column]
            touched = closeness[row, column]
            if share < 1 and dark + touched > 0.004 and face[row, column] > -100:
                keep = (1 - 0.8 * key_share * dark) * (1 - 0.65 * touched)
                for k in range(3):
                    image[row, column, k] *= keep
            if share <= 0:
                continue
            nx, ny = relief.normal[row, column, 0], relief.normal[row, column, 1]
            nz = relief.normal[row, column, 2]
            norm = sqrt(nx * nx + ny * ny + nz * nz) + 1e-6
            nx, ny, nz = nx / norm, ny / norm, nz / norm
            hidden = (near[row, column] - relief.height[row, column]) * 1.3
            open_sky = 1 - min(max(hidden, 0.0), 0.75)
            facing = nx * key_d[0] + ny * key_d[1] + nz * key_d[2]
            fill_facing = nx * fill_d[0] + ny * fill_d[1] + nz * fill_d[2]
            filled = min(max(fill_facing * 0.5 + 0.5, 0.0), 1.0)
            sky = 0.62 + 0.38 * ny
            rim = 1 - min(max(nz, 0.0), 1.0)
            fresnel = 0.04 + 0.5 * rim * rim * rim * rim * rim
            highlight = 0.0
            if facing > 0:
                half = min(max((nx * hx + ny * hy + nz * hz) / h_length, 0.0), 1.0)
                highlight = half**shininess * (shininess + 8) / 25 * 0.115 * (1 - dark)
            specular = gloss[row, column] * (highlight + fresnel * 0.25 * open_sky)
            for k in range(3):
                diffuse = min(max((facing + wrap[k]) / (1 + wrap[k]), 0.0), 1.0)
                diffuse *= 0.27 * wrap[k] + 0.9 * (1 - dark)
                arriving = key[k] * diffuse + (ambient[k] * sky + fill[k] * filled) * open_sky
                colour = reflectance[row, column, k] * arriving
                colour += specular * 0.5 * (key[k] + ambient[k])
                image[row, column, k] += (colour - image[row, column, k]) * share
