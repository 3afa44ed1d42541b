"""Types of command-line options that several benchmarks take."""

import argparse


def positive(text: str) -> int:
    """Read a whole number from 1 on.

    Args:
        text: As typed.

    Returns:
        The number.

    Raises:
        argparse.ArgumentTypeError: It is below 1.
        ValueError: It is no whole number.
    """
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is below 1")
    return number
