"""Fusion of global and local features, AU by AU, in block layout (eq. 11 and 12)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.blocks import SIDE, BlockGrid
from lgrnet.fusion import EPSILON, Fusion


class FusedFusion(nn.Module):
    """Gated sums; what comes from G is computed on its few cells and resized last."""

    def __init__(self, fusion: Fusion, grid: BlockGrid, n: int) -> None:
        super().__init__()
        self.n, self.grid = n, grid
        convs = [fusion.global_gate, fusion.global_value]
        weight = torch.cat([conv.weight.flatten(1) for conv in convs])
        bias = torch.cat([conv.bias for conv in convs])
        # Bilinear weights sum to 1: what is added to all cells of G is added to all of the result.
        extra = [torch.zeros_like(fusion.local_gate.bias), torch.zeros_like(fusion.local_value.bias)]
        extra[0] = fusion.local_gate.bias
        self.register_buffer("weight", weight.T.contiguous().float())
        self.register_buffer("bias", (bias + torch.cat(extra)).float())
        self.register_buffer("local_gate", fusion.local_gate.weight.flatten(1).unflatten(0, (n, -1)).transpose(1, 2).contiguous())
        self.register_buffer("local_value", fusion.local_value.weight.flatten(1).unflatten(0, (n, -1)).transpose(1, 2).contiguous())
        self.register_buffer("value_bias", fusion.local_value.bias.detach().view(n, -1).clone())
        channels = self.local_gate.shape[2]
        self.channels = channels
        self.eps = EPSILON / channels
        self.scale = channels ** -0.5

    def resize_matrix(self, cells: int) -> Tensor:
        eye = torch.eye(cells * cells).view(1, -1, cells, cells)
        side = self.grid.side
        m = functional.interpolate(eye, size=(side, side), mode="bilinear", align_corners=False)
        g = BlockGrid(1, side)
        return g.to_blocks(m)  # (16, T², 25)

    def normalise(self, x):
        return x / (x.square().mean(-1, keepdim=True) + self.eps).sqrt()

    def forward(self, local: list[Tensor], whole: Tensor) -> list[Tensor]:
        B = self.grid.batch
        cells = whole.shape[-1]
        rows = whole.flatten(2).transpose(1, 2)  # (B, 25, Cg)
        rows = rows @ self.weight + self.bias  # (B, 25, 2nC)
        m = self.resize_matrix(cells)[:, None]  # (16,1,T²,25)
        parts = rows.split(self.channels, 2)
        out = []
        for t, x in enumerate(local):
            shape = x.shape
            gg = (m @ parts[t]).view(-1, self.channels)
            gv = (m @ parts[self.n + t]).view(-1, self.channels)
            x = x.view(-1, self.channels)
            alpha = torch.addmm(gg, x, self.local_gate[t]).sigmoid()
            v = self.normalise(torch.addmm(self.value_bias[t], x, self.local_value[t]))
            w = self.normalise(gv)
            out.append(((v + alpha * (w - v)) * self.scale).view(shape))
        return out
