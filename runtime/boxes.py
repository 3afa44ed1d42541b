"""Boxes around faces: left, top, width, height in pixels of the frame, as floats."""

import numpy as np

from runtime.align import ALIGNED_SIZE, invert, transform
from runtime.landmarks import inter_ocular

Box = tuple[float, float, float, float]

SAME_FACE = 0.5
"""Overlap of two faces' boxes from which they are one face."""

WITHIN = 0.8
"""Share of the smaller of two boxes in the other, from which it lies within it."""


def face_box(points: np.ndarray) -> Box:
    """Draw a box around a face: from above the brows to the chin, cheek to cheek.

    Args:
        points: Landmarks, (49, 2), pixels.

    Returns:
        The box; it may reach outside the frame.
    """
    unit = float(inter_ocular(points))
    left, top = points.min(0) - unit * np.array([0.35, 0.35])
    right, bottom = points.max(0) + unit * np.array([0.35, 0.55])
    return float(left), float(top), float(right - left), float(bottom - top)


def alignment_box(matrix: np.ndarray) -> Box:
    """Draw about the same box around a face of which only the alignment is known.

    Args:
        matrix: Frame → aligned image, (2, 3).

    Returns:
        The box; upright, the middle 80 % of the aligned image.
    """
    middle = transform(np.full(2, (ALIGNED_SIZE - 1) / 2), invert(matrix))
    side = 0.8 * ALIGNED_SIZE / float(np.hypot(*matrix[:, 0]))
    return float(middle[0] - side / 2), float(middle[1] - side / 2), side, side


def _common(a: Box, b: Box) -> float:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(width, 0.0) * max(height, 0.0)


def overlap(a: Box, b: Box) -> float:
    """Measure how far two boxes are one.

    Args:
        a: One box.
        b: The other.

    Returns:
        Intersection over union, 0 to 1.
    """
    common = _common(a, b)
    return common / (a[2] * a[3] + b[2] * b[3] - common) if common else 0.0


def same_face(a: Box, b: Box) -> bool:
    """Tell whether two boxes are of one face: they are much the same, or one lies within the other.

    No face is seen within another; finders take a nose and a mouth for one now and then.
    """
    within = _common(a, b) >= WITHIN * min(a[2] * a[3], b[2] * b[3])
    return within or overlap(a, b) >= SAME_FACE
