"""Where on the face each action unit (AU) acts: its order from top to bottom, its two centres."""

from typing import NamedTuple

MUSCLE_ORDER: tuple[int, ...] = (
    *(1, 2, 4, 5, 43, 7, 6, 9, 10, 12, 14, 15, 20, 23, 24, 28, 25, 26, 17),
)
"""FACS numbers by the position of the muscles, forehead to chin: the order of the recurrence.

The paper runs its AUs "from top to bottom" (section III-B) and prints no order; this is ours.
"""


class AuCentres(NamedTuple):
    """The two places where an AU acts, one each side of the face.

    Attributes:
        left: Landmark (0-based, of 49) on the image's left.
        right: Landmark on the image's right.
        drop: How far below the landmarks the centres lie, in distances between the inner eye
            corners; negative is above.
    """

    left: int
    right: int
    drop: float


_LIDS = AuCentres(21, 26, 0.0)
_MOUTH_CORNERS = AuCentres(31, 37, 0.0)
_LIPS = AuCentres(34, 40, 0.0)
_CHIN = AuCentres(39, 41, 1 / 2)

AU_CENTRES: dict[int, AuCentres] = {
    1: AuCentres(4, 5, -1 / 2),
    2: AuCentres(1, 8, -1 / 3),
    4: AuCentres(2, 7, 1 / 3),
    5: _LIDS,
    6: AuCentres(24, 29, 1.0),
    7: _LIDS,
    9: AuCentres(15, 17, -1 / 2),
    10: AuCentres(43, 45, 0.0),
    12: _MOUTH_CORNERS,
    14: _MOUTH_CORNERS,
    15: _MOUTH_CORNERS,
    17: _CHIN,
    20: _MOUTH_CORNERS,
    23: _LIPS,
    24: _LIPS,
    25: _LIPS,
    26: _CHIN,
    28: _LIPS,
    43: _LIDS,
}
"""FACS number → centres. JÂA-Net's rules (its Table 1), which the paper takes over.

JÂA-Net has none for 5, 20, 28 and 43: the lids (5, 43) are placed as 7, the stretched mouth
corners (20) as 12, the sucked lips (28) as 24.
"""


def muscle_order(aus: tuple[int, ...]) -> tuple[int, ...]:
    """Sort AUs from top to bottom of the face.

    Args:
        aus: FACS numbers, any order.

    Returns:
        The same numbers in the order of :data:`MUSCLE_ORDER`.
    """
    return tuple(sorted(aus, key=MUSCLE_ORDER.index))
