"""How weights lie in memory."""

from typing import TypeVar

import torch
from torch import nn

_Network = TypeVar("_Network", bound=nn.Module)


def channels_last(network: _Network) -> _Network:
    """Lay out the weights of convolutions as they are fastest on CPUs; returns the network."""
    # PyTorch documents this way of calling, and does not declare it.
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
