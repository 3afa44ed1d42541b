"""The paper's ablations (Tables III and IV) and JÂA-Net on rendered faces: do they differ?

::

    python -m benchmarks.ablation train     # six networks, three seeds each; resumable
    python -m benchmarks.ablation judge --json docs/ablation.json

Every network sees the same faces as often, in an order and with random weights that the seed fixes.
They are judged on test people, and on control people whose AUs are independent of each other:
what one AU tells about another is of no use there. Differences to LGRNet are resampled over people
(paired bootstrap), with seeds pooled.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from benchmarks.shared.machine import describe_machine
from benchmarks.shared.record import write_record
from benchmarks.shared.series import run_command, train_network
from benchmarks.table import Column, difference, markdown, number
from lgrnet.checkpoint import load_checkpoint
from lgrnet.data.shards import FaceShards
from lgrnet.evaluation.bootstrap import (
    f1_counts,
    interval,
    resampled_mean_auc,
    resampled_mean_f1,
)
from lgrnet.evaluation.metrics import area_under_curve, f1_frame, mean_of_occurring, recognised
from lgrnet.evaluation.scoring import evaluate
from lgrnet.experiment import load_experiment
from lgrnet.network.variants import VARIANTS, make_variant
from runtime.console.help import DefaultsHelp, purpose
from runtime.console.option_types import output_file, positive
from runtime.console.stoppable import stoppable
from runtime.errors import InputError

FORMAT = "lgrnet-ablation-1"
CONFIG = Path("configs/ablation.toml")

WHOLE = "lgrnet"
ORDER = (WHOLE, "with_bi", "without_sb", "without_fr", "without_full", "jaanet")
"""Keys of `lgrnet.network.variants.VARIANTS`; all others are compared with the first."""

SPLITS = ("test", "control")


class Verdict(NamedTuple):
    """What one trained network is worth on one split.

    Attributes:
        f1: Mean F1-frame at 0.5, over the AUs that occur.
        auc: Mean area under the ROC curve.
        landmark_error: In inter-ocular distances.
        counts: What F1 is made of, from :func:`lgrnet.evaluation.bootstrap.f1_counts`.
        drawn_auc: The AUC of resampled people, from
            :func:`lgrnet.evaluation.bootstrap.resampled_mean_auc`.
    """

    f1: float
    auc: float
    landmark_error: float
    counts: np.ndarray
    drawn_auc: np.ndarray


def runs_of(args: argparse.Namespace) -> Iterator[tuple[str, int, Path]]:
    """List all runs, seed by seed, so that an interrupted series still compares all variants."""
    for seed in range(args.seeds):
        for variant in ORDER:
            yield variant, seed, args.runs / f"{variant}_{seed}"


def changes_of(variant: str, config: Path) -> dict[str, object]:
    """Tell how a variant's network differs from the one that an experiment describes."""
    whole = load_experiment(config).model.to_dict()
    changed = make_variant(load_experiment(config).model, variant).to_dict()
    return {key: value for key, value in changed.items() if value != whole[key]}


def is_done(folder: Path, epochs: int) -> bool:
    """Tell whether a run has got to its end."""
    last = folder / "last.pt"
    return last.exists() and load_checkpoint(last)[1]["epoch"] == epochs


def train(args: argparse.Namespace) -> None:
    """Train what is not trained yet, one run after the other."""
    for variant, seed, folder in runs_of(args):
        if is_done(folder, args.epochs):
            continue
        settings = {
            "out": str(folder), "seed": seed, "data.root": str(args.data),
            "optim.epochs": args.epochs,
            **{f"model.{key}": value for key, value in changes_of(variant, args.config).items()},
        }  # fmt: skip
        train_network(args.config, settings, args.threads)


def verdict(model: nn.Module, shards: FaceShards) -> Verdict:
    """Judge one network."""
    result = evaluate(model, shards, torch.device("cpu"))
    present = recognised(result.probability)
    return Verdict(
        mean_of_occurring(f1_frame(present, result.presence), result.presence),
        mean_of_occurring(area_under_curve(result.probability, result.presence), result.presence),
        result.landmark_error,
        f1_counts(present, result.presence, shards.labels.subject),
        resampled_mean_auc(result.probability, result.presence, shards.labels.subject),
    )


