"""``python -m export.tensorrt model.onnx [-o model.engine]``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from export.options import run_exporter
from runtime.backends.tensorrt_plan import FLAVOURS
from runtime.console.option_types import gpu
from runtime.console.stoppable import stoppable


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export.tensorrt",
        description="Build a TensorRT engine from an exported ONNX file, in the file's precision.",
    )
    add = parser.add_argument
    add("model", type=Path, help="written by python -m export.onnx --graph plain")
    add(
        "-o",
        "--output",
        "--out",
        type=Path,
        help="default: beside it, with .engine or, of rtx, _rtx.engine",
    )
    add(
        "--flavour",
        choices=list(FLAVOURS),
        default="tensorrt",
        help="tensorrt builds on the GPU that it is for, rtx anywhere (default: %(default)s)",
    )
    add(
        "--targets",
        nargs="+",
        metavar="SM",
        help="rtx: compute capabilities, such as 8.6 12.0 (default: 8.0 8.6 8.9 12.0)",
    )
    add(
        "--device",
        type=gpu,
        default=0,
        help="tensorrt: the GPU, cuda, cuda:N or its number (default: cuda, the first)",
    )
    add("--timing-cache", type=Path, metavar="FILE", help="tensorrt (default: beside the engine)")
    add("--force", action="store_true", help="build also where an engine that fits is there")
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
        from export.tensorrt.build import build_engine

        build_engine(**args)

    return run_exporter(export, ("export.tensorrt.build",))


if __name__ == "__main__":
    sys.exit(main())
