"""Smoothing of signals that come sample by sample, at uneven times if need be."""

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np

# docs/signals.json has how many onsets these settings save on the demo clip, and what F1 they cost.
# Averages over 0.1 s and betas of 1 cost more F1 than they save onsets.
EMA_SECONDS = 0.05
"""Time constant of the exponential moving average: what is this old counts 1/e of what is new."""

MIN_CUTOFF = 1.5
"""Cut-off of the One-Euro filter for signals that stand still, Hz."""

BETA = 4.0
"""How far the cut-off rises with the speed of the signal: Hz for each unit a second."""

SPEED_CUTOFF = 1.0
"""Cut-off for the speed itself, Hz, as the paper recommends."""


class Filter(Protocol):
    """Smooths one face's signals."""

    def __call__(self, values: np.ndarray, seconds: float) -> np.ndarray:
        """Take in a sample.

        Args:
            values: (n,) float.
            seconds: Time since the last sample; of no meaning for the first.

        Returns:
            The smoothed values, (n,); those of the first sample are the sample.
        """
        ...


class Ema:
    """Exponential moving average: y ← y + a (x − y), a = 1 − exp(−seconds / time constant).

    Args:
        time_constant: Seconds.
    """

    def __init__(self, time_constant: float = EMA_SECONDS) -> None:
        self._time_constant = time_constant
        self._smooth: np.ndarray | None = None

    def __call__(self, values: np.ndarray, seconds: float) -> np.ndarray:
        """Take in a sample, see `Filter`."""
        if self._smooth is None:
            self._smooth = values.copy()
        share = 1 - math.exp(-seconds / self._time_constant)
        self._smooth = self._smooth + share * (values - self._smooth)
        return self._smooth


class OneEuro:
    """The One-Euro filter (Casiez, Roussel & Vogel, CHI 2012): still signals are smoothed more.

    A low-pass whose cut-off is ``min_cutoff`` + ``beta`` × the absolute speed, which is low-passed
    itself, so that jitter goes and quick changes come through without much delay.

    Args:
        min_cutoff: Hz.
        beta: Hz for each unit a second.
        speed_cutoff: Hz.
    """

    def __init__(
        self,
        min_cutoff: float = MIN_CUTOFF,
        beta: float = BETA,
        speed_cutoff: float = SPEED_CUTOFF,
    ) -> None:
        self._min_cutoff, self._beta, self._speed_cutoff = min_cutoff, beta, speed_cutoff
        self._smooth: np.ndarray | None = None
        self._speed: np.ndarray | None = None

    def __call__(self, values: np.ndarray, seconds: float) -> np.ndarray:
        """Take in a sample, see `Filter`."""
        if self._smooth is None or self._speed is None:
            self._smooth, self._speed = values.copy(), np.zeros_like(values)
            return self._smooth
        if seconds <= 0:  # two samples at one time have no speed
            return self._smooth
        speed = (values - self._smooth) / seconds
        self._speed = self._speed + _share(self._speed_cutoff, seconds) * (speed - self._speed)
        cutoff = self._min_cutoff + self._beta * np.abs(self._speed)
        self._smooth = self._smooth + _share(cutoff, seconds) * (values - self._smooth)
        return self._smooth


SMOOTHING: dict[str, Callable[[], Filter]] = {"ema": Ema, "one-euro": OneEuro}
"""Name of a way of smoothing → what makes a filter for a face."""


def _share(cutoff: float | np.ndarray, seconds: float) -> float | np.ndarray:
    """Give the share of the new sample in a low-pass with a cut-off in Hz."""
    time_constant = 1 / (2 * math.pi * cutoff)
    return 1 / (1 + time_constant / seconds)
