"""A face finder's weights, folded and named as the native engine reads them."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from export.fold import fold_norm
from lgrnet.finder.network import FinderNetwork, Separable
from lgrnet.network.bias import bias_of
from runtime.finders.grids_native import KEY
from runtime.native.archive import write_archive

Arrays = dict[str, Tensor]


def write_arrays(network: FinderNetwork, path: Path, about: Mapping[str, str]) -> None:
    """Write a face finder for the native engine.

    Args:
        network: The network, in evaluation mode.
        path: Where to.
        about: What the file says of itself.

    Raises:
        ValueError: A weight is not finite.
    """
    write_archive(path, {KEY: json.dumps({**about, **network.config})}, finder_arrays(network))


def finder_arrays(network: FinderNetwork) -> dict[str, np.ndarray]:
    """Collect the weights.

    Args:
        network: The network, in evaluation mode.

    Returns:
        Name → float32; batch norms are merged into convolutions.
    """
    weight, bias = _folded(network.stem)
    # The first convolution reads columns of rows of colours.
    arrays: Arrays = {"stem.weight": weight.permute(0, 3, 2, 1), "stem.bias": bias}
    for name, layer in network.named_modules():
        if isinstance(layer, Separable):
            depth, depth_bias = _folded(layer.dw)
            point, point_bias = _folded(layer.pw)
            arrays |= {
                f"{name}.depth.weight": depth.flatten(1).T,
                f"{name}.depth.bias": depth_bias,
                f"{name}.point.weight": point,
                f"{name}.point.bias": point_bias,
            }
    for level, (lateral, out) in enumerate(zip(network.lateral, network.out, strict=True)):
        assert isinstance(lateral, nn.Sequential)
        assert isinstance(out, nn.Conv2d)
        weight, bias = _folded(lateral)
        arrays |= {
            f"lateral.{level}.weight": weight,
            f"lateral.{level}.bias": bias,
            f"out.{level}.weight": out.weight,
            f"out.{level}.bias": bias_of(out),
        }
    return {
        name: np.ascontiguousarray(array.detach().float().numpy()) for name, array in arrays.items()
    }


def _folded(layers: nn.Sequential) -> tuple[Tensor, Tensor]:
    """Merge a convolution and the batch norm after it."""
    conv, norm = layers[0], layers[1]
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    return fold_norm(conv, norm)
