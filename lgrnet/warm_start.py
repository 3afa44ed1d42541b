"""Training that begins with the weights of another run, even of one on smaller images.

Convolutions do not mind how large their maps are; only the first layers of the landmark head and
of the AU heads, which weigh every cell of the last maps, depend on it. Their weights are resampled.
So the paper's network can learn most of what it knows from 64 × 64 images, at an eighth of the
cost, before it sees 176 × 176 ones (progressive resizing, Howard 2018).
"""

from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from lgrnet.checkpoint import load_checkpoint
from lgrnet.config import ModelConfig
from lgrnet.model import LGRNet

SIZE_FIELDS = frozenset({"preset", "input_size", "attention_cells"})
"""Fields of the configuration in which the two networks may differ."""


def warm_start(model: LGRNet, path: Path) -> None:
    """Replace a network's weights by those of a checkpoint.

    Args:
        model: The network, changed in place.
        path: A checkpoint of the same structure; its ``input_size`` may be another one.

    Raises:
        CheckpointError: The file cannot be used.
        ValueError: The checkpoint's network is another one; the message names the fields.
    """
    source, _ = load_checkpoint(path)
    ours, theirs = asdict(model.config), asdict(source.config)
    different = [
        f"{name} = {theirs[name]}, here {ours[name]}"
        for name in ours
        if name not in SIZE_FIELDS and theirs[name] != ours[name]
    ]
    if different:
        raise ValueError(
            f"init: {path} holds another network ({'; '.join(different)}): name a checkpoint of "
            "the same network, or change [model]"
        )
    weights = source.state_dict()
    for name, like in model.state_dict().items():
        if weights[name].shape != like.shape:
            channels = _channels_of_map(name, source.config)
            weights[name] = resample_map_weights(weights[name], channels, like.shape)
    model.load_state_dict(weights)


def _channels_of_map(name: str, config: ModelConfig) -> int:
    """Tell the channels of the maps that a size-dependent layer weighs."""
    if name == "align.hidden.weight":
        return config.feature_widths[-1]
    if name == "heads.hidden.weight":
        return config.refine_widths[-1] if config.fusion else config.channels
    raise ValueError(f"init: {name} depends on the size of the input in a way that is not known")


def resample_map_weights(weights: Tensor, channels: int, shape: torch.Size) -> Tensor:
    """Resample weights of whole maps to maps of another side, bilinearly.

    The sum over a map is kept, so a constant map scores what it scored before, and a smooth one
    nearly so.

    Args:
        weights: (out, C · s · s) or (out, C, s, s).
        channels: C.
        shape: The same with another s.

    Returns:
        Weights of that shape.
    """
    outputs = weights.shape[0]
    before, after = (
        round((size / (outputs * channels)) ** 0.5) for size in (weights.numel(), shape.numel())
    )
    maps = weights.reshape(outputs, channels, before, before)
    resampled = functional.interpolate(
        maps, size=(after, after), mode="bilinear", align_corners=False
    )
    total = resampled.sum((2, 3), keepdim=True)
    # Bilinear sampling keeps the sum only nearly where the sides are no multiples of each other.
    missing = maps.sum((2, 3), keepdim=True) - total * (before / after) ** 2
    return (resampled * (before / after) ** 2 + missing / after**2).reshape(shape)
