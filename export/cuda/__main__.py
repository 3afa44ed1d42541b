"""``python -m export.cuda ckpt.pt|model.onnx [-o model.fused]``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from export.options import run_exporter
from runtime.console.option_types import positive
from runtime.console.stoppable import stoppable


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export.cuda",
        description="Compile a network to GPU kernels of our own; needs no GPU.",
    )
    add = parser.add_argument
    add("source", type=Path, help="a checkpoint, or a plain graph (export.onnx --graph plain)")
    add("-o", "--output", "--out", type=Path, help="default: beside it, with .fused")
    add("--batch", type=positive, default=1, help="faces at once (default: 1)")
    add(
        "--targets",
        nargs="+",
        metavar="SM",
        help="compute capabilities, such as 8.6 9.0 (default: 8.0 8.6 8.9 9.0 12.0)",
    )
    add(
        "--recurrence",
        choices=("steps", "persistent"),
        default="steps",
        help="two launches for each step of the skip-BiLSTM, or one for all (default: steps)",
    )
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
        from export.cuda.convert import export_cuda

        export_cuda(**args)

    return run_exporter(export, ("export.cuda.convert",))


if __name__ == "__main__":
    sys.exit(main())
