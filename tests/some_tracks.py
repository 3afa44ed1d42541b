"""Frames of spots that a detector with the tiny model follows, and what it says of them."""

import numpy as np
from test_runtime_fixtures import MEAN_FACE, spot

MIDDLE = MEAN_FACE.mean(0) - 87.5


def two(left: float, right: float, y: float = 120) -> np.ndarray:
    return np.maximum(spot(left, y, 640, 240), spot(right, y, 640, 240))


def ids(result) -> list[int]:
    return [face.id for face in result]


def where(result) -> dict[int, float]:
    """Number of each face → its x as the tiny model means it."""
    return {face.id: float(face.landmarks[:, 0].mean() - MIDDLE[0]) for face in result}


def far(*places: float) -> np.ndarray:
    """Spots on a frame that is wide enough for faces of 170 pixels to be far from each other."""
    return np.max([spot(x, 120, 1280, 240) for x in places], axis=0)
