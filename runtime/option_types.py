"""Numbers on command lines: read, and refused in words, as `argparse` takes types."""

import argparse


def whole(text: str) -> int:
    """Read a whole number.

    Args:
        text: As typed.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from error


def positive(text: str) -> int:
    """Read a whole number from 1 on; errors as of `whole` and `at_least`."""
    return int(at_least(1, whole(text)))


def count(text: str) -> int:
    """Read a whole number from 0 on; errors as of `whole` and `at_least`."""
    return int(at_least(0, whole(text)))


def not_negative(text: str) -> float:
    """Read a number from 0 on.

    Args:
        text: As typed.

    Raises:
        argparse.ArgumentTypeError: It is none, NaN, or below 0.
    """
    try:
        number = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from error
    return at_least(0, number)


def at_least(least: int, number: float) -> float:
    """Give a number back that is not below the least one.

    Args:
        least: The least one.
        number: As it was read.

    Raises:
        argparse.ArgumentTypeError: It is below that, or NaN.
    """
    if not number >= least:  # NaN is not
        raise argparse.ArgumentTypeError(f"{number:g} is not {least} or more")
    return number
