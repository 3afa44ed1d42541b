"""What is linear, merged: batch norms into convolutions, linear layers into each other."""

import copy
import itertools

from torch import Tensor, nn

from lgrnet.network.alignment import AlignmentNet
from lgrnet.network.bias import bias_of
from lgrnet.network.features import FeatureBlocks

Folded = list[tuple[Tensor, Tensor]]
"""Weight and bias of convolutions, in order."""


def batch_norm_affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Read a batch norm as scale and shift.

    Args:
        norm: In evaluation, with statistics and parameters.

    Returns:
        Scale and shift, (C,) float64: the norm maps x to ``scale · x + shift``.

    Raises:
        ValueError: It has no statistics.
    """
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a batch norm without statistics is no scale and shift")
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    return scale, norm.bias.double() - scale * norm.running_mean.double()


def fold_norm(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Merge a convolution and the batch norm after it.

    Args:
        conv: The convolution.
        norm: What its output goes through.

    Returns:
        Weight, (O, C / groups, k, k), and bias, (O,), of one convolution; float64.
    """
    scale, shift = batch_norm_affine(norm)
    bias = scale * bias_of(conv).double() + shift
    return conv.weight.double() * scale[:, None, None, None], bias


def fold_norms(layers: nn.Sequential) -> nn.Sequential:
    """Merge the batch norms of a chain of layers into the convolutions before them."""
    merged: list[nn.Module] = []
    for layer in layers:
        before = merged[-1] if merged else None
        if isinstance(layer, nn.BatchNorm2d) and isinstance(before, nn.Conv2d):
            weight, bias = fold_norm(before, layer)
            folded = copy.deepcopy(before)
            folded.weight = nn.Parameter(weight.float(), requires_grad=False)
            folded.bias = nn.Parameter(bias.float(), requires_grad=False)
            merged[-1] = folded
        else:
            merged.append(layer)
    return nn.Sequential(*merged)


def make_conv(weight: Tensor, bias: Tensor, groups: int = 1, stride: int = 1) -> nn.Conv2d:
    """Build a convolution that keeps the size of its input.

    Args:
        weight: (O, C / groups, k, k), k odd.
        bias: (O,).
        groups: Number of groups.
        stride: Step.

    Returns:
        The convolution, float32.
    """
    outputs, inputs, _, size = weight.shape
    conv = nn.Conv2d(inputs * groups, outputs, size, stride, size // 2, groups=groups)
    conv.weight = nn.Parameter(weight.float(), requires_grad=False)
    conv.bias = nn.Parameter(bias.float(), requires_grad=False)
    return conv


def fold_blocks(blocks: FeatureBlocks) -> Folded:
    """Fold each batch norm into the convolution before it.

    Args:
        blocks: Three blocks.

    Returns:
        Six convolutions.
    """
    return [
        fold_norm(conv, norm)
        for conv, norm in itertools.pairwise(blocks)
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    ]


def later_blocks(folded: Folded, branches: int = 1) -> nn.Sequential:
    """Build the second and the third block.

    Args:
        folded: Their four convolutions.
        branches: Groups.

    Returns:
        (B, branches · C, h / 2, w / 2) → (B, branches · C', h / 8, w / 8).
    """
    layers: list[nn.Module] = []
    for number, (weight, bias) in enumerate(folded):
        layers += [make_conv(weight, bias, branches), nn.ReLU()]
        if number % 2:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def fold_landmarks(align: AlignmentNet) -> tuple[Tensor, Tensor]:
    """Merge the two linear layers after the alignment network's blocks, and what follows them.

    Args:
        align: The network.

    Returns:
        Weight, (C_a · h_a · w_a, 98), and bias, (98,), of pixels of the crop; float32.
    """
    last = align.offsets.weight.double() * align.unit
    mean_face = align.mean_face.double().flatten()
    bias = last @ align.hidden.bias.double() + align.offsets.bias.double() * align.unit
    return (last @ align.hidden.weight.double()).T.float(), (bias + mean_face).float()
