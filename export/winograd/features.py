"""Feature blocks, the first of them on the grid of F."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from export.fold import fold_blocks, fold_landmarks, later_blocks
from export.winograd.blocks import BlockGrid
from export.winograd.transform import BlockConv, BlockConvPool, BlockInput
from lgrnet.network.alignment import AlignmentNet


class FirstBlock(nn.Module):
    """The first block, on the grid of F, of D branches: conv, ReLU, conv, ReLU, max-pool."""

    def __init__(
        self, branches: Sequence[Sequence[tuple[Tensor, Tensor]]], grid: BlockGrid
    ) -> None:
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


class FusedAlignment(nn.Module):
    """Landmarks from one linear layer after the blocks."""

    weight: Tensor
    bias: Tensor

    def __init__(self, align: AlignmentNet, grid: BlockGrid) -> None:
        super().__init__()
        folded = fold_blocks(align.blocks)
        self.first, self.later = FirstBlock([folded[:2]], grid), later_blocks(folded[2:])
        weight, bias = fold_landmarks(align)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, prepared: Tensor) -> Tensor:
        """Find the landmarks: F from :class:`BlockInput` → (B, 49 · 2) pixels of the crop."""
        x = self.later(self.first(prepared)).flatten(1)
        return torch.addmm(self.bias, x, self.weight)
