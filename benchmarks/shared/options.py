"""Types of command-line options that several benchmarks take."""

import argparse
import math
from pathlib import Path

from runtime.option_types import output_file


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
