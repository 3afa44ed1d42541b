"""Judge a checkpoint on a split: ``python -m lgrnet.evaluate CHECKPOINT --data data/faces``.

Prints F1-frame per AU beside the F1 of a detector that is always on, the landmark error, and how
well intensities agree if the network tells them; writes the same as JSON.
"""

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lgrnet.checkpoint import CheckpointError, load_checkpoint
from lgrnet.data import evaluation_batches, to_input
from lgrnet.metrics import (
    MISSING,
    always_on_f1,
    f1_frame,
    failure_rate,
    intensity_agreement,
    landmark_errors,
    mean_f1,
    recognised,
)
from lgrnet.shards import DatasetError, FaceShards
from runtime.action_units import AU_NAMES, BP4D_AUS, DISFA_AUS, au_key

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A network's answers on a split, and what they are worth.

    Attributes:
        probability: (frames, n) float32.
        presence: Labels, (frames, n): 0, 1 or 9.
        f1: F1-frame at 0.5, (n,).
        mean_f1: Mean of ``f1``.
        landmark_error: Mean error in inter-ocular distances.
        failure_rate: Share of faces above 0.1.
        intensity: What the network says and what is true, (frames, n) each, 0 to 5, NaN where
            unknown; None for a network that does not tell.
    """

    probability: np.ndarray
    presence: np.ndarray
    f1: np.ndarray
    mean_f1: float
    landmark_error: float
    failure_rate: float
    intensity: tuple[np.ndarray, np.ndarray] | None = None


@torch.inference_mode()
def evaluate(model: nn.Module, shards: FaceShards, device: torch.device) -> Evaluation:
    """Run a network over a split; the network is left in evaluation mode.

    Args:
        model: LGRNet.
        shards: The split, with the network's AUs.
        device: Where the network is.

    Returns:
        Answers and scores.
    """
    model.eval()
    probability, landmarks, targets, strengths = [], [], [], []
    for batch in evaluation_batches(shards):
        prediction = model(to_input(batch.faces.to(device)))
        probability.append(prediction.au_logits.float().sigmoid().cpu().numpy())
        landmarks.append(prediction.landmarks.float().cpu().numpy())
        targets.append(batch.landmarks.numpy())
        if prediction.intensity is not None:
            both = (prediction.intensity.float().cpu(), batch.intensity)
            strengths.append(torch.stack(both).numpy())
    answers, presence = np.concatenate(probability), shards.labels.presence
    f1 = f1_frame(recognised(answers), presence)
    errors = landmark_errors(np.concatenate(landmarks), np.concatenate(targets))
    return Evaluation(
        *(answers, presence, f1, mean_f1(f1), float(errors.mean()), failure_rate(errors)),
        intensity=tuple(np.concatenate(strengths, axis=1)) if strengths else None,
    )


def best_thresholds(probability: np.ndarray, presence: np.ndarray) -> np.ndarray:
    """Find, for each AU, the threshold with the highest F1.

    Args:
        probability: (frames, n).
        presence: (frames, n): 0, 1 or 9.

    Returns:
        (n,) multiples of 0.05 in [0.2, 0.8]; the one nearest 0.5 among equals, 0.5 for an AU that
        never occurs.
    """
    grid = np.array(sorted(np.arange(4, 17) / 20, key=lambda value: abs(value - 0.5)))
    scores = np.stack([f1_frame(recognised(probability, value), presence) for value in grid])
    return grid[np.nan_to_num(scores, nan=-1.0).argmax(0)]


def area_under_curve(probability: np.ndarray, presence: np.ndarray) -> np.ndarray:
    """Compute the area under each AU's ROC curve (the Mann-Whitney statistic).

    Args:
        probability: (frames, n).
        presence: (frames, n): 0, 1 or 9.

    Returns:
        (n,) in [0, 1], NaN for an AU that is always or never present.
    """
    areas = np.full(presence.shape[1], np.nan)
    for column in range(presence.shape[1]):
        known = presence[:, column] != MISSING
        scores, truth = probability[known, column], presence[known, column] == 1
        positives, negatives = int(truth.sum()), int((~truth).sum())
        if not positives or not negatives:
            continue
        _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
        ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]  # equal scores share a rank
        wins = ranks[truth].sum() - positives * (positives + 1) / 2
        areas[column] = wins / (positives * negatives)
    return areas


def report(aus: Sequence[int], result: Evaluation, thresholds: Sequence[float]) -> dict:
    """Collect scores as plain values.

    Args:
        aus: The AUs.
        result: Answers on a split.
        thresholds: The checkpoint's, one for each AU.

    Returns:
        Per-AU and mean scores, also over the subsets of BP4D and DISFA where they are complete.
    """
    floor = always_on_f1(result.presence)
    tuned = f1_frame(recognised(result.probability, np.asarray(thresholds)), result.presence)
    area = area_under_curve(result.probability, result.presence)
    rate = [(result.presence[:, i] == 1).mean() for i in range(len(aus))]
    rows = {
        au_key(au): {
            "name": AU_NAMES[au],
            "base_rate": float(rate[i]),
            "always_on_f1": float(floor[i]),
            "f1": float(result.f1[i]),
            "threshold": float(thresholds[i]),
            "f1_at_threshold": float(tuned[i]),
            "auc": float(area[i]),
        }
        for i, au in enumerate(aus)
    }
    if result.intensity is not None:
        for row, icc, error in zip(
            rows.values(), *intensity_agreement(*result.intensity), strict=True
        ):
            row |= {"intensity_icc": float(icc), "intensity_mae": float(error)}
    scored = ("always_on_f1", "f1", "f1_at_threshold", "auc", "intensity_icc", "intensity_mae")
    means = {}
    for name, subset in (("all", tuple(aus)), ("BP4D-12", BP4D_AUS), ("DISFA-8", DISFA_AUS)):
        if set(subset) <= set(aus):
            picked = [rows[au_key(au)] for au in subset]
            means[name] = {
                key: mean_f1(np.array([row[key] for row in picked]))
                for key in scored
                if key in picked[0]
            }
    return {
        "frames": len(result.presence),
        "aus": rows,
        "mean": means,
        "landmark_error": result.landmark_error,
        "failure_rate": result.failure_rate,
    }


def format_report(scores: dict) -> str:
    """Write scores as a table for people."""
    columns = [("F1", "f1"), ("F1*", "f1_at_threshold"), ("AUC", "auc")]
    if "intensity_icc" in scores["mean"]["all"]:
        columns += [("ICC", "intensity_icc"), ("MAE", "intensity_mae")]
    head = f"{'AU':<6}{'name':<22}{'rate':>7}{'always on':>11}"
    head += "".join(f"{title:>8}" for title, _ in columns)
    lines = [head, "-" * len(head)]
    for key, row in scores["aus"].items():
        lines.append(
            f"{key:<6}{row['name']:<22}{row['base_rate']:>7.2f}{row['always_on_f1']:>11.3f}"
            + "".join(f"{row[column]:>8.3f}" for _, column in columns)
        )
    lines.append("-" * len(head))
    for name, row in scores["mean"].items():
        lines.append(
            f"{'mean':<6}{name:<22}{'':>7}{row['always_on_f1']:>11.3f}"
            + "".join(f"{row[column]:>8.3f}" for _, column in columns)
        )
    lines.append(
        f"landmarks: mean error {100 * scores['landmark_error']:.2f} % of inter-ocular distance, "
        f"{100 * scores['failure_rate']:.2f} % of {scores['frames']} faces above 10 %"
    )
    lines.append("F1 at 0.5; F1* at the checkpoint's thresholds, tuned on validation people")
    if len(columns) > 3:
        lines.append("ICC(3,1) and mean absolute error of the intensities, 0 to 5")
    return "\n".join(lines)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m lgrnet.evaluate",
        description="Judge a checkpoint on a split of a data set.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, default=Path("data/faces"), help="data set's folder")
    parser.add_argument("--split", default="test")
    parser.add_argument(
        "--json",
        type=Path,
        help="where to write the scores; out/<checkpoint>_<split>.json if not given",
    )
    parser.add_argument("--device", default="cpu")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        model, meta = load_checkpoint(args.checkpoint, args.device)
        aus = model.config.aus
        shards = FaceShards(args.data, args.split, aus)
    except (CheckpointError, DatasetError) as error:
        logger.error("%s", error)
        return 2
    result = evaluate(model, shards, torch.device(args.device))
    scores = {
        "checkpoint": args.checkpoint.name,
        "preset": model.config.preset,
        "training_data": meta.get("training_data", "unknown"),
        "data": {"split": args.split, "recipe": shards.recipe},
        **report(aus, result, meta.get("thresholds") or [0.5] * len(aus)),
    }
    print(format_report(scores))
    path = args.json or Path("out") / f"{args.checkpoint.stem}_{args.split}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(scores, indent=2) + "\n")
    partial.replace(path)
    logger.info("written to %s", path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
