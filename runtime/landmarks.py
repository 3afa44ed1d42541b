"""The 49-point landmark scheme (SDM-49: the iBUG 68 points without jaw and inner mouth corners).

Indices are 0-based. "Left" is the image's left, as the viewer sees it.

=======  ====================================================================
0-4      left brow, outer to inner
5-9      right brow, inner to outer
10-13    nose bridge, top to tip
14-18    nose base, left to right (15 and 17 are the nostrils)
19-24    left eye: outer corner, two upper lid, inner corner, two lower lid
25-30    right eye: inner corner, two upper lid, outer corner, two lower lid
31-42    outer lip, clockwise from the left corner (37 is the right corner)
43-48    inner lip: three upper left to right, three lower right to left
=======  ====================================================================
"""

import numpy as np

COUNT = 49
LEFT_EYE = slice(19, 25)
RIGHT_EYE = slice(25, 31)
LEFT_EYE_INNER, RIGHT_EYE_INNER = 22, 25
NOSE_TIP = 13
MOUTH_LEFT, MOUTH_RIGHT = 31, 37

CONTOURS: tuple[tuple[tuple[int, ...], bool], ...] = (
    (tuple(range(0, 5)), False),
    (tuple(range(5, 10)), False),
    (tuple(range(10, 14)), False),
    (tuple(range(14, 19)), False),
    (tuple(range(19, 25)), True),
    (tuple(range(25, 31)), True),
    (tuple(range(31, 43)), True),
    (tuple(range(43, 49)), True),
)
"""The lines one draws through the points: (indices, closed)."""

_FIXED = (11, 12, 13, 14, 17, 35, 41, 45, 48)
_PAIRS = (
    *((1, 10), (2, 9), (3, 8), (4, 7), (5, 6), (15, 19), (16, 18)),
    *((20, 29), (21, 28), (22, 27), (23, 26), (24, 31), (25, 30)),
    *((32, 38), (33, 37), (34, 36), (39, 43), (40, 42), (44, 46), (47, 49)),
)


def _mirror_table() -> np.ndarray:
    table = np.full(COUNT, -1)
    for point in _FIXED:
        table[point - 1] = point - 1
    for a, b in _PAIRS:
        table[a - 1], table[b - 1] = b - 1, a - 1
    return table


MIRROR: np.ndarray = _mirror_table()
"""(49,) the point that each point becomes when the face is flipped left to right."""


def eye_centres(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average the six points of each eye.

    Args:
        points: Landmarks, (..., 49, 2), pixels.

    Returns:
        Left and right eye centre, each (..., 2), pixels.
    """
    return points[..., LEFT_EYE, :].mean(-2), points[..., RIGHT_EYE, :].mean(-2)


def inter_ocular(points: np.ndarray) -> np.ndarray:
    """Measure the distance between the eye centres (the d_o of eq. 1, not squared).

    Args:
        points: Landmarks, (..., 49, 2), pixels.

    Returns:
        Distance, (...), pixels.
    """
    left, right = eye_centres(points)
    return np.linalg.norm(right - left, axis=-1)


def flip(points: np.ndarray, width: int) -> np.ndarray:
    """Mirror landmarks left to right, with the points re-indexed.

    Args:
        points: Landmarks, (..., 49, 2), pixels.
        width: Width of the image in pixels; x becomes ``width - 1 - x``.

    Returns:
        A new array, (..., 49, 2).
    """
    flipped = points[..., MIRROR, :].copy()
    flipped[..., 0] = width - 1 - flipped[..., 0]
    return flipped
