"""Held-out people by whom a trained network may be tuned, beside its weights.

Thresholds (:mod:`lgrnet.thresholds`) and the scale of intensities (:mod:`lgrnet.intensities`) are
fitted to people whom the network was not trained on, and a checkpoint says who they were.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lgrnet.data.shards import DatasetError, FaceShards, labelled_aus
from lgrnet.unseen import known_among, seen_by
from runtime.console.option_types import output_file

logger = logging.getLogger(__name__)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a command that fits a checkpoint to held-out people."""
    add = parser.add_argument
    add("checkpoint", type=Path, help="written by python -m lgrnet.train")
    add("--data", type=Path, default=Path("data/faces"), help="data set's folder")
    add("--split", nargs="+", default=["val"], metavar="NAME", help="splits, taken as one; in a "
        "prepared corpus each person is one. Not those that it was trained on, nor those that "
        "will judge it")  # fmt: skip
    add("-o", "--output", "--out", type=Path, required=True, help="the checkpoint to write")
    add(
        "--json",
        type=output_file,
        help="where to tell what was fitted to whom, and what it changed",
    )
    add("--device", default="cpu", help="cpu, cuda or cuda:N")


def held_out_faces(
    data: Path, splits: Sequence[str], checkpoint: Path, meta: dict[str, Any], option: str,
    aus: Sequence[int] | None = None,
) -> FaceShards:  # fmt: skip
    """Open faces of people whom a network was not trained on.

    Args:
        data: The data set's folder.
        splits: Its splits, taken as one.
        checkpoint: The network's file, for messages.
        meta: What that says of it.
        option: The option that names the splits, for messages.
        aus: FACS numbers of the AUs to label; None for all that the data set labels.

    Returns:
        The faces.

    Raises:
        DatasetError: The data set cannot be used.
        ValueError: The network was trained on some of these people, as far as its file tells.
    """
    faces = FaceShards(data, tuple(splits), aus)
    if trained_on := known_among(seen_by(meta), faces.recipe, splits):
        raise ValueError(
            f"{option}: {checkpoint} was trained on {', '.join(trained_on)}: name people whom it "
            "has not seen"
        )
    return faces


def common_aus(aus: Sequence[int], data: Path, what: str) -> tuple[int, ...]:
    """Choose those of a network's AUs that a data set labels, and say which it does not.

    Args:
        aus: FACS numbers of the network's AUs.
        data: The data set's folder.
        what: What stays as it is of the others, for the message.

    Raises:
        DatasetError: The data set cannot be read, or labels none of them.
    """
    labelled = labelled_aus(data)
    both = tuple(au for au in aus if au in labelled)
    if not both:
        raise DatasetError(f"{data} labels {list(labelled)}, none of the network's {list(aus)}")
    if len(both) < len(aus):
        others = ", ".join(str(au) for au in aus if au not in labelled)
        logger.info("%s does not label AU %s: their %s stay", data, others, what)
    return both


def described(faces: FaceShards) -> dict[str, Any]:
    """Tell what faces are: how many, of how many people, made from what."""
    people = len(np.unique(faces.labels.subject))
    return {"frames": len(faces), "people": people, "recipe": faces.recipe}
