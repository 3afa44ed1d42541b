"""Where our 49 landmarks are among the 68 of iBUG (dlib, OpenFace, py-feat).

They are the 68 without the 17 of the jaw (0 to 16) and the inner corners of the mouth (60, 64);
order and places are the same. Tables that have 68 leave those 19 empty.
"""

from runtime.formats.columns import Cell
from runtime.results import Face

INDICES = tuple(i for i in range(17, 68) if i not in (60, 64))
"""(49,) index in the 68 of each of our landmarks."""

NAMES = tuple(f"{axis}_{i}" for axis in "xy" for i in range(68))
"""``x_0`` … ``x_67``, ``y_0`` … ``y_67``."""


def cells(face: Face) -> list[Cell]:
    """Spread a face's landmarks over the columns `NAMES`, pixels."""
    spread: list[Cell] = [None] * len(NAMES)
    for axis, values in enumerate(face.landmarks.T.tolist()):
        for index, value in zip(INDICES, values, strict=True):
            spread[68 * axis + index] = value
    return spread
