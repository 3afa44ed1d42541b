"""What is to be done to the probabilities of faces that are followed."""

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field

from runtime.action_units import au_keys
from runtime.errors import InputError
from runtime.signals.smoothing import SMOOTHING


@dataclass(frozen=True, slots=True)
class Signals:
    """What to do to probabilities over time; nothing by default.

    Attributes:
        smooth: One of `runtime.signals.smoothing.SMOOTHING`, or None.
        hysteresis: Share of its threshold by which an AU's probability must fall below the
            threshold before the AU counts as gone, 0 to below 1.
        baseline: Frames from which to learn what a person's face shows at rest, 0 for no
            baseline. They should show a resting face: the first frames of each face are taken.
        baseline_quantile: Quantile of those frames that is the rest, 0 to 1. The median, 0.5, is
            for faces that rest in most of them; less, such as 0.2, for faces that are busy.
        thresholds: ``"AU12"``, or ``12`` → probability from which the AU counts as present, for
            AUs whose threshold in the model's file is not to hold. The keys become ``"AU12"``.

    Raises:
        TypeError: ``baseline`` is not whole, or ``thresholds`` is no mapping.
        InputError: A key is no action unit, or two are the same one.
        ValueError: A value is out of its range.
    """

    smooth: str | None = None
    hysteresis: float = 0.0
    baseline: int = 0
    baseline_quantile: float = 0.5
    thresholds: Mapping[str | int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the values."""
        if not isinstance(self.thresholds, Mapping):
            raise TypeError(f'thresholds must be a dict, {{"AU12": 0.6}}, got {self.thresholds!r}')
        if self.smooth not in (None, *SMOOTHING):
            raise ValueError(f"smooth={self.smooth!r} is unknown: give {' or '.join(SMOOTHING)}")
        if not 0 <= self.hysteresis < 1:
            raise ValueError(f"hysteresis must be from 0 to below 1, got {self.hysteresis}")
        if operator.index(self.baseline) < 0:
            raise ValueError(f"baseline must be a number of frames, got {self.baseline}")
        if not 0 <= self.baseline_quantile <= 1:
            raise ValueError(f"baseline_quantile must be 0 to 1, got {self.baseline_quantile}")
        keys = au_keys(self.thresholds)
        if len(keys) < len(self.thresholds):
            raise InputError(f"thresholds name an action unit twice: {dict(self.thresholds)}")
        values = dict(zip(keys, self.thresholds.values(), strict=True))
        object.__setattr__(self, "thresholds", values)
        for key, value in values.items():
            if not 0 < value <= 1:
                raise ValueError(f"the threshold of {key} must be above 0 to 1, got {value}")

    @property
    def adjusts(self) -> bool:
        """Whether there will be adjusted probabilities."""
        return self.smooth is not None or self.baseline > 0
