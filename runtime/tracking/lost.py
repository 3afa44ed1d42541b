"""How one notices that landmarks are on no face.

The network is a regression: shown a wall, it still puts a mean face there. Two things together tell
a face from a wall:

* geometry, on every frame (this file): landmarks are finite, the face is of a sane size and mostly
  inside the frame, and the alignment that they give is near the one that they were found in. A face
  that left fast, or landmarks that fell apart, show here;
* the face finder, every few frames (`runtime.tracking.tracker`): it looks at the aligned face,
  200 × 200 and upright, which costs a fraction of a search. A wall that the mean face sits on shows
  here. One miss may be a blink or a hand, so a face that misses is looked at again on each
  following frame and is lost at the third miss in a row. Where something else is in its place all
  at once (`runtime.tracking.glance`), as behind a cut, it is looked at there and then, and lost if
  it misses.
"""

import numpy as np

from runtime.align import ALIGNED_SIZE, alignment_matrix, invert, transform
from runtime.landmarks import inter_ocular

MIN_INTER_OCULAR = 6.0
"""Least distance of the eyes, pixels of the frame; in the network's input it is about 60."""

MIN_INSIDE = 0.6
"""Least share of the landmarks that lie in the frame."""

MAX_ZOOM = 1.5
"""Most that the scale of the alignment may change, as a factor either way."""

MAX_TURN = 30.0
"""Most that the alignment may turn, degrees."""

MAX_SHIFT = 0.25
"""Most that the alignment may move, in sides of the aligned face."""


def why_lost(points: np.ndarray, used: np.ndarray, size: tuple[int, int]) -> str:
    """Check landmarks against the frame and against the alignment that they were found in.

    Args:
        points: Landmarks, (49, 2), pixels of the frame.
        used: Alignment that the face was cut out with, (2, 3).
        size: Width and height of the frame, pixels.

    Returns:
        What is wrong, in words; empty where the landmarks may be on a face.
    """
    if not np.isfinite(points).all():
        return "landmarks are not finite"
    eyes = float(inter_ocular(points))
    if not MIN_INTER_OCULAR <= eyes <= 2 * max(size):
        return f"eyes are {eyes:.1f} px apart"
    inside = ((points >= 0) & (points < size)).all(1).mean()
    if inside < MIN_INSIDE:
        return f"{1 - inside:.0%} of the landmarks lie outside the frame"
    found = alignment_matrix(points)
    change = found[:, :2] @ np.linalg.inv(used[:, :2])
    zoom = float(np.sqrt(abs(np.linalg.det(change))))
    if not 1 / MAX_ZOOM <= zoom <= MAX_ZOOM:
        return f"alignment changed its scale by a factor of {zoom:.2f}"
    turn = float(np.degrees(np.arctan2(change[1, 0], change[0, 0])))
    if abs(turn) > MAX_TURN:
        return f"alignment turned by {turn:.0f} degrees"
    middle = np.full(2, (ALIGNED_SIZE - 1) / 2)
    shift = float(np.linalg.norm(transform(transform(middle, invert(found)), used) - middle))
    if shift > MAX_SHIFT * ALIGNED_SIZE:
        return f"alignment moved by {shift:.0f} of {ALIGNED_SIZE} px"
    return ""
