"""The bias of a layer, whether it has one or not."""

from torch import Tensor, nn


def bias_of(layer: nn.Conv2d | nn.Linear) -> Tensor:
    """Return what a layer adds to each of its outputs.

    Args:
        layer: A layer.

    Returns:
        (outputs,); zeros where the layer has no bias.
    """
    return layer.weight.new_zeros(len(layer.weight)) if layer.bias is None else layer.bias
