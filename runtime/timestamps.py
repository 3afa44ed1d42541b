"""Times that programs give with their frames."""

import math
import numbers

import numpy as np

from runtime.errors import InputError

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
