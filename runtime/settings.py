"""What a detector is opened with: checked, and as plain values."""

import math
import numbers
import operator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from runtime.counts import require_count
from runtime.signals import Signals

SEARCH_EVERY = 30
"""Frames between two searches for newcomers if nothing else is asked for."""

MAX_FACES = 8
"""Most faces a frame if nothing else is asked for."""

VERIFY_EVERY = 10
"""Frames between two looks at a tracked face if nothing else is asked for."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The arguments of `runtime.Detector` but for the finder; see there.

    Numbers of NumPy become Python's.

    Raises:
        TypeError: A value is not a number, or not a whole one where counts are meant,
            ``signals`` is not a `Signals`, or ``flip_test`` neither True nor False.
        ValueError: A number is below 1, or ``min_face`` is negative or infinite.
    """

    model: str | Path | None
    device: str
    threads: int | None
    max_faces: int
    verify_every: int
    search_every: int | None
    backend: str | None
    precision: str | None
    min_face: float
    signals: Signals | None
    search_side: int | None
    flip_test: bool

    def __post_init__(self) -> None:
        """Check them."""
        for name in ("max_faces", "verify_every"):
            self._set(name, require_count(name, getattr(self, name)))
        for name in ("search_every", "threads"):
            if getattr(self, name) is not None:
                self._set(name, require_count(name, getattr(self, name), ", or None"))
        if not isinstance(self.signals, Signals | None):
            raise TypeError(f"signals must be a runtime.Signals or None, got {self.signals!r}")
        if not isinstance(self.min_face, numbers.Real):
            raise TypeError(f"min_face must be a number of pixels, got {self.min_face!r}")
        if not 0 <= self.min_face < math.inf:
            raise ValueError(f"min_face must be 0 pixels or more, and finite, got {self.min_face}")
        self._set("min_face", float(self.min_face))
        if not isinstance(self.flip_test, bool | np.bool_):
            raise TypeError(f"flip_test must be True or False, got {self.flip_test!r}")
        self._set("flip_test", bool(self.flip_test))
        if isinstance(self.search_side, numbers.Integral):  # finders check it
            self._set("search_side", operator.index(self.search_side))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def arguments(self) -> dict[str, Any]:
        """Return them by name, as a detector takes them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def plain(self) -> dict[str, Any]:
        """Return what JSON can hold of them: the model by name, no signals."""
        told = self.arguments() | {"model": str(self.model or "the packaged model")}
        return {name: value for name, value in told.items() if name != "signals"}
