"""Results that the tests of formats and drawing share."""

from collections.abc import Sequence

import numpy as np
from test_runtime_fixtures import MEAN_FACE

from runtime.boxes import face_box
from runtime.results import Face, Result, Timings

SIZE = (640, 360)


def some_face(
    number: int = 0,
    present: Sequence[str] = ("AU12",),
    x: float = 200,
    y: float = 120,
    size: tuple[int, int] | None = SIZE,
    **aus: float,
) -> Face:
    """A face with AU06, AU12 and AU24, unless others are given."""
    points = (MEAN_FACE + np.array([x, y])).astype(np.float32)
    values = aus or {"AU06": 0.25, "AU12": 0.875, "AU24": 0.125}
    return Face(number, face_box(points), 0.75, points, values, tuple(present), frame_size=size)


def some_result(index: int, *faces: Face, timestamp: float | None = None, name: str = "") -> Result:
    """A frame at 25 a second, unless it is named."""
    time = index / 25 if timestamp is None and not name else timestamp
    return Result(faces, Timings(network=1.5), SIZE, index, time, name)
