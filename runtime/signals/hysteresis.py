"""Presence that does not flicker: harder to lose than to gain."""

import numpy as np


class Hysteresis:
    """Switches on at a threshold and off only well below it.

    Args:
        thresholds: (n,), where each signal switches on.
        share: Share of the threshold by which it must fall below to switch off; 0 for a plain
            threshold.
    """

    def __init__(self, thresholds: np.ndarray, share: float) -> None:
        self._on = thresholds
        self._off = thresholds * (1 - share)
        self._present = np.zeros(len(thresholds), bool)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Take in a sample.

        Args:
            values: (n,) float.

        Returns:
            What is on, (n,) bool.
        """
        self._present = np.where(self._present, values >= self._off, values >= self._on)
        return self._present