def compare(verdicts: Mapping[str, Sequence[Verdict]]) -> list[dict]:
    """Compare all variants with the whole network on one split.

    Args:
        verdicts: Variant → one for each seed, in the same order for all.

    Returns:
        Rows with the means over seeds, the F1 of each seed, and the differences of F1 and AUC to
        the whole network with the intervals that hold 95 % of them when people are drawn anew.
    """
    drawn = {
        name: (
            np.mean([resampled_mean_f1(each.counts) for each in seeds], axis=0),
            np.mean([each.drawn_auc for each in seeds], axis=0),
        )
        for name, seeds in verdicts.items()
    }
    means = {
        name: {
            key: float(np.mean([getattr(each, key) for each in seeds]))
            for key in ("f1", "auc", "landmark_error")
        }
        for name, seeds in verdicts.items()
    }
    rows = []
    for name, seeds in verdicts.items():
        gaps = np.subtract(drawn[name], drawn[WHOLE])  # of F1 and of AUC, (2, resamples)
        rows.append(
            {
                "variant": VARIANTS[name],
                **means[name],
                "f1_of_seeds": [each.f1 for each in seeds],
                "difference": means[name]["f1"] - means[WHOLE]["f1"],
                "difference_95": list(interval(gaps[0])),
                "auc_difference": means[name]["auc"] - means[WHOLE]["auc"],
                "auc_difference_95": list(interval(gaps[1])),
            }
        )
    return rows


def judge(args: argparse.Namespace) -> None:
    """Judge all runs, print tables, write the JSON."""
    missing = [str(folder) for _, _, folder in runs_of(args) if not is_done(folder, args.epochs)]
    if missing:
        raise InputError(f"not trained: {', '.join(missing)}; run the command `train` first")
    splits: dict[str, dict] = {}
    for split in SPLITS:
        verdicts: dict[str, list[Verdict]] = {name: [] for name in ORDER}
        for variant, _, folder in runs_of(args):
            model, meta = load_checkpoint(folder / "last.pt")
            shards = FaceShards(args.data, split, model.config.aus, most_shards=args.shards)
            verdicts[variant].append(verdict(model, shards))
        splits[split] = {
            "frames": len(shards), "people": len(np.unique(shards.labels.subject)),
            "rows": compare(verdicts),
        }  # fmt: skip
        print(f"\n{split}: {splits[split]['frames']} faces of {splits[split]['people']} people\n")
        print(markdown(_COLUMNS, splits[split]["rows"]))
    record = {
        "format": FORMAT, "machine": describe_machine(), "config": str(args.config),
        "seeds": args.seeds, "training_images": meta["training_images"], "epochs": args.epochs,
        "data": shards.recipe, "splits": splits,
    }  # fmt: skip
    write_record(record, args.json)
    print(f"\nwritten to {args.json}")


_COLUMNS: tuple[Column, ...] = (
    ("variant", "---", lambda row: row["variant"]),
    ("mean F1", "---:", number("f1", 4)),
    ("of the seeds", "---", lambda row: ", ".join(f"{f1:.3f}" for f1 in row["f1_of_seeds"])),
    ("AUC", "---:", number("auc", 4)),
    ("landmark error %", "---:", number("landmark_error", 2, 100)),
    ("F1 to LGRNet (95 %)", "---:", difference(4)),
    ("AUC to LGRNet (95 %)", "---:", difference(4, "auc_difference")),
)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ablation",
        description=purpose(__doc__),
        formatter_class=DefaultsHelp,
    )
    add = parser.add_argument
    add("--runs", type=Path, default=Path("runs/ablation"), help="folder of the runs")
    add("--data", type=Path, default=Path("data/faces"), help="data set with a control split")
    add("--config", type=Path, default=CONFIG, help="experiment that the variants change")
    add("--seeds", type=positive, default=3, help="how many of each")
    add("--epochs", type=positive, default=1, help="passes over the faces")
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser(
        "train", help="train what is not trained yet", formatter_class=DefaultsHelp
    )
    training.add_argument("--threads", type=positive, default=1, help="CPU threads")
    training.set_defaults(run=train)
    judging = commands.add_parser(
        "judge", help="judge all, write tables and JSON", formatter_class=DefaultsHelp
    )
    judging.add_argument(
        "--json", type=output_file, default=Path("out/ablation.json"), help="where the record goes"
    )
    judging.add_argument("--shards", type=positive, help="most shards of a split to judge on")
    judging.set_defaults(run=judge)
    return parser.parse_args(argv)


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run_command(parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
