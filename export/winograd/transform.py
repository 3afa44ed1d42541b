"""3 × 3 convolutions with a third of the multiplications (Winograd's F(4 × 4, 3 × 3)).

ONNX Runtime's direct convolution keeps the processor's multipliers busy, so only fewer
multiplications make it faster. Winograd's algorithm (Lavin and Gray, 2016) computes 4 × 4 cells
from the 6 × 6 around them with 36 multiplications a channel pair, where the definition takes 144: a
fixed linear map of the 6 × 6 cells, a matrix product over channels for each of the 36 numbers, a
fixed linear map to the 4 × 4 cells. It is the same function. Rounding errors are some ten times
those of the direct way, about 1e-5 of the values.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from export.winograd.blocks import AROUND, CELLS, SIDE, BlockGrid

_INPUT = (
    *((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0)),
    *((0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0), (0, 4, 0, -5, 0, 1)),
)
_KERNEL = (
    *((1 / 4, 0, 0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6)),
    *((1 / 24, 1 / 12, 1 / 6), (1 / 24, -1 / 12, 1 / 6), (0, 0, 1)),
)
_OUTPUT = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))


def _both_axes(matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    """Turn a map of columns into one of squares, flattened row by row."""
    one = torch.tensor(matrix, dtype=torch.float64)
    return torch.kron(one, one)


class BlockInput(nn.Module):
    """The first linear map: what the convolutions of one tensor have in common."""

    rows: Tensor
    zero: Tensor
    transform: Tensor

    def __init__(self, grid: BlockGrid, channels: int, branches: int = 1) -> None:
        super().__init__()
        self.register_buffer("rows", grid.surroundings(branches).flatten())
        self.register_buffer("zero", torch.zeros(1, channels))
        self.register_buffer("transform", _both_axes(_INPUT).float())

    def forward(self, x: Tensor) -> Tensor:
        """Prepare a tensor.

        Args:
            x: In block layout, (16, D, B, T², C).

        Returns:
            (36, D, B · T², C).
        """
        _, branches, _, _, channels = x.shape
        return self.combine(self.with_zero(x).index_select(0, self.rows), branches, channels)

    def with_zero(self, x: Tensor) -> Tensor:
        """Flatten to rows and add the zeros around the grid: (16 · D · B · T² + 1, C)."""
        return torch.cat([x.flatten(0, 3), self.zero])

    def combine(self, around: Tensor, branches: int, channels: int) -> Tensor:
        """Apply the linear map to cells that were picked already.

        Args:
            around: (36 · D · N, C) for any number N of blocks.
            branches: D.
            channels: C.

        Returns:
            (36, D, N, C).
        """
        combined = self.transform @ around.view(AROUND, -1)
        return combined.view(AROUND, branches, -1, channels)


class BlockConv(nn.Module):
    """The products over channels and the second linear map."""

    taps: Tensor
    expand: Tensor
    transform: Tensor
    bias: Tensor | None

    def __init__(self, weights: Sequence[Tensor], biases: Sequence[Tensor] | None, blocks: int):
        """Transform the weights.

        Args:
            weights: Of each branch, D × (O, C, 3, 3).
            biases: Of each branch, D × (O,); None for none.
            blocks: Blocks of all faces, N.
        """
        super().__init__()
        outputs, inputs = weights[0].shape[:2]
        self.shape = (AROUND, len(weights), inputs, outputs)
        taps = [weight.permute(2, 3, 1, 0).reshape(9, -1) for weight in weights]
        # Transformed they are four times as large, so that is left to whoever loads the file.
        self.register_buffer("taps", torch.cat(taps, 1).float())  # (9, D·C·O)
        self.register_buffer("expand", _both_axes(_KERNEL).float())
        self.register_buffer("transform", _both_axes(_OUTPUT).float())
        # Spread over the blocks, the bias is added by the matrix product itself.
        row = None
        if biases is not None:
            row = torch.stack([bias.float().expand(blocks, -1) for bias in biases]).view(1, -1)
        self.register_buffer("bias", row)

    def forward(self, prepared: Tensor) -> Tensor:
        """Convolve.

        Args:
            prepared: From :class:`BlockInput`, (36, D, N, C).

        Returns:
            Not activated, (16, D · N · O).
        """
        kernel = (self.expand @ self.taps).view(self.shape)  # (36, D, C, O)
        products = (prepared @ kernel).view(AROUND, -1)
        if self.bias is None:
            return self.transform @ products
        return torch.addmm(self.bias, self.transform, products)


class BlockConvPool(nn.Module):
    """A convolution, ReLU and 2 × 2 max-pool, and back from block layout to maps.

    The second linear map gives the four cells of each pooling window apart from each other, so that
    pooling is the maximum of four tensors; bias and ReLU, which keep order, come after it.
    """

    bias: Tensor

    def __init__(self, weights: Sequence[Tensor], biases: Sequence[Tensor], grid: BlockGrid):
        """Transform the weights.

        Args:
            weights: Of each branch, D × (O, C, 3, 3).
            biases: Of each branch, D × (O,).
            grid: The grid before pooling.
        """
        super().__init__()
        self.grid, self.branches = grid, len(weights)
        self.conv = BlockConv(weights, None, grid.batch * grid.blocks)
        half = SIDE // 2
        order = torch.arange(CELLS).view(half, 2, half, 2).permute(1, 3, 0, 2).flatten()
        self.conv.transform = self.conv.transform[order].contiguous()
        bias = torch.stack(list(biases)).float()
        self.register_buffer("bias", bias.view(1, self.branches, 1, -1))

    def forward(self, prepared: Tensor) -> Tensor:
        """Convolve, activate and pool.

        Args:
            prepared: From :class:`BlockInput`, (36, D, B · T², C).

        Returns:
            Maps, (B, D · O, h / 2, w / 2), branch-major channels.
        """
        a, b, c, d = self.conv(prepared).split(SIDE)  # (4, D·N·O)
        x = torch.maximum(torch.maximum(a, b), torch.maximum(c, d))
        x = (x.view(SIDE, self.branches, prepared.shape[2], -1) + self.bias).relu()
        batch, count, half = self.grid.batch, self.grid.count, SIDE // 2
        x = x.view(half, half, self.branches, batch, count, count, -1)
        x = x.permute(3, 2, 6, 4, 0, 5, 1)  # (B, D, O, T, 2, T, 2)
        return x.reshape(batch, -1, count * half, count * half)
