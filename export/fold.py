"""Batch norms, merged into the convolutions before them."""

import torch
from torch import Tensor, nn


def batch_norm_affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Read a batch norm as scale and shift.

    Args:
        norm: In evaluation, with statistics and parameters.

    Returns:
        Scale and shift, (C,) float64: the norm maps x to ``scale · x + shift``.
    """
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
    bias = torch.zeros_like(shift) if conv.bias is None else conv.bias.double()
    return conv.weight.double() * scale[:, None, None, None], scale * bias + shift


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
