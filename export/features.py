"""Feature blocks and heads with everything linear merged."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from export.blocks import BlockGrid
from export.fold import fold_norm, make_conv
from export.winograd import BlockConv, BlockConvPool, BlockInput
from lgrnet.alignment import AlignmentNet
from lgrnet.features import FeatureBlocks
from lgrnet.heads import AuHeads

Folded = list[tuple[Tensor, Tensor]]
"""Weight and bias of convolutions, in order."""


def fold_blocks(blocks: FeatureBlocks) -> Folded:
    """Fold each batch norm into the convolution before it.

    Args:
        blocks: Three blocks.

    Returns:
        Six convolutions.
    """
    layers = list(blocks)
    pairs = itertools.pairwise(layers)
    return [fold_norm(conv, norm) for conv, norm in pairs if isinstance(conv, nn.Conv2d)]


class FirstBlock(nn.Module):
    """The first block, on the grid of F, of D branches: conv, ReLU, conv, ReLU, max-pool."""

    def __init__(self, branches: Sequence[Folded], grid: BlockGrid) -> None:
        """Transform the weights.

        Args:
            branches: Of each branch two convolutions.
            grid: The grid of F.
        """
        super().__init__()
        (first, first_bias), (second, second_bias) = (
            zip(*convs, strict=True) for convs in zip(*branches, strict=True)
        )
        self.shape = (len(branches), grid.batch, grid.blocks)
        self.first = BlockConv(first, first_bias, grid.batch * grid.blocks)
        self.prepare = BlockInput(grid, len(first_bias[0]), len(branches))
        self.second = BlockConvPool(second, second_bias, grid)

    def forward(self, prepared: Tensor) -> Tensor:
        """Run the block.

        Args:
            prepared: From :class:`BlockInput`, (36, D, B · T², C).

        Returns:
            (B, D · C', h / 2, w / 2).
        """
        x = self.first(prepared).relu()
        return self.second(self.prepare(x.view(-1, *self.shape, self.prepare.zero.shape[1])))


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


class FusedAlignment(nn.Module):
    """Landmarks from one linear layer after the blocks."""

    def __init__(self, align: AlignmentNet, grid: BlockGrid) -> None:
        super().__init__()
        folded = fold_blocks(align.blocks)
        self.first, self.later = FirstBlock([folded[:2]], grid), later_blocks(folded[2:])
        last = align.offsets.weight.double() * align.unit
        mean_face = align.mean_face.double().flatten()
        bias = last @ align.hidden.bias.double() + align.offsets.bias.double() * align.unit
        self.register_buffer("weight", (last @ align.hidden.weight.double()).T.float())
        self.register_buffer("bias", (bias + mean_face).float())

    def forward(self, prepared: Tensor) -> Tensor:
        """Find the landmarks: F from :class:`BlockInput` → (B, 49 · 2) pixels of the crop."""
        x = self.later(self.first(prepared)).flatten(1)
        return torch.addmm(self.bias, x, self.weight)


class FusedHeads(nn.Module):
    """One scalar product per AU, and the sigmoid."""

    def __init__(self, heads: AuHeads, ascending: Tensor) -> None:
        super().__init__()
        n = heads.logit.out_channels
        hidden = heads.hidden.weight.double().flatten(1).unflatten(0, (n, -1))
        logit = heads.logit.weight.double().view(n, 1, -1)
        bias = logit @ heads.hidden.bias.double().view(n, -1, 1)  # (n, 1, 1)
        self.register_buffer("weight", (logit @ hidden).transpose(1, 2).float())
        self.register_buffer("bias", (bias + heads.logit.bias.double().view(n, 1, 1)).float())
        self.register_buffer("ascending", ascending)

    def forward(self, refined: Tensor) -> Tensor:
        """Score the AUs.

        Args:
            refined: R, (B, n · C_r, h_r, w_r), AU-major channels.

        Returns:
            Probabilities, (B, n), AUs in ascending number.
        """
        x = refined.view(len(refined), len(self.weight), 1, -1)
        logits = (x @ self.weight + self.bias).flatten(1)
        return logits.sigmoid().index_select(1, self.ascending)
