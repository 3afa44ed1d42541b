"""Whether a probability of 0.7 means present in 7 of 10 frames: reliability, and its summary."""

from typing import NamedTuple

import numpy as np

from lgrnet.data.shards import MISSING

BINS = 10
"""Of equal width, as in Guo et al., "On Calibration of Modern Neural Networks" (2017)."""


class Reliability(NamedTuple):
    """A reliability curve.

    Attributes:
        said: Mean probability in each bin, (bins,), NaN where nothing falls.
        seen: Share of frames there that show the AU, (bins,), NaN likewise.
        frames: How many, (bins,) int.
    """

    said: np.ndarray
    seen: np.ndarray
    frames: np.ndarray

    @property
    def expected_error(self) -> float:
        """Expected calibration error: mean of |said − seen| over frames, 0 to 1; NaN if none."""
        total = self.frames.sum()
        if not total:
            return float("nan")
        gaps = np.nan_to_num(np.abs(self.said - self.seen))
        return float((gaps * self.frames).sum() / total)


def reliability(probability: np.ndarray, presence: np.ndarray, bins: int = BINS) -> Reliability:
    """Compare what is said with what is seen, for one AU or for several taken together.

    Args:
        probability: Any shape, in [0, 1].
        presence: The same shape: 0, 1 or 9.
        bins: How many, of equal width; a probability of 1 falls into the last.

    Returns:
        The curve.
    """
    known = presence != MISSING
    said, seen = probability[known].astype(np.float64), presence[known] == 1
    where = np.minimum((said * bins).astype(int), bins - 1)
    frames = np.bincount(where, minlength=bins)
    with np.errstate(invalid="ignore"):
        return Reliability(
            np.bincount(where, said, bins) / frames, np.bincount(where, seen, bins) / frames, frames
        )
