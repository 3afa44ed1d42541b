"""Judge a checkpoint on a split: ``python -m lgrnet.evaluate CHECKPOINT --data data/faces``.

Prints F1-frame per AU beside the F1 of a detector that is always on, the landmark error, how well
intensities agree if the network tells them, and the same for parts of the split by pose, light,
skin and occlusion where the data set knows them. Writes all that and more as JSON, and with
``--page`` as a page of plots.
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
from lgrnet.evaluation_page import require_page, write_page
from lgrnet.metrics import f1_frame, failure_rate, landmark_errors, mean_f1, recognised
from lgrnet.report import format_report, report
from lgrnet.shards import DatasetError, FaceShards
from runtime.atomic import PendingFile

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A network's answers on a split, and what they are worth.

    Attributes:
        probability: (frames, n) float32.
        presence: Labels, (frames, n): 0, 1 or 9.
        errors: Landmark error of each frame in inter-ocular distances, (frames,).
        intensity: What the network says and what is true, (frames, n) each, 0 to 5, NaN where
            unknown; None for a network that does not tell.
    """

    probability: np.ndarray
    presence: np.ndarray
    errors: np.ndarray
    intensity: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def f1(self) -> np.ndarray:
        """F1-frame at 0.5, (n,)."""
        return f1_frame(recognised(self.probability), self.presence)

    @property
    def mean_f1(self) -> float:
        """Mean of ``f1``."""
        return mean_f1(self.f1)

    @property
    def landmark_error(self) -> float:
        """Mean error in inter-ocular distances."""
        return float(self.errors.mean())

    @property
    def failure_rate(self) -> float:
        """Share of faces above 0.1."""
        return failure_rate(self.errors)


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
    return Evaluation(
        probability=np.concatenate(probability),
        presence=shards.labels.presence,
        errors=landmark_errors(np.concatenate(landmarks), np.concatenate(targets)),
        intensity=tuple(np.concatenate(strengths, axis=1)) if strengths else None,
    )


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
    parser.add_argument(
        "--page", type=Path, help="where to draw plots, .png; not drawn if not given"
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
        if args.page is not None:
            require_page(args.page)
    except (CheckpointError, DatasetError, ImportError, ValueError) as error:
        logger.error("%s", error)
        return 2
    result = evaluate(model, shards, torch.device(args.device))
    scores = {
        "checkpoint": args.checkpoint.name,
        "preset": model.config.preset,
        "training_data": meta.get("training_data", "unknown"),
        "data": {"split": args.split, "recipe": shards.recipe},
        **report(aus, result, meta.get("thresholds") or [0.5] * len(aus), shards.labels),
    }
    print(format_report(scores))
    path = args.json or Path("out") / f"{args.checkpoint.stem}_{args.split}.json"
    with PendingFile(path) as part:
        part.write_text(json.dumps(scores, indent=2) + "\n")
    logger.info("written to %s", path)
    if args.page is not None:
        write_page(scores, args.page)
        logger.info("plotted in %s", args.page)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
