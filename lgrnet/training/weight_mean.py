"""The mean of the weights that a training passes through in its last part.

Steps scatter around the bottom of a valley of the loss, and their mean lies nearer to its middle
(Izmailov et al., *Averaging weights leads to wider optima and better generalization*, UAI 2018).
Taken at every step, it was found to help most on pictures of another kind than those trained on
(Cha et al., *SWAD: domain generalization by seeking flat minima*, NeurIPS 2021), which real faces
are to a network that has seen rendered ones.
"""

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, update_bn

NORM_BATCHES = 100
"""Batches that the statistics of batch norms are taken from."""


class WeightMean:
    """The mean so far.

    Args:
        model: The network that is trained; the mean begins as a copy of it.
        total: Steps of the whole training.
        begin: Share of them after which weights count, in [0, 1).
    """

    def __init__(self, model: nn.Module, total: int, begin: float) -> None:
        self._mean = AveragedModel(model)
        self._before = begin * total

    @property
    def network(self) -> Any:
        """The network with the mean weights; its batch norms are right after ``renew_norms``."""
        return self._mean.module

    def add(self, model: nn.Module, step: int) -> None:
        """Let the weights count, if it is time.

        Args:
            model: The network that is trained.
            step: The step that it has just taken, from 1.
        """
        if step > self._before:
            self._mean.update_parameters(model)

    def renew_norms(self, images: Iterable[Tensor]) -> None:
        """Take the statistics of batch norms anew: those of no step belong to the mean weights.

        Args:
            images: Batches as the network takes them, on its device, disturbed as in training.
        """
        update_bn(images, self._mean)

    def state_dict(self) -> dict[str, Tensor]:
        """Return what :meth:`load_state_dict` goes on from."""
        return self._mean.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a saved state."""
        self._mean.load_state_dict(state)
