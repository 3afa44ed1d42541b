"""How recognition depends on how strong an AU is: the misses of a detector, by FACS's A to E."""

from typing import NamedTuple

import numpy as np

from lgrnet.data.shards import MISSING
from lgrnet.evaluation.metrics import f1_frame, occurring

LEVELS = ("none", "A", "B", "C", "D", "E")
"""FACS's levels, nearest to an intensity of 0 to 5 (Ekman, Friesen and Hager, 2002)."""

_FROM = np.array([0.5, 1.5, 2.5, 3.5, 4.5])
_PLAIN_FROM = 2.5


class Strength(NamedTuple):
    """How often an AU is called, by how strong it is.

    Attributes:
        called: Share of the frames of each level in which it is called, (levels, n), NaN where
            there are none: false alarms at the lowest levels, recall at the upper ones.
        frames: Frames of each level, (levels, n) int.
        plain_f1: F1-frame without frames in which the AU is present and weaker than C, (n,); NaN
            where no frame is left that shows it.
    """

    called: np.ndarray
    frames: np.ndarray
    plain_f1: np.ndarray


def by_strength(present: np.ndarray, presence: np.ndarray, intensity: np.ndarray) -> Strength:
    """Count calls by the AU's true intensity.

    Args:
        present: What was recognised, (frames, n) bool.
        presence: Labels, (frames, n): 0, 1 or 9.
        intensity: True intensities, (frames, n), 0 to 5, NaN where unknown; such frames count
            for nothing here.

    Returns:
        The counts.
    """
    known = (presence != MISSING) & ~np.isnan(intensity)
    level = np.where(known, np.digitize(np.nan_to_num(intensity), _FROM), -1)
    at = level[None] == np.arange(len(LEVELS))[:, None, None]
    frames = at.sum(1)
    with np.errstate(invalid="ignore"):
        called = (at & present).sum(1) / frames
    weak = (presence == 1) & (intensity < _PLAIN_FROM)
    labels = np.where(known & ~weak, presence, MISSING)
    plain = np.where(occurring(labels), f1_frame(present, labels), np.nan)
    return Strength(called, frames, plain)
