"""Types of command-line options that several benchmarks take."""

import argparse
import math
import os
from pathlib import Path


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


def positive_real(text: str) -> float:
    """Read a number above 0.

    Args:
        text: As typed.

    Returns:
        The number.

    Raises:
        argparse.ArgumentTypeError: It is not above 0, or not finite.
        ValueError: It is no number.
    """
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def add_record(parser: argparse.ArgumentParser, default: Path) -> None:
    """Add ``--json``: where the record goes, with a name or without one.

    Args:
        parser: What gets it.
        default: Where to without one.
    """
    parser.add_argument(
        "--json", type=output_file, nargs="?", const=default, default=default, metavar="PATH"
    )
