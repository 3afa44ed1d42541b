"""Train a face finder: ``python -m lgrnet.finder.train --heads data/heads --faces data/faces``.

The run's folder gets ``finder.pt`` when it is finished, ``log.csv`` with the losses, and
``last.pt``, from which the same command goes on after an interruption, ``kill -9`` included: then
the weights come out as if there had been none. While the network learns, other processes put its
scenes together; how many changes nothing but the speed.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from lgrnet.finder.trainer import PRECISIONS, FinderRun, FinderTrainer
from runtime.console.help import DefaultsHelp
from runtime.console.option_types import count, positive
from runtime.console.progress import add_progress
from runtime.console.stoppable import GOES_ON, stoppable

logger = logging.getLogger(__name__)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m lgrnet.finder.train",
        description="Train a face finder; goes on where it stopped.",
        formatter_class=DefaultsHelp,
    )
    add = parser.add_argument
    add("--heads", type=Path, required=True, help="folder of lgrnet.finder.heads")
    add("--faces", type=Path, required=True,
        help="folder of lgrnet.faces.generate, whose training split is used")  # fmt: skip
    add("--pictures", type=Path,
        help="folder of JPEG or PNG pictures without faces; may be left out")  # fmt: skip
    add("-o", "--out", type=Path, required=True, help="folder of the run")
    add("--steps", type=positive, default=FinderRun.steps, help="batches to train on")
    add("--batch", type=positive, default=FinderRun.batch, help="scenes a batch")
    add("--seed", type=count, default=FinderRun.seed, help="of the first weights and the scenes")
    add("--init", type=Path, help="a finder.pt to begin with")
    add("--precision", choices=PRECISIONS,
        help="if not given bf16 where the CPU computes in it, else fp32")  # fmt: skip
    add("--workers", type=positive, default=1, help="processes that put scenes together")
    add("--threads", type=positive, default=1, help="CPU threads of the network")
    add_progress(parser)
    return parser.parse_args(argv)


@stoppable(GOES_ON)
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code, 1 where the loss did not stay finite."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(args.threads)
    try:
        run = FinderRun(
            args.heads, args.faces, args.out, args.pictures, args.steps, args.batch, args.seed,
            args.init, args.precision,
        )  # fmt: skip
        FinderTrainer(run, args.workers, args.progress).run()
    except FloatingPointError as error:
        logger.error("%s", error)
        return 1
    except (ValueError, OSError) as error:
        logger.error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
