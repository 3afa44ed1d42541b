"""From the related AUs to their probabilities, one AU after the other."""

import torch
from torch import Tensor, nn

from export.direct.rows import to_maps, to_rows
from export.fold import fold_blocks, later_blocks, make_conv
from export.fusion import normalise
from export.heads import FusedHeads
from lgrnet.network.bias import bias_of
from lgrnet.network.features import FeatureBlocks
from lgrnet.network.fusion import Fusion, resize
from lgrnet.network.model import LGRNet


class GlobalTerms(nn.Module):
    """What G adds to the fusion of every AU (eq. 11 and 12), on G's few cells, as one product.

    What is added to every cell of the local side is added here: bilinear weights sum to 1.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, fusion: Fusion) -> None:
        super().__init__()
        convs = (fusion.global_gate, fusion.global_value)
        weight = torch.cat([conv.weight.double().flatten(1) for conv in convs])
        gate_bias = bias_of(fusion.global_gate).double() + bias_of(fusion.local_gate).double()
        bias = torch.cat([gate_bias, bias_of(fusion.global_value).double()])
        self.size = len(weight) // (2 * fusion.aus)
        self.aus = fusion.aus
        self.register_buffer("weight", weight.T.float().contiguous())
        self.register_buffer("bias", bias.float())

    def forward(self, whole: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Project G: (B, h_g · w_g, C_g) → n × gate and value, each (B, h_g · w_g, C)."""
        terms = (whole @ self.weight + self.bias).split(self.size, dim=2)
        return list(zip(terms[: self.aus], terms[self.aus :], strict=True))


class DirectFusion(nn.Module):
    """Gated sum of the global feature and one AU's local one (eq. 11 and 12).

    Resizing is a matrix product.
    """

    resize: Tensor

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
        size = len(fusion.local_gate.weight) // fusion.aus
        part = slice(au * size, (au + 1) * size)
        gate, value = fusion.local_gate.weight.double(), fusion.local_value.weight.double()
        self.local_gate = make_conv(gate[part] / scale, torch.zeros(size))
        self.local_value = make_conv(
            value[part] / scale, bias_of(fusion.local_value).double()[part]
        )
        self.side = side
        cells = torch.eye(whole_side**2).view(1, -1, whole_side, whole_side)
        self.register_buffer("resize", to_rows(resize(cells, (side, side)))[0])  # (h·w, h_g·w_g)

    def forward(self, local: Tensor, gate: Tensor, value: Tensor) -> Tensor:
        """Mix local and global features.

        Args:
            local: S of the AU times the scale, (B, h·w, C).
            gate: From :class:`GlobalTerms`, (B, h_g · w_g, C).
            value: From :class:`GlobalTerms`, (B, h_g · w_g, C).

        Returns:
            Fused features, (B, C, h, w).
        """
        maps = to_maps(local, self.side)
        alpha = (to_rows(self.local_gate(maps)) + self.resize @ gate).sigmoid()
        whole = normalise(self.resize @ value)
        local = normalise(to_rows(self.local_value(maps)))
        return to_maps(local + alpha * (whole - local), self.side)


class DirectRefining(nn.Module):
    """Fusion & refining (section III-C) and the heads."""

    def __init__(self, model: LGRNet, scale: float) -> None:
        """Take over the weights.

        Args:
            model: The network.
            scale: How many times S the local features are.
        """
        super().__init__()
        global_blocks, mixing, refine = model.refining()
        n, side = mixing.aus, model.config.grid
        self.whole = later_blocks(fold_blocks(global_blocks))
        self.terms = GlobalTerms(mixing)
        self.fusions = nn.ModuleList(
            DirectFusion(mixing, au, side, side // FeatureBlocks.POOLING, scale) for au in range(n)
        )
        per_au = [
            list(zip(weight.chunk(n), bias.chunk(n), strict=True))
            for weight, bias in fold_blocks(refine)
        ]
        branches = zip(*per_au, strict=True)
        self.refine = nn.ModuleList(later_blocks(list(convs)) for convs in branches)
        self.heads = FusedHeads(model.heads, model.ascending)

    def forward(self, feature: Tensor, locals_: list[Tensor]) -> tuple[Tensor, ...]:
        """Score the AUs.

        Args:
            feature: F, (B, C, h, w).
            locals_: S of each AU times the scale, n × (B, h·w, C).

        Returns:
            See :meth:`export.heads.FusedHeads.forward`.
        """
        terms = self.terms(to_rows(self.whole(feature)))
        branches = zip(locals_, terms, self.fusions, self.refine, strict=True)
        refined = [refine(fusion(local, *term)) for local, term, fusion, refine in branches]
        return self.heads(torch.cat(refined, dim=1))


class DirectPooling(nn.Module):
    """The ablation without fusion & refining: averages of S, and the heads."""

    def __init__(self, model: LGRNet, scale: float) -> None:
        super().__init__()
        self.side, self.scale = model.config.grid, scale
        self.pool = nn.AvgPool2d(FeatureBlocks.POOLING)
        self.heads = FusedHeads(model.heads, model.ascending)

    def forward(self, feature: Tensor, locals_: list[Tensor]) -> tuple[Tensor, ...]:
        """Score the AUs; see :meth:`DirectRefining.forward`."""
        pooled = [self.pool(to_maps(local, self.side)) / self.scale for local in locals_]
        return self.heads(torch.cat(pooled, dim=1))
