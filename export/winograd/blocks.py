"""Maps cut into blocks of 4 × 4 cells: the layout in which most of this graph works.

*Block layout* is (16, D, B, T², C): the cell within its block, row by row; one of D branches (AUs
or directions that are computed side by side, with weights of their own); the face; the block, row
by row of the T × T blocks; the channel. A block's cells lie apart, so that what is done to all
blocks at once is one matrix product; channels lie together, so that picking cells copies runs of
numbers. What works cell by cell does not notice.
"""

import torch
from torch import Tensor

SIDE = 4
"""Cells along a side of a block."""

CELLS = SIDE * SIDE

REACH = SIDE + 2
"""Cells along a side of what a 3 × 3 convolution of a block sees."""

AROUND = REACH * REACH

WORKING_SET = 14 << 20
"""Bytes that a convolution of several branches may work on. Small maps gain by computing more
branches at once, as operations are fewer; beyond about this size caches lose more than that."""


class BlockGrid:
    """A square grid of cells in blocks, for a fixed number of faces.

    Attributes:
        batch: Faces B.
        side: Cells along a side, divisible by 4.
        count: Blocks along a side, T.
        blocks: Blocks of a face, T².
    """

    def __init__(self, batch: int, side: int) -> None:
        if side % SIDE:
            raise ValueError(f"a grid of {side} cells cannot be cut into blocks of {SIDE}")
        self.batch, self.side = batch, side
        self.count = side // SIDE
        self.blocks = self.count**2

    def split(self, x: Tensor) -> Tensor:
        """Bring maps into block layout.

        Args:
            x: (B, C, h, w).

        Returns:
            (16, 1, B, T², C).
        """
        x = x.view(self.batch, -1, self.count, SIDE, self.count, SIDE)
        x = x.permute(3, 5, 0, 2, 4, 1)  # (4, 4, B, T, T, C)
        return x.reshape(CELLS, 1, self.batch, self.blocks, -1)

    def surroundings(self, branches: int = 1) -> Tensor:
        """List the cells that each block's convolution sees.

        Args:
            branches: D.

        Returns:
            (36, D, B, T²) int64: rows of a map in block layout, flattened to (16 · D · B · T², C);
            the row after the last where there is no cell, as around the grid are zeros.
        """
        reach, block = torch.arange(REACH)[:, None], torch.arange(self.count)
        place = SIDE * block + reach - 1  # (6, T)
        y, x = place[:, None, :, None], place[None, :, None, :]
        inside = (y >= 0) & (y < self.side) & (x >= 0) & (x < self.side)
        cell = (y % SIDE) * SIDE + x % SIDE  # (6, 6, T, T)
        block = (y // SIDE) * self.count + x // SIDE
        cell, block, inside = (part.reshape(AROUND, 1, 1, -1) for part in (cell, block, inside))
        branch, face = torch.arange(branches).view(1, -1, 1, 1), torch.arange(self.batch)[:, None]
        rows = ((cell * branches + branch) * self.batch + face) * self.blocks + block
        return torch.where(inside, rows, CELLS * branches * self.batch * self.blocks)

    def at_once(self, branches: int, channels: int) -> int:
        """Choose how many branches to compute side by side.

        Args:
            branches: How many there are.
            channels: Channels of the widest convolution, its inputs and outputs together.

        Returns:
            At least 1, at most ``branches``; the last group may be smaller.
        """
        size = AROUND * self.batch * self.blocks * channels * torch.float32.itemsize
        groups = -(-branches // max(1, WORKING_SET // size))
        return -(-branches // groups)
