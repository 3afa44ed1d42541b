"""Whether landmarks can be those of a face: a damaged file may still be read, and then moves some.

A flipped bit of an exponent throws a point far away, a hole in a file makes points 0. Whatever
moves a point less than that is not noticed.
"""

import numpy as np

_FAR = 6.0
"""Most distance of a point from the middle, in median distances; 1.8 in faces, 3.2 in one that is
squeezed to a fifth."""


def find_fault(points: np.ndarray) -> str | None:
    """Tell what is wrong with the landmarks of one face.

    Args:
        points: (P, 2) finite numbers, not all 0.

    Returns:
        What is wrong, in words; None if nothing is.
    """
    zero = int((points == 0).all(1).sum())
    if 0 < zero < len(points):
        return f"{zero} of {len(points)} points are 0 and the others are not"
    with np.errstate(over="ignore", invalid="ignore"):
        distance = np.hypot(*(points - np.median(points, axis=0)).T)
        far = int(distance.argmax())
        if distance[far] <= _FAR * np.median(distance):
            return None
    x, y = points[far]
    return f"point {far + 1} is at ({x:.6g}, {y:.6g}), far from all others"
