"""Choose thresholds anew: ``python -m lgrnet.thresholds CHECKPOINT --data DATA -o OUT``.

Training ends with thresholds that its validation people chose. A mean of weights
(:mod:`lgrnet.average`) has none, and whoever has labelled people of their own may want theirs. The
weights, and the statistics of batch norms, stay as they are.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from lgrnet.answers import torch_device
from lgrnet.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from lgrnet.evaluate import Evaluation, evaluate
from lgrnet.metrics import best_thresholds, f1_frame, mean_f1, recognised
from lgrnet.shards import DatasetError, FaceShards
from runtime.action_units import au_key
from runtime.errors import DeviceError

logger = logging.getLogger(__name__)


def choose_thresholds(
    model: nn.Module, meta: dict[str, Any], faces: FaceShards, device: torch.device
) -> tuple[dict[str, Any], Evaluation]:
    """Choose a network's thresholds on people it was not trained on.

    Args:
        model: The network; left in evaluation mode.
        meta: What its checkpoint says of it.
        faces: Those people, with the network's AUs.
        device: Where the network is.

    Returns:
        What its checkpoint should say: thresholds by :func:`lgrnet.metrics.best_thresholds`, what
        they were chosen on, and its scores there, all else as before; and the network's answers.
    """
    result = evaluate(model, faces, device)
    people = len(np.unique(faces.labels.subject))
    chosen = {
        "thresholds": best_thresholds(result.probability, result.presence).tolist(),
        "thresholds_from": {"frames": len(faces), "people": people, "recipe": faces.recipe},
        "validation": {"mean_f1": result.mean_f1, "landmark_error": result.landmark_error},
    }
    return {**meta, **chosen}, result


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m lgrnet.thresholds",
        description="Choose a checkpoint's thresholds on held-out people, its weights untouched.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("checkpoint", type=Path)
    add("--data", type=Path, default=Path("data/faces"), help="data set's folder")
    add("--split", nargs="+", default=["val"], metavar="NAME", help="splits, taken as one; in a "
        "prepared corpus each person is one. Not those that it was trained on, nor those that "
        "will judge it")  # fmt: skip
    add("-o", "--output", type=Path, required=True, help="where to")
    add("--device", default="cpu", help="cpu, cuda or cuda:N")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        device = torch_device(args.device)
        model, meta = load_checkpoint(args.checkpoint)
        faces = FaceShards(args.data, tuple(args.split), model.config.aus)
        meta, result = choose_thresholds(model.to(device), meta, faces, device)
        args.output.parent.mkdir(parents=True, exist_ok=True)
        save_checkpoint(args.output, model.cpu(), meta)
    except (CheckpointError, DatasetError, DeviceError, ValueError, OSError) as error:
        logger.error("%s", error)
        return 2
    thresholds = np.array(meta["thresholds"])
    at_thresholds = f1_frame(recognised(result.probability, thresholds), result.presence)
    each = zip(model.config.aus, thresholds, strict=True)
    logger.info("%s: %s", args.output, ", ".join(f"{au_key(au)} {at:.2f}" for au, at in each))
    logger.info(
        "mean F1 there %.4f, at 0.5 %.4f (%d faces)",
        *(mean_f1(at_thresholds), result.mean_f1, len(faces)),
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
