"""Checking arguments that must be positive integers."""

import operator
from numbers import Integral


def require_count(name: str, number: object, otherwise: str = "") -> int:
    """Check that an argument is a positive integer, and make a plain one of NumPy's.

    Args:
        name: Of the argument, for messages.
        number: What was given.
        otherwise: What else may be given, for messages.

    Returns:
        The number.

    Raises:
        TypeError: It is no whole number.
        ValueError: It is below 1.
    """
    if not isinstance(number, Integral):
        raise TypeError(f"{name} must be a whole number{otherwise}, got {number!r}")
    if number < 1:
        raise ValueError(f"{name} must be 1 or more{otherwise}, got {number}")
    return operator.index(number)
