"""From the related AUs to their probabilities: with fusion & refining, or without."""

import torch
from torch import Tensor, nn

from export.fold import fold_blocks, later_blocks
from export.heads import FusedHeads
from export.winograd.blocks import SIDE, BlockGrid
from export.winograd.features import FirstBlock
from export.winograd.fusion import FusedFusion
from export.winograd.transform import BlockInput
from lgrnet.network.features import FeatureBlocks
from lgrnet.network.model import LGRNet


def assemble(feature: Tensor, maps: Tensor, states: list[Tensor] | None) -> Tensor:
    """Add up the local features of some AUs (eq. 10, times the scale of the maps).

    Args:
        feature: F, (16, 1, B, T², C).
        maps: A_t of the AUs, (16, D, B, T², 1).
        states: What the recurrence adds, D × (16, 1, B, T², C); None without recurrence.

    Returns:
        (16, D, B, T², C).
    """
    patches = feature * maps
    if states is None:
        return patches
    return patches + (states[0] if len(states) == 1 else torch.cat(states, dim=1))


class Refining(nn.Module):
    """Fusion & refining (section III-C) and the heads.

    AUs run side by side as far as that is fast, from the first pooling on all of them.
    """

    def __init__(self, model: LGRNet, grid: BlockGrid, scale: float) -> None:
        """Transform the weights.

        Args:
            model: The network.
            grid: The grid of F.
            scale: How many times S the local features are.
        """
        super().__init__()
        global_blocks, mixing, refining = model.refining()
        channels, n = model.config.channels, mixing.aus
        whole = fold_blocks(global_blocks)
        self.global_first = FirstBlock([whole[:2]], grid)
        self.global_later = later_blocks(whole[2:])
        refine = fold_blocks(refining)
        per_au = [
            list(zip(weight.chunk(n), bias.chunk(n), strict=True)) for weight, bias in refine[:2]
        ]
        branches = list(zip(*per_au, strict=True))  # n × 2 convolutions
        width = len(refine[0][1]) // n
        size = grid.at_once(n, width + max(channels, width))
        self.aus = [slice(start, min(start + size, n)) for start in range(0, n, size)]
        side = grid.side // FeatureBlocks.POOLING
        self.fusions = nn.ModuleList(
            FusedFusion(mixing, grid, side, aus, scale) for aus in self.aus
        )
        self.prepares = nn.ModuleList(
            BlockInput(grid, channels, aus.stop - aus.start) for aus in self.aus
        )
        self.firsts = nn.ModuleList(FirstBlock(branches[aus], grid) for aus in self.aus)
        self.later = later_blocks(refine[2:], n)
        self.heads = FusedHeads(model.heads, model.ascending)

    def forward(
        self, feature: Tensor, prepared: Tensor, maps: Tensor, states: list[Tensor] | None
    ) -> tuple[Tensor, ...]:
        """Score the AUs.

        Args:
            feature: F, (16, 1, B, T², C).
            prepared: F from :class:`BlockInput`.
            maps: A times the scale, (16, n, B, T², 1).
            states: See :func:`assemble`.

        Returns:
            See :meth:`export.heads.FusedHeads.forward`.
        """
        whole = self.global_later(self.global_first(prepared))  # G, (B, C_g, h_g, w_g)
        whole = whole.flatten(2).transpose(1, 2)
        refined = []
        groups = zip(self.aus, self.fusions, self.prepares, self.firsts, strict=True)
        for aus, fusion, prepare, first in groups:
            local = assemble(feature, maps[:, aus], None if states is None else states[aus])
            refined.append(first(prepare(fusion(local, whole))))
        return self.heads(self.later(torch.cat(refined, dim=1)))


class Pooling(nn.Module):
    """The ablation without fusion & refining: averages of S, and the heads."""

    def __init__(self, model: LGRNet, grid: BlockGrid, scale: float) -> None:
        super().__init__()
        self.grid, self.n = grid, len(model.config.aus)
        self.side = grid.side // FeatureBlocks.POOLING
        self.heads = FusedHeads(model.heads, model.ascending)
        self.share = 1 / (scale * FeatureBlocks.POOLING**2)

    def forward(
        self, feature: Tensor, prepared: Tensor, maps: Tensor, states: list[Tensor] | None
    ) -> tuple[Tensor, ...]:
        """Score the AUs; see :meth:`Refining.forward`."""
        local = assemble(feature, maps, states).sum(0)  # (n, B, T², C)
        count, across = self.grid.count, FeatureBlocks.POOLING // SIDE
        local = local.view(self.n, self.grid.batch, count, count, -1)
        # Odd grids lose their last row and column, as they do in the network's pooling.
        local = local[:, :, : across * self.side, : across * self.side]
        local = local.reshape(
            self.n, self.grid.batch, self.side, across, self.side, across, -1
        ).sum((3, 5))
        return self.heads(self.share * local.permute(1, 0, 4, 2, 3).flatten(1, 2))
