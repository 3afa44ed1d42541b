"""Train LGRNet: ``python -m lgrnet.train configs/edge.toml``.

The run's folder gets ``config.json`` and ``origin.json`` (what it is), ``last.pt`` and ``best.pt``
(best mean F1 on the validation split), with ``optim.average_from`` also ``average.pt`` (mean
weights of the last part), a TensorBoard log, and ``state.pt``, from which the same command goes on
after an interruption, ``kill -9`` included.

On a corpus, ``--fold 1`` trains on two thirds of the people and tests on the others after every
epoch; ``--fold all`` does so three times. The best epoch is then chosen on the test people, as in
the paper's protocol, and its files are named so: ``best_on_test.pt``, with its scores in
``best_on_test.json`` beside ``last.json``. ``--variant`` trains the networks that the paper
compares. What is finished is not trained again.

Several GPUs: ``torchrun --nproc-per-node 4 -m lgrnet.train CONFIG --device cuda``. The batch is
shared, so that the weights come out as in one process, up to rounding.
"""

import argparse
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import distributed

from lgrnet.corpora.folds import FOLDS
from lgrnet.evaluation.models import torch_device
from lgrnet.experiment import Experiment, fold_run, load_experiment
from lgrnet.network.variants import VARIANTS
from lgrnet.training.trainer import STATE_NAME, Trainer
from lgrnet.unseen import check_sources
from runtime.console.option_types import positive
from runtime.console.progress import add_progress
from runtime.console.stoppable import GOES_ON, stoppable
from runtime.errors import DeviceError

__all__ = ["Trainer", "main"]

logger = logging.getLogger(__name__)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m lgrnet.train", description="Train LGRNet; goes on where it stopped."
    )
    add = parser.add_argument
    add(
        "config",
        type=Path,
        help="the experiment, a TOML file from configs/, which says where its results go",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="another value than in the file, such as optim.lr=0.003; can be given several times",
    )
    add("--fold", choices=[*map(str, FOLDS), "all"], help="of the corpus of the experiment")
    add("--variant", action="append", choices=[*VARIANTS, "all"],
        help="train this network of the paper instead; can be given several times")  # fmt: skip
    add("--device", default="cpu", help="cpu, cuda or cuda:N (default: %(default)s)")
    add("--threads", type=positive, help="CPU threads; PyTorch's default if not given")
    add_progress(parser)
    args = parser.parse_args(argv)
    return args


def runs(experiment: Experiment, folds: str | None, variants: list[str] | None) -> list[Experiment]:
    """List what to train, fold by fold, so that a series cut short still compares all variants.

    Args:
        experiment: From the configuration.
        folds: ``"1"``, ``"2"``, ``"3"``, ``"all"``, or None for the experiment as it is.
        variants: Names, or ``["all"]``; None for the experiment's network.

    Returns:
        The runs.

    Raises:
        ValueError: The experiment has no folds, or variants are asked for without a fold.
    """
    if folds is None:
        if variants:
            raise ValueError("--variant: give --fold too, the paper compares networks on folds")
        return [experiment]
    names: list[str | None] = [None]
    if variants:
        names = list(VARIANTS) if "all" in variants else list(dict.fromkeys(variants))
    numbers = FOLDS if folds == "all" else (int(folds),)
    return [fold_run(experiment, fold, name) for fold in numbers for name in names]


def _train(experiments: Sequence[Experiment], device: torch.device, progress: bool) -> None:
    # All before the first, which may take days.
    for experiment in experiments:
        if not (experiment.out / STATE_NAME).exists():
            check_sources(experiment)
    for experiment in experiments:
        logger.info("%s", json.dumps(experiment.to_dict(), indent=2))
        trainer = Trainer(experiment, device, progress)
        trainer.run()
        trainer.together.free_memory()


@stoppable(GOES_ON)
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code, 1 where the loss did not stay finite."""
    args = parse_args(argv)
    leads = int(os.environ.get("RANK", "0")) == 0
    logging.basicConfig(level=logging.INFO if leads else logging.ERROR, format="%(message)s")
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    try:
        device = torch_device(args.device)
        if device.type == "cuda":
            # The same seed then gives the same weights, at some cost of speed.
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.use_deterministic_algorithms(True, warn_only=True)
        experiment = load_experiment(args.config, args.set)
        _train(runs(experiment, args.fold, args.variant), device, args.progress)
    except FloatingPointError as error:
        logger.error("%s", error)
        return 1
    except (DeviceError, ImportError, ValueError, OSError) as error:
        logger.error("%s", error)
        return 2
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
