"""``python -m export.finder finder.pt [-o finder.onnx]``, or ``-o finder.npz``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from export.options import run_exporter
from runtime.console.stoppable import stoppable


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export.finder",
        description="Export a face finder: to ONNX, or for the native engine.",
    )
    add = parser.add_argument
    add("checkpoint", type=Path, help="finder.pt of lgrnet.finder.train")
    add(
        "-o",
        "--output",
        "--out",
        type=Path,
        help="FILE.onnx, or FILE.npz for the native engine; default: beside it, with .onnx",
    )
    add("--licence", default="unknown", help="of the weights (default: %(default)s)")
    return parser


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments; None for those of the process.

    Returns:
        Exit code, as of `export.options.run_exporter`.
    """
    args = vars(_parser().parse_args(argv))

    def export() -> None:
        from export.finder.convert import export_finder

        export_finder(**args)

    return run_exporter(export, ("export.finder.convert",))


if __name__ == "__main__":
    sys.exit(main())
