"""Numbers and files on command lines: read, and refused in words, as `argparse` takes types."""

import argparse
import math
import os
import re
from pathlib import Path


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


def positive_real(text: str) -> float:
    """Read a number above 0 that is not infinite; errors as of `finite`, and for 0."""
    number = finite(text)
    if number == 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def finite(text: str) -> float:
    """Read a number from 0 on that is not infinite; other errors as of `not_negative`.

    Args:
        text: As typed.

    Raises:
        argparse.ArgumentTypeError: It is infinite.
    """
    number = not_negative(text)
    if math.isinf(number):
        raise argparse.ArgumentTypeError(f"{text} is not finite")
    return number


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


def gpu(text: str) -> int:
    """Read which GPU: ``cuda``, which is the first, ``cuda:N``, or its number alone.

    Args:
        text: As typed.

    Returns:
        Its number.

    Raises:
        argparse.ArgumentTypeError: It is none of these.
    """
    found = re.fullmatch(r"cuda|(?:cuda:)?([0-9]+)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no GPU: give cuda, cuda:N or the number N")
    return int(found[1] or 0)


def output_file(text: str) -> Path:
    """Read where a record goes, before what it holds is measured for minutes.

    Args:
        text: As typed.

    Returns:
        The path.

    Raises:
        argparse.ArgumentTypeError: A folder has that name, or a file is in the place of its folder.
    """
    path = Path(text)
    if os.path.isdir(path):  # False of names that cannot be, too
        raise argparse.ArgumentTypeError(f"{text} is a folder, give the name of a file")
    folder = next((each for each in path.absolute().parents if os.path.exists(each)), None)
    if folder is not None and not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{folder} is a file, and no folder for {path.name}")
    return path
