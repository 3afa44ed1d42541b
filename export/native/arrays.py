"""A network's weights, folded and named as the native engine reads them."""

import numpy as np
import torch
from torch import Tensor

from export.errors import ExportError
from export.fold import batch_norm_affine, fold_blocks, fold_landmarks
from export.heads import fold_head
from lgrnet.network.au_geometry import AU_CENTRES, muscle_order
from lgrnet.network.bias import bias_of
from lgrnet.network.config import ModelConfig
from lgrnet.network.features import FeatureBlocks
from lgrnet.network.heads import AuHeads
from lgrnet.network.model import LGRNet
from lgrnet.network.patches import EXTENT, FALL, window_radius
from lgrnet.network.region import RegionUnit
from lgrnet.network.relation import Direction
from runtime.landmarks import COUNT, LEFT_EYE_INNER, RIGHT_EYE_INNER
from runtime.native.model import NetworkShape

Arrays = dict[str, Tensor]

LARGE_TILES = ("refine.0", "refine.1")
"""Layers that are convolved in tiles of 4 × 4 outputs, the others of 2 × 2. With larger tiles there
are fewer products and 8 bits round more coarsely: these two are half of all that is left to do per
AU, and bear it best (measured on the packaged network: mean change 0.0094 against 0.0087, and
0.0117 with the same layers of the landmark network as well)."""


def network_shape(config: ModelConfig, engine: str = "the native engine") -> NetworkShape:
    """Describe a network to the engine, and to our GPU kernels, which compute the same.

    Args:
        config: The network.
        engine: What asks, for messages.

    Returns:
        Its shape.

    Raises:
        ExportError: It is an ablation or a variant that the engine does not have.
    """
    needed = {
        "relation": "skip_bilstm", "gate": "product", "fusion": True, "attention": "predefined"
    }  # fmt: skip
    for name, value in needed.items():
        if getattr(config, name) != value:
            raise ExportError(
                f"not exported: {engine} has {name} = {value!r} only, the checkpoint has "
                f"{getattr(config, name)!r}; export it with `python -m export.onnx`"
            )
    return NetworkShape(
        aus=len(config.aus),
        crop=config.crop_size,
        input=config.input_size,
        stride=config.stem_stride,
        grid=config.grid,
        cells=config.cells,
        radius=window_radius(config.cells),
        stem=config.stem_widths,
        feature=config.feature_widths,
        refine=config.refine_widths,
        cells_per_pixel=config.cells / config.crop_size,
        slope=FALL / (config.cells * EXTENT),
    )


def network_arrays(model: LGRNet) -> dict[str, np.ndarray]:
    """Collect the weights.

    Args:
        model: The network, of the shape that :func:`network_shape` accepts.

    Returns:
        Name → float32; batch norms are merged into convolutions, linear layers into each other.
    """
    arrays: Arrays = {}
    for number, unit in enumerate(u for u in model.stem if isinstance(u, RegionUnit)):
        arrays |= _region_unit(f"stem.{number}", unit, first=number == 0)
    arrays |= _blocks("align", model.align.blocks)
    global_blocks, fusion, refine = model.refining()
    arrays |= _blocks("global", global_blocks)
    arrays |= _blocks("refine", refine)
    if model.relation is None:
        raise ExportError("not exported: the network has no recurrence")
    arrays |= _direction("down", model.relation.downward)
    arrays |= _direction("up", model.relation.upward)
    for part in ("local_gate", "local_value", "global_gate", "global_value"):
        conv = getattr(fusion, part)
        arrays |= {f"fusion.{part}.weight": conv.weight, f"fusion.{part}.bias": conv.bias}
    weight, bias = fold_landmarks(model.align)
    side = model.config.grid // FeatureBlocks.POOLING
    arrays["landmarks.weight"] = _cells_first(weight.T.reshape(2 * COUNT, -1), side)
    arrays["landmarks.bias"] = bias
    arrays |= _heads(model.heads, side)
    arrays |= _geometry(model.config)
    return {
        name: np.ascontiguousarray(array.detach().float().numpy()) for name, array in arrays.items()
    }


def _region_unit(name: str, unit: RegionUnit, first: bool) -> Arrays:
    weight = unit.conv.weight
    arrays: Arrays = {
        # The first convolution reads columns of rows of colours.
        f"{name}.conv.weight": weight.permute(0, 3, 2, 1) if first else weight,
        f"{name}.conv.bias": bias_of(unit.conv),
    }
    for part in ("fine", "middle", "coarse"):
        layer = getattr(unit, part)
        scale, shift = batch_norm_affine(layer.norm)
        arrays |= {
            f"{name}.{part}.scale": scale,
            f"{name}.{part}.shift": shift,
            f"{name}.{part}.weight": layer.conv.weight,
            f"{name}.{part}.bias": layer.conv.bias,
        }
    scale, shift = batch_norm_affine(unit.norm)
    return arrays | {f"{name}.norm.scale": scale, f"{name}.norm.shift": shift}


def _blocks(name: str, blocks: FeatureBlocks) -> Arrays:
    arrays: Arrays = {}
    for number, (weight, bias) in enumerate(fold_blocks(blocks)):
        layer = f"{name}.{number}"
        tile = torch.tensor([4 if layer in LARGE_TILES else 2])
        arrays |= {f"{layer}.weight": weight, f"{layer}.bias": bias, f"{layer}.tile": tile}
    return arrays


def _direction(name: str, direction: Direction) -> Arrays:
    cell, gates = direction.cell, [] if direction.gates is None else direction.gates.layers
    channels = cell.from_hidden.in_channels
    none = torch.zeros(0, channels)  # a single AU has no gates
    return {
        f"{name}.input.weight": cell.from_input.weight,
        f"{name}.hidden.weight": cell.from_hidden.weight,
        f"{name}.hidden.bias": bias_of(cell.from_hidden),
        f"{name}.gates.weight": torch.stack([each.weight for each in gates]) if gates else none,
        f"{name}.gates.bias": torch.stack([each.bias for each in gates]) if gates else none,
    }


def _heads(heads: AuHeads, side: int) -> Arrays:
    """Merge the linear layers of each head."""
    weight, bias = fold_head(heads, heads.logit)
    arrays = {"heads.weight": _cells_first(weight, side), "heads.bias": bias}
    if heads.intensity is not None:
        weight, bias = fold_head(heads, heads.intensity)
        arrays |= {"strength.weight": _cells_first(weight, side), "strength.bias": bias}
    return arrays


def _geometry(config: ModelConfig) -> Arrays:
    """Tell where patches lie, and where in the output the AUs go that are in muscle order."""
    order = muscle_order(config.aus)
    centres = [AU_CENTRES[au] for au in order]
    return {
        "heads.order": torch.tensor([config.aus.index(au) for au in order]),
        "patches.points": torch.tensor([[each.left, each.right] for each in centres]),
        "patches.drops": torch.tensor([[each.drop, each.drop] for each in centres]),
        "patches.eyes": torch.tensor([LEFT_EYE_INNER, RIGHT_EYE_INNER]),
    }


def _cells_first(weight: Tensor, side: int) -> Tensor:
    """Turn (O, C · side²), as PyTorch flattens maps, into (O, side², C), as the engine reads it."""
    return weight.unflatten(1, (-1, side * side)).transpose(1, 2)
