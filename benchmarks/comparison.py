"""Networks that were trained on the same faces for the same time: which of them sees more?

::

    python -m benchmarks.comparison runs/comparison/{lgrnet,jaanet,without_sb}/last.pt \
        --json docs/comparison.json

The first lines of ``configs/comparison_lgrnet.toml`` tell how these are trained. They are judged on
test people, and on control people whose AUs are independent of each other: what one AU tells about
another is of no use there. Differences to the first network are resampled over people (paired
bootstrap). What a network says is kept in a folder as soon as it is known, so an interrupted
command goes on where it stopped.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.shared.machine import describe_machine
from benchmarks.shared.record import write_record
from benchmarks.table import Column, difference, inside, markdown, number
from lgrnet.checkpoint import load_checkpoint
from lgrnet.data.shards import FaceShards
from lgrnet.evaluation.bootstrap import f1_counts, interval, resampled_mean_f1
from lgrnet.evaluation.metrics import area_under_curve, f1_frame, mean_of_occurring, recognised
from lgrnet.evaluation.scoring import Evaluation, evaluate
from lgrnet.network.variants import VARIANTS, variant_of
from lgrnet.unseen import seen_by, tuned_on, warnings_of
from runtime.action_units import BP4D_AUS
from runtime.console.help import DefaultsHelp, purpose
from runtime.console.option_types import output_file
from runtime.console.stoppable import stoppable
from runtime.files.atomic import PendingFile

FORMAT = "lgrnet-comparison-1"

PARTS = ("all", "BP4D-12")
"""Sets of AUs over which scores are averaged: all that the network tells, and the paper's 12."""


def training_of(path: Path) -> dict[str, Any]:
    """Tell how a network was trained, from the trunk that it began with to its end.

    Args:
        path: A checkpoint of :mod:`lgrnet.train`. What it went on from (``init``) is followed.

    Returns:
        ``trunk``, the checkpoint whose trunk it began with, None if there was none; ``stages``,
        first things first: the relation between AUs, faces (each as often as it was seen), and
        seconds; and ``after``, the file before the first stage if it is not there any more, or not
        one of a training, such as a mean of weights.

    Raises:
        CheckpointError: The file cannot be used.
        ValueError: It was not written by a training.
    """
    stages: list[dict[str, Any]] = []
    while True:
        if stages and not path.is_file():
            return {"trunk": None, "stages": stages, "after": str(path)}
        network, meta = load_checkpoint(path)
        if "experiment" not in meta and stages:
            return {"trunk": None, "stages": stages, "after": str(path)}
        if "experiment" not in meta:
            raise ValueError(f"{path} does not say how it was trained: name one of lgrnet.train's")
        said = meta["experiment"]
        stage = {
            "relation": network.config.relation,
            "faces": meta["training_images"] * meta["epoch"],
            "seconds": meta["training_seconds"],
        }
        stages.insert(0, stage)
        init = said.get("init")
        if init is None or said.get("init_rule") == "trunk":
            return {"trunk": init, "stages": stages}
        path = Path(init)


def ask(path: Path, network: nn.Module, faces: FaceShards, split: str, folder: Path) -> Evaluation:
    """Ask a network about a split, or read what it said when it was asked before.

    Args:
        path: Its checkpoint, which tells it from others.
        network: What the checkpoint holds.
        faces: The split.
        split: Its name.
        folder: Where answers are kept, by what was asked about what.
    """
    what = path.read_bytes() + json.dumps([split, faces.recipe, len(faces)]).encode()
    kept = folder / f"{sha256(what).hexdigest()[:16]}.npz"
    if not kept.exists():
        result = evaluate(network, faces, torch.device("cpu"))
        with PendingFile(kept) as part, part.open("wb") as file:
            np.savez(file, probability=result.probability, errors=result.errors)
    with np.load(kept) as said:
        return Evaluation(said["probability"], faces.labels.presence, said["errors"])


def score(result: Evaluation, present: np.ndarray, aus: Sequence[int]) -> dict[str, Any]:
    """Score one network on one split.

    Args:
        result: What it said.
        present: What that is at its thresholds, (frames, n) bool.
        aus: Its AUs.

    Returns:
        F1 at 0.5 and at its thresholds and the area under the ROC curve, means over
        :data:`PARTS` of the AUs that occur; landmark error, in inter-ocular distances.
    """
    f1, at = result.f1, f1_frame(present, result.presence)
    auc = area_under_curve(result.probability, result.presence)
    rows: dict[str, Any] = {"landmark_error": result.landmark_error}
    for part in PARTS:
        pick = _columns(aus, part)
        rows[part] = {
            key: mean_of_occurring(values[pick], result.presence[:, pick])
            for key, values in (("f1", f1), ("f1_at_threshold", at), ("auc", auc))
        }
    return rows


