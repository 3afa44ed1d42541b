"""``--progress`` on every command line that shows a bar."""

import argparse


def add_progress(parser: argparse.ArgumentParser) -> None:
    """Add ``--progress`` and ``--no-progress``.

    Args:
        parser: What gets them.
    """
    parser.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="show a progress bar",
    )
