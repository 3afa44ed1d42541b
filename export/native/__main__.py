"""``python -m export.native ckpt.pt [-o model.npz]``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from export.native.convert import (
    MEAN_CHANGE,
    PRECISIONS,
    PROBABILITY_TOLERANCE,
    export_native,
)
from export.options import add_comparison, add_precision, run
from runtime.console.stoppable import stoppable


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export.native",
        description="Write a checkpoint for the native engine and compare the two on faces.",
    )
    add = parser.add_argument
    add("checkpoint", type=Path, help="written by python -m lgrnet.train")
    add(
        "-o",
        "--output",
        "--out",
        type=Path,
        help="default: beside it, with _native.npz, or _native_fp32.npz",
    )
    add("--precision", choices=PRECISIONS, default=PRECISIONS[0], help="(default: %(default)s)")
    add_comparison(parser, PROBABILITY_TOLERANCE)
    add_precision(parser, "int8", MEAN_CHANGE)
    return parser


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments; None for those of the process.

    Returns:
        Exit code: 0, 1 if the exported model failed the checks, 2 for bad input.
    """
    loggers = ("export.native.convert", "export.judge")
    return run(_parser().parse_args(argv), export_native, loggers)


if __name__ == "__main__":
    sys.exit(main())
