"""Options that several benchmarks take."""

import argparse
from pathlib import Path

from lgrnet.network.config import PRESETS
from runtime.console.option_types import output_file


def add_presets(parser: argparse.ArgumentParser) -> None:
    """Add ``--presets``: which networks, both if it is not given.

    Args:
        parser: What gets it.
    """
    parser.add_argument(
        "--presets",
        nargs="+",
        default=["edge", "paper"],
        choices=list(PRESETS),
        help="which networks",
    )


def add_record(parser: argparse.ArgumentParser, default: Path) -> None:
    """Add ``--json``: where the record goes, with a name or without one.

    Args:
        parser: What gets it.
        default: Where to without one.
    """
    parser.add_argument(
        "--json",
        type=output_file,
        nargs="?",
        const=default,
        default=default,
        metavar="PATH",
        help="where the record goes (default: %(default)s)",
    )