def _columns(aus: Sequence[int], part: str) -> list[int]:
    return [i for i, au in enumerate(aus) if part == "all" or au in BP4D_AUS]


def compare(paths: Sequence[Path], data: Path, split: str, folder: Path) -> dict[str, Any]:
    """Compare networks on one split.

    Args:
        paths: Their checkpoints; the first is what the others are compared with.
        data: The data set.
        split: ``"test"`` or another of its splits.
        folder: Where answers are kept.

    Returns:
        Frames, people, and a row for each network: its scores, and the difference of F1 at the
        thresholds to the first network's, with the interval that holds 95 % of it when people are
        drawn anew, for each of :data:`PARTS`.

    Raises:
        ValueError: The networks tell different AUs.
    """
    rows: list[dict[str, Any]] = []
    first: dict[str, np.ndarray] = {}
    wanted = load_checkpoint(paths[0])[0].config.aus
    for path in paths:
        network, meta = load_checkpoint(path)
        aus = network.config.aus
        if aus != wanted:
            raise ValueError(f"{path} tells AUs {list(aus)}, {paths[0]} {list(wanted)}")
        faces = FaceShards(data, split, aus)
        for said in warnings_of(seen_by(meta), tuned_on(meta), meta, faces.recipe, [split]):
            print(f"{path}: {said}", file=sys.stderr)
        result = ask(path, network, faces, split, folder)
        present = recognised(result.probability, np.asarray(meta["thresholds"]))
        row = {"variant": VARIANTS[variant_of(network.config)], **score(result, present, aus)}
        counts = f1_counts(present, result.presence, faces.labels.subject)
        for part in PARTS:
            drawn = resampled_mean_f1(counts[:, _columns(aus, part)])
            gap = drawn - first.setdefault(part, drawn)
            f1 = row[part]["f1_at_threshold"]
            of_the_first = f1 if not rows else rows[0][part]["f1_at_threshold"]
            row[part]["difference"] = f1 - of_the_first
            row[part]["difference_95"] = list(interval(gap))
        rows.append(row)
    return {"frames": len(faces), "people": len(counts), "recipe": faces.recipe, "rows": rows}


def _parameters(path: Path) -> int:
    return sum(each.numel() for each in load_checkpoint(path)[0].parameters())


def columns() -> Iterator[Column]:
    """Yield the columns of a table of networks on one split."""
    yield "", "---", lambda row: row["variant"]
    for part, name in zip(PARTS, ("all AUs", "BP4D's 12"), strict=True):
        for key, said in (("f1", "F1"), ("f1_at_threshold", "at thresholds"), ("auc", "AUC")):
            yield f"{said}, {name}", "---:", inside(part, number(key, 3))
        yield "difference (95 %)", "---:", inside(part, difference(3))
    yield "landmark error %", "---:", number("landmark_error", 2, 100)


def named(rows: Sequence[dict[str, Any]], paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Tell rows of one variant apart, by their checkpoints, in the same order."""
    variants = [row["variant"] for row in rows]
    return [
        {**row, "variant": f"{name}, {path}"} if variants.count(name) > 1 else row
        for row, name, path in zip(rows, variants, paths, strict=True)
    ]


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.comparison",
        description=purpose(__doc__),
        formatter_class=DefaultsHelp,
    )
    add = parser.add_argument
    add("checkpoints", type=Path, nargs="+", help="the first is what others are compared with")
    add("--data", type=Path, default=Path("data/faces"), help="data set's folder")
    add("--split", nargs="+", default=["test", "control"], metavar="NAME", help="splits")
    add("--answers", type=Path, default=Path("out/comparison"), help="where answers are kept")
    add(
        "--json",
        type=output_file,
        default=Path("out/comparison.json"),
        help="where the record goes",
    )
    args = parser.parse_args(argv)
    try:
        networks = [
            {"checkpoint": str(path), "parameters": _parameters(path), **training_of(path)}
            for path in args.checkpoints
        ]
        for network in networks:
            if "after" in network:
                print(
                    f"{network['checkpoint']} goes on from {network['after']}, of whose training "
                    "nothing is known: only what came after it counts",
                    file=sys.stderr,
                )
        splits = {}
        for split in args.split:
            splits[split] = compare(args.checkpoints, args.data, split, args.answers)
    except BrokenPipeError:
        raise  # an OSError, but no bad input
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    record = {
        "format": FORMAT, "machine": describe_machine(), "networks": networks, "splits": splits
    }  # fmt: skip
    write_record(record, args.json)
    for split, said in splits.items():
        print(f"\n{split}: {said['frames']} faces of {said['people']} people\n")
        print(markdown(list(columns()), named(said["rows"], args.checkpoints)))
    print(f"\nwritten to {args.json}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
