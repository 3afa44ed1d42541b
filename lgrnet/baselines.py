"""What a network has to beat: ``python -m lgrnet.baselines --data data/faces``.

Three detectors on the same people: one that is always on; a perceptron on the *true* landmarks,
which sees motion but no skin; and a plain convolutional network without any of LGRNet's structure.
Each is trained on the training split and judged on the test split at 0.5; nothing is selected.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from lgrnet.data.augment import AugmentConfig
from lgrnet.data.batches import TrainingFaces, evaluation_batches, to_input, training_batches
from lgrnet.data.shards import DatasetError, FaceShards
from lgrnet.evaluation.metrics import always_on_f1, f1_frame, mean_of_occurring, recognised
from lgrnet.evaluation.report import to_json
from lgrnet.network.channels_last import channels_last
from lgrnet.training.losses import au_weights, dice_loss, recognition_loss
from runtime.action_units import BP4D_AUS, au_key
from runtime.align import ALIGNED_SIZE
from runtime.console.help import DefaultsHelp
from runtime.console.option_types import count, output_file
from runtime.console.progress import add_progress
from runtime.console.stoppable import stoppable
from runtime.files.atomic import PendingFile

logger = logging.getLogger(__name__)

CNN_INPUT = 96
"""Side at which the plain network sees a face, pixels."""

BATCH = 64
"""Faces of a step of its training."""


def landmark_perceptron(train: FaceShards, test: FaceShards, epochs: int = 40) -> np.ndarray:
    """Train a perceptron on true landmarks with a pixel of noise.

    Args:
        train: Training split.
        test: Test split.
        epochs: Passes over the training split.

    Returns:
        Probabilities on the test split, (frames, n).
    """
    torch.manual_seed(0)
    aus = len(train.aus)
    points, labels = _points(train), torch.from_numpy(train.labels.presence)
    model = nn.Sequential(
        *(nn.Linear(points.shape[1], 256), nn.ReLU(), nn.Dropout(0.2)),
        *(nn.Linear(256, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, aus)),
    )
    optimiser = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.01)
    weights = au_weights(labels)
    unit = 2 / ALIGNED_SIZE  # one pixel
    for _ in range(epochs):
        for chosen in torch.randperm(len(points)).split(256):
            noisy = points[chosen] + unit * torch.randn_like(points[chosen])
            _step(model(noisy), labels[chosen], weights, optimiser)
    model.eval()
    with torch.inference_mode():
        seen = _points(test)
        return model(seen + unit * torch.randn_like(seen)).sigmoid().numpy()


def plain_cnn() -> nn.Sequential:
    """Build a VGG-like network of 0.8 M parameters, up to its last layer: (B, 192)."""
    layers: list[nn.Module] = []
    channels = 3
    for width, stride in ((32, 2), (64, 2), (128, 2), (128, 1), (192, 2), (192, 1)):
        layers += [
            nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def convolutional(
    train: FaceShards, test: FaceShards, epochs: int, progress: bool = True
) -> np.ndarray:
    """Train the plain network on pixels.

    Args:
        train: Training split.
        test: Test split.
        epochs: Passes over the training split.
        progress: Whether to show a progress bar.

    Returns:
        Probabilities on the test split, (frames, n).
    """
    torch.manual_seed(0)
    model = channels_last(nn.Sequential(plain_cnn(), nn.Linear(192, len(train.aus))))
    steps = epochs * (len(train) // BATCH)
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    weights = au_weights(torch.from_numpy(train.labels.presence))
    faces = TrainingFaces(train, AugmentConfig(), seed=0)
    with tqdm(total=steps * BATCH, unit="img", disable=not progress) as bar:
        for epoch in range(epochs):
            for each in training_batches(faces, BATCH, epoch):
                _step(model(_small(each.faces)), each.presence, weights, optimiser)
                schedule.step()
                bar.update(BATCH)
    model.eval()
    with torch.inference_mode():
        answers = [model(_small(each.faces)).sigmoid() for each in evaluation_batches(test)]
    return torch.cat(answers).numpy()


def _small(faces: Tensor) -> Tensor:
    size = (CNN_INPUT, CNN_INPUT)
    return functional.interpolate(to_input(faces), size=size, mode="area")


def _points(shards: FaceShards) -> Tensor:
    """Scale landmarks to about [-1, 1] and lay them out flat, (N, 98)."""
    scaled = shards.labels.landmarks * (2 / ALIGNED_SIZE) - 1
    return torch.from_numpy(scaled.reshape(len(scaled), -1).astype(np.float32))


def _step(
    logits: Tensor, labels: Tensor, weights: Tensor, optimiser: torch.optim.Optimizer
) -> None:
    loss = recognition_loss(logits, labels, weights) + dice_loss(logits, labels, weights)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def scores(aus: Sequence[int], f1: np.ndarray, truth: np.ndarray) -> dict:
    """Collect F1 by AU with means over all AUs and over those of BP4D, of both those that occur."""
    subset = [i for i, au in enumerate(aus) if au in BP4D_AUS]
    means = {
        "mean_all": mean_of_occurring(f1, truth),
        "mean_BP4D-12": mean_of_occurring(f1[subset], truth[:, subset]),
    }
    return {**means, "f1": {au_key(au): float(f1[i]) for i, au in enumerate(aus)}}


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m lgrnet.baselines",
        description="Train and judge what networks must beat: always on, a perceptron, a CNN.",
        formatter_class=DefaultsHelp,
    )
    parser.add_argument("--data", type=Path, default=Path("data/faces"), help="data set's folder")
    parser.add_argument(
        "--also", type=Path, nargs="+", default=(), metavar="FOLDER",
        help="further data sets to train on, as a network with data.also was",
    )  # fmt: skip
    parser.add_argument(
        "--cnn-epochs",
        type=count,
        default=3,
        help="passes over the faces; 0 leaves the network out",
    )
    parser.add_argument(
        "--json", type=output_file, help="also write the scores here; printed only if not given"
    )
    add_progress(parser)
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        result = _measure(args)
        if args.json:
            with PendingFile(args.json) as part:
                part.write_text(to_json(result), "utf-8")
        for name, row in result["baselines"].items():
            print(f"{name:<32} BP4D-12 {row['mean_BP4D-12']:.3f}   all {row['mean_all']:.3f}")
    except BrokenPipeError:
        raise  # an OSError, but no bad input
    except (ValueError, OSError) as error:
        logger.error("%s", error)
        return 2
    return 0


def _measure(args: argparse.Namespace) -> dict:
    train = FaceShards(args.data, "train", also=args.also)
    test = FaceShards(args.data, "test", train.aus)
    au_weights(torch.from_numpy(train.labels.presence), train.aus)  # all must occur
    if args.cnn_epochs and len(train) < BATCH:
        raise DatasetError(
            f"{args.data}: {len(train)} training faces are fewer than a batch of {BATCH}: give "
            "more, or leave the network out with --cnn-epochs 0"
        )
    truth = test.labels.presence
    found = {
        "always on": always_on_f1(truth),
        "perceptron on true landmarks": f1_frame(
            recognised(landmark_perceptron(train, test)), truth
        ),
    }
    if args.cnn_epochs:
        answers = convolutional(train, test, args.cnn_epochs, args.progress)
        found[f"plain CNN, {args.cnn_epochs} epochs"] = f1_frame(recognised(answers), truth)
    rows = {name: scores(train.aus, f1, truth) for name, f1 in found.items()}
    return {"data": train.recipe, "baselines": rows}


if __name__ == "__main__":
    raise SystemExit(main())
