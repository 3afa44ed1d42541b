"""Scores of a model on a split: what it says of every face, beside what is true."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from lgrnet.data.batches import evaluation_batches, scored
from lgrnet.data.shards import DatasetError, FaceShards
from lgrnet.evaluation.metrics import (
    f1_frame,
    failure_rate,
    landmark_errors,
    mean_of_occurring,
    recognised,
)
from lgrnet.evaluation.models import Ask, ask_network
from runtime.align import CROP_OFFSET
from runtime.backends.base import Outputs


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
        """Mean of ``f1`` over the AUs that occur."""
        return mean_of_occurring(self.f1, self.presence)

    @property
    def landmark_error(self) -> float:
        """Mean error in inter-ocular distances."""
        return float(self.errors.mean())

    @property
    def failure_rate(self) -> float:
        """Share of faces above 0.1."""
        return failure_rate(self.errors)


def predict(ask: Ask, faces: FaceShards, chosen: Sequence[int] | None = None) -> Outputs:
    """Ask about faces.

    Args:
        ask: What answers.
        faces: A split.
        chosen: Indices of the faces to ask about, at least one; None for all.

    Returns:
        What is said, in the order of the faces.

    Raises:
        DatasetError: There is no face.
    """
    if not len(faces):
        raise DatasetError("there is no face to ask about: the splits are empty")
    said = [ask(batch.faces.numpy()) for batch in evaluation_batches(faces, chosen=chosen)]
    return join_outputs(said)


def join_outputs(said: Sequence[Outputs]) -> Outputs:
    """Put answers one after the other."""
    intensity = [each.intensity for each in said if each.intensity is not None]
    return Outputs(
        np.concatenate([each.probability for each in said]),
        np.concatenate([each.landmarks for each in said]),
        np.concatenate(intensity) if intensity else None,
    )


def judge(said: Outputs, faces: FaceShards, columns: Sequence[int] | None = None) -> Evaluation:
    """Score answers about a whole split.

    Args:
        said: From :func:`predict`.
        faces: The split.
        columns: Which of the model's AUs the split's are, in the split's order; None if they are
            the same.

    Returns:
        Answers and scores.
    """
    pick = slice(None) if columns is None else list(columns)
    labels = faces.labels
    intensity = None
    if said.intensity is not None:
        intensity = said.intensity[:, pick], scored(labels.intensity)
    return Evaluation(
        probability=said.probability[:, pick],
        presence=labels.presence,
        errors=landmark_errors(said.landmarks, labels.landmarks - np.float32(CROP_OFFSET)),
        intensity=intensity,
    )


def evaluate(model: nn.Module, faces: FaceShards, device: torch.device) -> Evaluation:
    """Run a network over a split; the network is left in evaluation mode.

    Args:
        model: LGRNet.
        faces: The split, with the network's AUs.
        device: Where the network is.

    Returns:
        Answers and scores.
    """
    return judge(predict(ask_network(model, device), faces), faces)
