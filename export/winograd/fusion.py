"""Fusion of global and local features in block layout (eq. 11 and 12)."""

import torch
from torch import Tensor, nn

from export.fusion import normalise
from export.winograd.blocks import BlockGrid
from lgrnet.network.bias import bias_of
from lgrnet.network.fusion import Fusion, resize


class FusedFusion(nn.Module):
    """Gated sums for some AUs side by side.

    What comes from G is computed on its few cells, with all that is added to every cell: bilinear
    weights sum to 1. Resizing is a matrix product.
    """

    global_gate: Tensor
    gate_bias: Tensor
    global_value: Tensor
    value_bias: Tensor
    local_gate: Tensor
    local_value: Tensor
    local_bias: Tensor
    resize: Tensor

    def __init__(
        self, fusion: Fusion, grid: BlockGrid, side: int, aus: slice, local_scale: float
    ) -> None:
        """Transform the weights.

        Args:
            fusion: The fusion of all AUs.
            grid: The grid of the local features.
            side: Cells along a side of G.
            aus: The AUs of this group, by their place from top to bottom.
            local_scale: How many times S the local features are.
        """
        super().__init__()
        n = fusion.aus

        def per_au(conv: nn.Conv2d) -> tuple[Tensor, Tensor]:
            weight = conv.weight.double().flatten(1).unflatten(0, (n, -1))[aus]
            return weight.transpose(1, 2)[:, None], bias_of(conv).double().view(n, -1)[
                aus, None, None
            ]

        global_gate, gate_bias = per_au(fusion.global_gate)  # (D, 1, C_g, C), (D, 1, 1, C)
        global_value, value_bias = per_au(fusion.global_value)
        local_gate, local_gate_bias = per_au(fusion.local_gate)
        local_value, local_value_bias = per_au(fusion.local_value)
        self.register_buffer("global_gate", global_gate.float())
        self.register_buffer("gate_bias", (gate_bias + local_gate_bias).float())
        self.register_buffer("global_value", global_value.float())
        self.register_buffer("value_bias", value_bias.float())
        self.register_buffer("local_gate", (local_gate / local_scale).float())
        self.register_buffer("local_value", (local_value / local_scale).float())
        self.register_buffer("local_bias", local_value_bias.float())
        cells = torch.eye(side * side).view(1, -1, side, side)
        matrix = BlockGrid(1, grid.side).split(resize(cells, (grid.side, grid.side)))
        self.register_buffer("resize", matrix)  # (16, 1, 1, T², h_g·w_g)

    def forward(self, local: Tensor, whole: Tensor) -> Tensor:
        """Mix local and global features.

        Args:
            local: S times ``local_scale``, (16, D, B, T², C).
            whole: G, (B, h_g · w_g, C_g).

        Returns:
            Fused features, (16, D, B, T², C).
        """
        gate = self.resize @ (whole @ self.global_gate + self.gate_bias)
        alpha = (local @ self.local_gate + gate).sigmoid()
        whole = normalise(self.resize @ (whole @ self.global_value + self.value_bias))
        local = normalise(local @ self.local_value + self.local_bias)
        return local + alpha * (whole - local)
