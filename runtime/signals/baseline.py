"""What a person's face shows at rest, taken off what it shows later.

A face may look as if it did something while it rests: low brows like AU 4, a turned-up mouth like
AU 12. The first frames of a face tell its rest, b: a quantile of each AU's log-odds over them.
Where that is above what a resting face should show, `REST`, all later log-odds are lowered by the
difference:

    logit p' = logit p − max(0, b − logit REST)

So the resting face itself comes out at `REST`, an AU that is not seen at rest is left alone, and an
AU that is plainly there in the resting face must be seen more plainly to be counted. It is no
judgement: if somebody smiles through the first frames, the smile is taken for the resting face.
"""

import numpy as np

REST = 0.1
"""Probability that a resting face should show at most."""

_EDGE = 1e-4
"""Probabilities are kept this far from 0 and 1, whose log-odds are infinite."""


class Baseline:
    """Learns a face's rest, then takes it off.

    Args:
        frames: Frames to learn from.
        quantile: Quantile of them that is the rest, 0 to 1.
    """

    def __init__(self, frames: int, quantile: float) -> None:
        self._frames, self._quantile = frames, quantile
        self._seen: list[np.ndarray] = []
        self._excess: np.ndarray | None = None

    @property
    def learned(self) -> bool:
        """Whether the rest is known."""
        return self._excess is not None

    def __call__(self, probability: np.ndarray) -> np.ndarray:
        """Take in a frame.

        Args:
            probability: (n,), 0 to 1.

        Returns:
            The probability without the rest, (n,); as it was before the last of the frames that
            tell the rest.
        """
        odds = _logit(probability)
        if self._excess is None:
            self._seen.append(odds)
            if len(self._seen) < self._frames:
                return probability
            rest = np.quantile(np.stack(self._seen), self._quantile, axis=0)
            self._excess = rest - _logit(np.array(REST))
            self._seen = []
        # What is not lowered stays as it is to the last digit.
        lowered = 1 / (1 + np.exp(self._excess - odds))
        return np.where(self._excess > 0, lowered, probability)


def _logit(probability: np.ndarray) -> np.ndarray:
    kept = np.clip(probability, _EDGE, 1 - _EDGE)
    return np.log(kept) - np.log1p(-kept)
