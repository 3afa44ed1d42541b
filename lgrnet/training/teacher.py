"""Distillation: a network that has been trained tells a smaller one what it sees.

After Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network" (2015), at a
temperature of 1: beside the labels, the small network is shown the large one's probabilities, which
also say how plainly an AU is to be seen in this very picture, disturbed as it is.
"""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from lgrnet.checkpoint import load_checkpoint
from lgrnet.network.channels_last import channels_last


class Lesson(NamedTuple):
    """What a teacher says of a batch of faces.

    Attributes:
        probability: (B, k) float32, of the AUs that it shares with the pupil.
        columns: (k,) int64, where these are among the pupil's AUs.
    """

    probability: Tensor
    columns: Tensor


class Teacher:
    """A trained network that is asked, and not changed.

    Args:
        path: Its checkpoint; any structure, at least one of the pupil's AUs. What it does not know,
            the pupil learns from labels alone.
        aus: The pupil's AUs, in the order of its answers.
        device: Where the pupil is trained.

    Attributes:
        aus: The AUs that it teaches.

    Raises:
        CheckpointError: The file cannot be used.
        ValueError: It knows none of the pupil's AUs.
    """

    def __init__(self, path: Path, aus: tuple[int, ...], device: torch.device) -> None:
        network, _ = load_checkpoint(path, device)
        known = network.config.aus
        self.aus = tuple(au for au in aus if au in known)
        if not self.aus:
            raise ValueError(
                f"distil.teacher: {path} knows the AUs {list(known)}, none of {list(aus)}"
            )
        self._network = channels_last(network).requires_grad_(False)
        self._theirs = torch.tensor([known.index(au) for au in self.aus], device=device)
        self._ours = torch.tensor([aus.index(au) for au in self.aus], device=device)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Lesson:
        """Look at faces.

        Args:
            images: As the pupil gets them, (B, 3, 176, 176), see
                :func:`lgrnet.data.batches.to_input`.

        Returns:
            What it says of them.
        """
        logits = self._network(images).au_logits.index_select(1, self._theirs)
        return Lesson(logits.float().sigmoid(), self._ours)
