"""Store a checkpoint in half the bytes: ``python -m lgrnet.halve best.pt -o half.pt``.

Weights are rounded to float16 (11 bits), in the file only. What
:func:`lgrnet.checkpoint.load_checkpoint` gives is a network in float32 again, which every exporter
and the training take as they take others.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from lgrnet.checkpoint import load_checkpoint, save_checkpoint
from runtime.console.stoppable import stoppable

logger = logging.getLogger(__name__)


def halve(path: Path, output: Path) -> float:
    """Write a checkpoint's weights in float16.

    Args:
        path: The checkpoint.
        output: Where to; its ``meta`` says ``stored_in = "fp16"`` beside what it said before.

    Returns:
        The largest rounding of a weight, as a share of the largest weight of its tensor.

    Raises:
        CheckpointError: The file cannot be used.
        ValueError: A weight lies outside float16's ±65504 or is not a number.
    """
    network, meta = load_checkpoint(path)
    worst = 0.0
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point():
            continue
        rounded = tensor.half()
        if not rounded.isfinite().all():
            raise ValueError(
                f"{path}: {name} holds {tensor.abs().max().item():g}, more than float16 can: keep "
                "the checkpoint as it is"
            )
        largest = tensor.abs().max().item() if tensor.numel() else 0.0
        if largest > 0:
            worst = max(worst, (rounded.float() - tensor).abs().max().item() / largest)
    save_checkpoint(output, network.half(), {**meta, "stored_in": "fp16"})
    return worst


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m lgrnet.halve", description="Store a checkpoint's weights in float16."
    )
    parser.add_argument("checkpoint", type=Path, help="written by python -m lgrnet.train")
    parser.add_argument(
        "-o", "--output", "--out", type=Path, required=True, help="the checkpoint to write"
    )
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        worst = halve(args.checkpoint, args.output)
    except (ValueError, OSError) as error:
        logger.error("%s", error)
        return 2
    before, after = (path.stat().st_size / 1e6 for path in (args.checkpoint, args.output))
    logger.info(
        "%s: %.1f MB instead of %.1f; weights moved by at most %.1e of the largest beside them",
        args.output, after, before, worst,
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
