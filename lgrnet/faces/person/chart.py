"""The face's texture chart: where every texel lies on the head, and where the features are."""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.interpolate import splev, splprep

from lgrnet.faces.drawing.raster import rasterise
from lgrnet.faces.head.rig import Part, Rig

TEXTURE_SIZE = 512
"""Side of the face's textures, texels."""

_SUBPIXEL = 4  # fractional bits that OpenCV's drawing functions take


@dataclass(frozen=True, eq=False)
class FaceChart:
    """Texture-space views of a rig's mean face.

    Attributes:
        size: Side of the chart, texels.
        position: Head position of every texel, (S, S, 3) float32, cm; texels outside the face hold
            that of the nearest texel inside.
        landmarks: The 68 landmarks, (68, 2) float32, texels.
        brow_span: Distance of the outer brow ends, texels: the unit of drawn features.
        lips: Mask of the lips, (S, S) float32 in [0, 1].
        lashes: Mask of each eye's lash line, two (S, S) float32 in [0, 1].
    """

    size: int
    position: np.ndarray
    landmarks: np.ndarray
    brow_span: float
    lips: np.ndarray
    lashes: tuple[np.ndarray, np.ndarray]


def make_chart(rig: Rig, size: int = TEXTURE_SIZE) -> FaceChart:
    """Rasterise the rig's face into its texture chart."""
    triangles = rig.triangles[rig.part == Part.FACE]
    flat = np.zeros((len(rig.vertices), 3), np.float32)
    flat[:, 0] = rig.uv[:, 0] * size
    flat[:, 1] = (1 - rig.uv[:, 1]) * size
    fragments = rasterise(flat, triangles, size, size, False)
    inside = fragments.triangle >= 0
    first_two = fragments.weights[inside]
    weights = np.concatenate([first_two, 1 - first_two.sum(1, keepdims=True)], axis=1)
    position = np.zeros((size, size, 3), np.float32)
    corners = rig.vertices[triangles[fragments.triangle[inside]]]
    position[inside] = (corners * weights[..., None]).sum(1)
    landmarks = flat[rig.landmarks68, :2]
    return FaceChart(
        size=size,
        position=_extend(position, inside),
        landmarks=landmarks,
        brow_span=float(landmarks[26, 0] - landmarks[17, 0]),
        lips=_lip_mask(landmarks[48:60], size),
        lashes=(_lash_line(landmarks[36:42], size), _lash_line(landmarks[42:48], size)),
    )


def draw_lines(size: int, lines: list[np.ndarray], value: float, thickness: int) -> np.ndarray:
    """Draw anti-aliased polylines, (S, S) float32, with ``value`` on the lines."""
    canvas = np.zeros((size, size), np.float32)
    for line in lines:
        points = (np.asarray(line) * (1 << _SUBPIXEL)).astype(np.int32)
        cv2.polylines(canvas, [points], False, value, thickness, cv2.LINE_AA, _SUBPIXEL)
    return canvas


def soften(drawn: np.ndarray, width: float) -> np.ndarray:
    """Blur a drawing by a width in texels and scale it to 1 where it is highest."""
    blurred = cv2.GaussianBlur(drawn, (0, 0), width)
    return blurred / blurred.max()


def _extend(position: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Give each texel outside the chart the value of the nearest one inside."""
    _, label = cv2.distanceTransformWithLabels(
        (~inside).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    rows, columns = np.nonzero(inside)
    nearest = np.zeros((label.max() + 1, 2), np.int64)
    nearest[label[rows, columns]] = np.stack([rows, columns], 1)
    return position[nearest[label][..., 0], nearest[label][..., 1]]


def _lip_mask(outline: np.ndarray, size: int) -> np.ndarray:
    """Fill a smooth closed curve through the 12 outer lip points."""
    spline, _ = splprep(np.vstack([outline, outline[:1]]).T, s=0, per=True)
    curve = np.stack(splev(np.linspace(0, 1, 96), spline), 1)
    large = np.zeros((size * 2, size * 2), np.uint8)
    cv2.fillPoly(large, [(curve * 2).astype(np.int32)], 255)
    soft = cv2.GaussianBlur(large, (0, 0), 3.5)
    return cv2.resize(soft, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def _lash_line(eye: np.ndarray, size: int) -> np.ndarray:
    """Draw the upper lash line, and the lower one fainter."""
    upper = draw_lines(size, [eye[:4]], 1.0, 3)
    lower = draw_lines(size, [eye[[0, 5, 4, 3]]], 0.4, 2)
    return np.clip(cv2.GaussianBlur(np.maximum(upper, lower), (0, 0), 0.8) * 1.3, 0, 1)
