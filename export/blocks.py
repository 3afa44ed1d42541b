"""3 × 3 convolutions with a third of the multiplications (Winograd's F(4 × 4, 3 × 3)).

ONNX Runtime's direct convolution runs at the processor's full rate of multiplications, so only
fewer of them make it faster. Winograd's algorithm (Lavin and Gray, 2016) computes a block of 4 × 4
cells from the 6 × 6 around it with 36 multiplications a channel pair, where the definition takes
144: a fixed linear map of the 6 × 6 cells, a matrix product over channels for each of the 36
numbers, a fixed linear map to the 4 × 4 cells. It is the same function; rounding errors are some
ten times those of the direct way, 1e-5 of the values.

Maps are kept in *block layout* meanwhile: (16, R, C). A grid is cut into T × T blocks of 4 × 4
cells; the first axis is the cell within its block, row by row, the second face and block,
R = B · T², the last the channel. Whatever works cell by cell works in this layout as in any other.
"""

import torch
from torch import Tensor, nn

SIDE = 4
"""Cells along a side of a block."""

REACH = SIDE + 2
"""Cells along a side of what a block's convolution sees."""

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


class BlockGrid:
    """A square grid of cells in blocks, for a fixed number of faces.

    Attributes:
        batch: Faces B.
        side: Cells along a side, divisible by 4.
        count: Blocks along a side, T.
        blocks: Blocks of all faces, R.
    """

    def __init__(self, batch: int, side: int) -> None:
        if side % SIDE:
            raise ValueError(f"a grid of {side} cells cannot be cut into blocks of {SIDE}")
        self.batch, self.side = batch, side
        self.count = side // SIDE
        self.blocks = batch * self.count**2

    def to_blocks(self, x: Tensor) -> Tensor:
        """Bring maps into block layout.

        Args:
            x: (B, C, h, w).

        Returns:
            (16, R, C).
        """
        x = x.view(self.batch, -1, self.count, SIDE, self.count, SIDE)
        x = x.permute(3, 5, 0, 2, 4, 1)  # (4, 4, B, T, T, C)
        return x.reshape(SIDE * SIDE, self.blocks, -1)

    def surroundings(self) -> Tensor:
        """List the cells that each block's convolution sees.

        Returns:
            (36, R): numbers of rows of a map in block layout, flattened to (16 · R, C); 16 · R for
            the zeros around the grid.
        """
        reach, block = torch.arange(REACH)[:, None], torch.arange(self.count)
        place = SIDE * block + reach - 1  # (6, T)
        y, x = place[:, None, :, None], place[None, :, None, :]
        inside = (y >= 0) & (y < self.side) & (x >= 0) & (x < self.side)  # (6, 6, T, T)
        cell = (y % SIDE) * SIDE + x % SIDE
        within = (y // SIDE) * self.count + x // SIDE
        face = torch.arange(self.batch)[:, None, None] * self.count**2
        rows = (cell * self.blocks + within)[:, :, None] + face  # (6, 6, B, T, T)
        rows = torch.where(inside[:, :, None], rows, SIDE * SIDE * self.blocks)
        return rows.reshape(REACH * REACH, self.blocks)


class BlockInput(nn.Module):
    """The first linear map: what the convolutions of one tensor have in common."""

    def __init__(self, grid: BlockGrid, channels: int) -> None:
        super().__init__()
        self.register_buffer("rows", grid.surroundings().flatten())
        self.register_buffer("zero", torch.zeros(1, channels))
        self.register_buffer("transform", _both_axes(_INPUT).float())

    def forward(self, x: Tensor) -> Tensor:
        """Prepare a tensor.

        Args:
            x: (16, R, C).

        Returns:
            (36, R, C).
        """
        around = torch.cat([x.flatten(0, 1), self.zero]).index_select(0, self.rows)
        return self.combine(around.view(REACH * REACH, *x.shape[1:]))

    def combine(self, around: Tensor) -> Tensor:
        """Apply the linear map to cells that were gathered already: (36, R, C), same shape out."""
        return (self.transform @ around.flatten(1)).view(around.shape)


class BlockConv(nn.Module):
    """Products over channels and the second linear map."""

    def __init__(self, weight: Tensor, bias: Tensor | None, blocks: int) -> None:
        super().__init__()
        kernel = _both_axes(_KERNEL) @ weight.double().flatten(2).permute(2, 1, 0).flatten(1)
        self.register_buffer("kernel", kernel.view(-1, weight.shape[1], weight.shape[0]).float())
        self.register_buffer("transform", _both_axes(_OUTPUT).float())
        # One row for all blocks, in the form that the matrix product adds without a step more.
        row = None if bias is None else bias.float().repeat(blocks)[None]
        self.register_buffer("bias", row)

    def forward(self, prepared: Tensor) -> Tensor:
        """Convolve.

        Args:
            prepared: From :class:`BlockInput`, (36, R, C).

        Returns:
            (16, R, O), not activated.
        """
        products = (prepared @ self.kernel).flatten(1)  # (36, R·O)
        if self.bias is None:
            y = self.transform @ products
        else:
            y = torch.addmm(self.bias, self.transform, products)
        return y.view(SIDE * SIDE, prepared.shape[1], -1)


class BlockConvPool(nn.Module):
    """A convolution, ReLU and 2 × 2 max-pool.

    The second linear map gives the four cells of each pooling window apart from each other, so that
    pooling is a maximum of four tensors; bias and ReLU, which keep order, come after it.
    """

    def __init__(self, weight: Tensor, bias: Tensor, grid: BlockGrid) -> None:
        super().__init__()
        self.conv = BlockConv(weight, None, grid.blocks)
        half = SIDE // 2
        order = torch.arange(SIDE * SIDE).view(half, 2, half, 2).permute(1, 3, 0, 2).flatten()
        self.conv.transform = self.conv.transform[order].contiguous()
        self.register_buffer("bias", bias.float())
        self.grid = grid

    def forward(self, prepared: Tensor) -> Tensor:
        """Convolve, activate and pool.

        Args:
            prepared: From :class:`BlockInput`, (36, R, C).

        Returns:
            Maps, (B, O, h / 2, w / 2).
        """
        a, b, c, d = self.conv(prepared).split(SIDE, dim=0)  # (4, R, O)
        x = (torch.maximum(torch.maximum(a, b), torch.maximum(c, d)) + self.bias).relu()
        count, half = self.grid.count, SIDE // 2
        x = x.view(half, half, self.grid.batch, count, count, -1)
        x = x.permute(2, 5, 3, 0, 4, 1)  # (B, O, T, 2, T, 2)
        return x.reshape(self.grid.batch, -1, count * half, count * half)
