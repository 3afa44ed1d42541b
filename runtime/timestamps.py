"""Times that programs give with their frames."""

import logging
import math
import numbers

import numpy as np

from runtime.errors import InputError

logger = logging.getLogger(__name__)

STILL = 100
"""Frames in a row at one time from which a clock counts as standing; some tell whole seconds."""

Seconds = float | numbers.Real | np.floating | np.integer
"""A time; type checkers do not know that NumPy's numbers are real ones."""


def to_seconds(timestamp: object) -> float:
    """Make a plain float of a time: PyAV's are fractions, and NumPy's differences may wrap.

    Args:
        timestamp: Seconds, a number of any kind.

    Returns:
        The same.

    Raises:
        InputError: It is no finite number.
    """
    try:
        if isinstance(timestamp, numbers.Real) and math.isfinite(timestamp):
            return float(timestamp)
    except OverflowError:  # of a whole number or fraction that no float holds
        pass
    raise InputError(f"timestamp must be in seconds, got {timestamp!r}")


class GivenTimes:
    """Tells in the log, once a stream, where the times of a program's own frames do not go on.

    Smoothing, events and subtitles go by them. Some cameras tell 0 with every frame: nothing that
    is smoothed would ever change, and nobody would know why.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, where another video begins."""
        self._last: float | None = None
        self._still, self._told = 1, False

    def look(self, index: int, seconds: float | None) -> None:
        """Look at the time of the next frame.

        Args:
            index: Number of the frame.
            seconds: Its time; None if the program gives none.
        """
        last, self._last = self._last, seconds
        self._still = self._still + 1 if seconds == last else 1
        if self._told or seconds is None or last is None:
            return
        if seconds < last:
            self._told = True
            logger.warning(
                "frame %d is at %.10g seconds, and the one before it at %.10g: smoothing and "
                "events need times that go on; where another video begins, call reset()",
                *(index, seconds, last),
            )
        elif self._still >= STILL:
            self._told = True
            logger.warning(
                "%d frames in a row are at %.10g seconds: what is smoothed does not change, and "
                "events have no length; give the time of each frame, or none for 30 a second",
                *(self._still, seconds),
            )
