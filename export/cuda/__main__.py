"""``python -m export.cuda ckpt.pt|model.onnx [-o model.fused]``."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export.cuda",
        description="Compile a network to GPU kernels of our own; needs no GPU.",
    )
    add = parser.add_argument
    add("source", type=Path, help="a checkpoint, or a plain graph (export.onnx --graph plain)")
    add("-o", "--output", type=Path, help="default: beside it, with .fused")
    add("--batch", type=int, default=1, help="faces at once (default: 1)")
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments; None for those of the process.

    Returns:
        Exit code: 0, 1 if the network cannot be written as kernels, 2 for bad input.
    """
    args = vars(_parser().parse_args(argv))
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("export.cuda.convert").setLevel(logging.INFO)
    from export.cuda.convert import export_cuda
    from export.errors import ExportError

    try:
        export_cuda(**args)
    except (ExportError, FloatingPointError) as error:
        print(error, file=sys.stderr)
        return 1
    except (ImportError, RuntimeError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
