"""Training that begins with the weights of another run: smaller images, other AUs, no relation.

Convolutions do not mind how large their maps are; only the first layers of the landmark head and
of the AU heads, which weigh every cell of the last maps, depend on it. Their weights are resampled.
So the paper's network can learn most of what it knows from 64 × 64 images, at an eighth of the
cost, before it sees 176 × 176 ones (progressive resizing, Howard 2018).

Of other AUs, all that the two networks share is taken over: what they know of faces, and the
branches of the AUs that both have. The branches of new AUs begin at random. So a network for DISFA
can begin with one for BP4D.

JÂA-Net begins DISFA with BP4D by another rule (``rule="jaanet"``), told by its published code: the
branches of AU 25 and 26, which BP4D lacks, begin as those of 23 and 17, whose patches are near; the
branch of AU 9 and all heads begin at random.

What has no part in any AU (``rule="trunk"``), the stem, the alignment and the branch that sees the
whole face, is the same in LGRNet, in its ablations and in JÂA-Net. It holds most of what a network
knows of faces; from one trunk they can be compared after minutes instead of days.

The recurrence takes two thirds of the time of a training step. A network can see many more faces
without it (``relation = "none"``) and get it afterwards: its states are small at first, so that
what the rest has learnt holds (eq. 10 adds them to the patches).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from lgrnet.checkpoint import load_checkpoint
from lgrnet.network.au_geometry import muscle_order
from lgrnet.network.build import Network
from lgrnet.network.config import ModelConfig

FREE_FIELDS = frozenset({"preset", "input_size", "attention_cells", "aus", "intensity", "relation"})
"""Fields of the configuration in which the two networks may differ."""

BEYOND_THE_TRUNK = frozenset(
    {"architecture", "attention", "fusion", "gate", "head_hidden", "refine_widths"}
)
"""Fields that say nothing of the trunk; in these they may differ too if only that is taken over."""

_BRANCHES = ("attention.", "fusion.", "refine.", "heads.", "local_blocks.", "local_heads.")
# Tensors of these are AU-major, in muscle order.
_TRUNK = ("stem.", "align.", "global_blocks.")
_FINAL = "logit."  # JÂA-Net's, a row an AU in ascending order
_HEADS = ("heads.", "local_heads.", "hidden.", _FINAL)
# From the last maps to the answer: of the AUs, and of JÂA-Net's local and final heads.
_GATE = re.compile(r"(relation\.(?:downward|upward)\.gates\.maps\.)(\d+)(\..*)")

Rule = Literal["shared", "jaanet", "trunk"]

STAND_INS: dict[int, int] = {25: 23, 26: 17}
"""AU of DISFA that BP4D lacks → AU of BP4D whose branch it begins with, in JÂA-Net's code."""


def warm_start(model: Network, path: Path, rule: Rule = "shared") -> None:
    """Replace a network's weights by those of a checkpoint.

    Args:
        model: The network, changed in place; what the checkpoint does not know stays.
        path: A checkpoint of the same structure; its ``input_size``, AUs and ``relation`` may be
            others, and it may have or lack the intensity head.
        rule: ``"shared"`` takes over all that both networks have; ``"jaanet"`` begins heads at
            random, and new AUs with :data:`STAND_INS`; ``"trunk"`` takes over stem, alignment and
            global branch alone, from a network of any variant and for any AUs.

    Raises:
        CheckpointError: The file cannot be used.
        ValueError: The checkpoint's network is another one, or has none of the AUs; the message
            names the fields.
    """
    source, _ = load_checkpoint(path)
    ours, theirs = asdict(model.config), asdict(source.config)
    free = FREE_FIELDS | BEYOND_THE_TRUNK if rule == "trunk" else FREE_FIELDS
    different = [
        f"{name} = {theirs[name]}, here {ours[name]}"
        for name in ours
        if name not in free and theirs[name] != ours[name]
    ]
    if rule != "trunk" and not set(ours["aus"]) & set(theirs["aus"]):
        different.append(f"aus = {theirs['aus']}, here {ours['aus']}: none in common")
    if different:
        raise ValueError(
            f"init: {path} holds another network ({'; '.join(different)}): name a checkpoint of "
            "the same network, or change [model]"
        )
    before, after = muscle_order(source.config.aus), muscle_order(model.config.aus)
    stands_for = {au: au for au in after if au in before}
    if rule == "jaanet":
        missing = [au for au in after if au not in before]
        stands_for |= {au: STAND_INS[au] for au in missing if STAND_INS.get(au) in before}
    known = source.state_dict()
    weights = model.state_dict()
    for name, tensor in weights.items():
        if rule == "jaanet" and name.startswith(_HEADS):
            continue
        if rule == "trunk" and not name.startswith(_TRUNK):
            continue
        origin = _origin(name, before, after, stands_for)
        if origin not in known:
            continue  # intensity head, recurrence, gate of a new AU; a global branch without fusion
        taken = known[origin]
        if taken.shape[1:] != tensor.shape[1:]:
            channels = _channels_of_map(name, source.config)
            size = torch.Size((len(taken), *tensor.shape[1:]))
            taken = resample_map_weights(taken, channels, size)
        if name.startswith(_BRANCHES) and taken.ndim:
            taken = _take_branches(taken, tensor, before, after, stands_for)
        if name.startswith(_FINAL):
            ascending = source.config.aus, model.config.aus
            taken = _take_branches(taken, tensor, *ascending, stands_for)
        weights[name] = taken
    model.load_state_dict(weights)


def _origin(
    name: str, before: Sequence[int], after: Sequence[int], stands_for: Mapping[int, int]
) -> str | None:
    """Name the tensor of the checkpoint that goes where `name` is; None where it has none.

    Only gates change their names: they are counted by the steps of the recurrence, which are AUs.

    Args:
        name: Of our tensor.
        before: The checkpoint's AUs, in muscle order.
        after: Ours.
        stands_for: AU of ours → AU of the checkpoint that it begins with.
    """
    gate = _GATE.fullmatch(name)
    if gate is None:
        return name
    if "upward" in gate[1]:
        before, after = before[::-1], after[::-1]
    au = stands_for.get(after[int(gate[2])])
    return None if au is None else f"{gate[1]}{before.index(au)}{gate[3]}"


def _take_branches(
    taken: Tensor,
    tensor: Tensor,
    before: Sequence[int],
    after: Sequence[int],
    stands_for: Mapping[int, int],
) -> Tensor:
    """Put the rows of the checkpoint's AUs where ours has the AUs that begin with them.

    Args:
        taken: The checkpoint's tensor, (len(before) · k, …), AU-major.
        tensor: Ours, (len(after) · k, …).
        before: The checkpoint's AUs, in muscle order.
        after: Ours.
        stands_for: AU of ours → AU of the checkpoint that it begins with.

    Returns:
        Ours, with those rows.
    """
    theirs = taken.unflatten(0, (len(before), -1))
    rows = tensor.unflatten(0, (len(after), -1)).clone()
    for place, au in enumerate(after):
        if au in stands_for:
            rows[place] = theirs[before.index(stands_for[au])]
    return rows.flatten(0, 1)


def _channels_of_map(name: str, config: ModelConfig) -> int:
    """Tell the channels of the maps that a size-dependent layer weighs."""
    if name in ("align.hidden.weight", "local_heads.hidden.weight"):
        return config.feature_widths[-1]
    if name == "hidden.weight":
        return 3 * config.feature_widths[-1]
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
