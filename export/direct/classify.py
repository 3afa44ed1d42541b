"""From the related AUs to their probabilities, one AU after the other."""

import torch
from torch import Tensor, nn

from export.direct.rows import to_maps, to_rows
from export.fold import fold_blocks, later_blocks, make_conv
from export.heads import FusedHeads
from lgrnet.features import FeatureBlocks
from lgrnet.fusion import EPSILON, Fusion, resize
from lgrnet.model import LGRNet


class DirectFusion(nn.Module):
    """Gated sum of the global feature and one AU's local one (eq. 11 and 12).

    What comes from G is computed on its few cells, with all that is added to every cell: bilinear
    weights sum to 1. Resizing is a matrix product.
    """

    def __init__(self, fusion: Fusion, au: int, side: int, whole_side: int, scale: float) -> None:
        """Take over the weights of one AU.

        Args:
            fusion: The fusion of all AUs.
            au: The AU's place from top to bottom.
            side: Cells along a side of F.
            whole_side: Cells along a side of G.
            scale: How many times S the local features are.
        """
        super().__init__()

        def of_au(conv: nn.Conv2d) -> tuple[Tensor, Tensor]:
            weight, bias = conv.weight.double(), conv.bias.double()
            size = len(weight) // fusion.aus
            part = slice(au * size, (au + 1) * size)
            return weight[part], bias[part]

        gate, gate_bias = of_au(fusion.global_gate)
        value, value_bias = of_au(fusion.global_value)
        local_gate, local_gate_bias = of_au(fusion.local_gate)
        local_value, local_value_bias = of_au(fusion.local_value)
        self.register_buffer("global_gate", gate.flatten(1).T.float())
        self.register_buffer("gate_bias", (gate_bias + local_gate_bias).float())
        self.register_buffer("global_value", value.flatten(1).T.float())
        self.register_buffer("value_bias", value_bias.float())
        self.local_gate = make_conv(local_gate / scale, torch.zeros_like(local_gate_bias))
        self.local_value = make_conv(local_value / scale, local_value_bias)
        self.side = side
        cells = torch.eye(whole_side**2).view(1, -1, whole_side, whole_side)
        self.register_buffer("resize", to_rows(resize(cells, (side, side)))[0])  # (h·w, h_g·w_g)

    def forward(self, local: Tensor, whole: Tensor) -> Tensor:
        """Mix local and global features.

        Args:
            local: S of the AU times the scale, (B, h·w, C).
            whole: G, (B, h_g · w_g, C_g).

        Returns:
            Fused features, (B, C, h, w).
        """
        maps = to_maps(local, self.side)
        gate = self.resize @ (whole @ self.global_gate + self.gate_bias)
        alpha = (to_rows(self.local_gate(maps)) + gate).sigmoid()
        whole = normalise(self.resize @ (whole @ self.global_value + self.value_bias))
        local = normalise(to_rows(self.local_value(maps)))
        return to_maps(local + alpha * (whole - local), self.side)


def normalise(x: Tensor) -> Tensor:
    """Scale vectors along the last axis to length 1; zero stays zero."""
    return x / (x.square().sum(-1, keepdim=True) + EPSILON).sqrt()


class DirectRefining(nn.Module):
    """Fusion & refining (section III-C) and the heads."""

    def __init__(self, model: LGRNet, scale: float) -> None:
        """Take over the weights.

        Args:
            model: The network.
            scale: How many times S the local features are.
        """
        super().__init__()
        n, side = model.fusion.aus, model.config.grid
        self.whole = later_blocks(fold_blocks(model.global_blocks))
        self.fusions = nn.ModuleList(
            DirectFusion(model.fusion, au, side, side // FeatureBlocks.POOLING, scale)
            for au in range(n)
        )
        per_au = [
            list(zip(weight.chunk(n), bias.chunk(n), strict=True))
            for weight, bias in fold_blocks(model.refine)
        ]
        branches = zip(*per_au, strict=True)
        self.refine = nn.ModuleList(later_blocks(list(convs)) for convs in branches)
        self.heads = FusedHeads(model.heads, model.ascending)

    def forward(self, feature: Tensor, locals_: list[Tensor]) -> Tensor:
        """Score the AUs.

        Args:
            feature: F, (B, C, h, w).
            locals_: S of each AU times the scale, n × (B, h·w, C).

        Returns:
            Probabilities, (B, n), AUs in ascending number.
        """
        whole = to_rows(self.whole(feature))
        refined = [
            refine(fusion(local, whole))
            for local, fusion, refine in zip(locals_, self.fusions, self.refine, strict=True)
        ]
        return self.heads(torch.cat(refined, dim=1))


class DirectPooling(nn.Module):
    """The ablation without fusion & refining: averages of S, and the heads."""

    def __init__(self, model: LGRNet, scale: float) -> None:
        super().__init__()
        self.side, self.scale = model.config.grid, scale
        self.pool = nn.AvgPool2d(FeatureBlocks.POOLING)
        self.heads = FusedHeads(model.heads, model.ascending)

    def forward(self, feature: Tensor, locals_: list[Tensor]) -> Tensor:
        """Score the AUs; see :meth:`DirectRefining.forward`."""
        pooled = [self.pool(to_maps(local, self.side)) / self.scale for local in locals_]
        return self.heads(torch.cat(pooled, dim=1))
