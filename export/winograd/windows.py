"""The AUs' patches v_t = F ⊙ A_t as the sparse things they are: blocks around two centres.

A_t is zero outside two small windows, so that v_t, and what a convolution makes of it, is zero in
all but a few blocks of the grid. Where these blocks lie depends on the landmarks, how many they are
does not: shapes stay static.
"""

import math

import torch
from torch import Tensor, nn

from export.patches import SharedPatches
from export.winograd.blocks import AROUND, CELLS, REACH, SIDE, BlockGrid
from lgrnet.network.patches import Patches


class BlockPatches(SharedPatches):
    """Their maps in block layout."""

    axis: Tensor

    def __init__(self, patches: Patches, aus: tuple[int, ...], grid: BlockGrid) -> None:
        super().__init__(patches, aus, grid.side)
        self.grid = grid
        axis = torch.arange(float(grid.side)).view(grid.count, SIDE) + self.margin
        self.register_buffer("axis", axis.T.contiguous())  # (4, T)

    def forward(self, landmarks: Tensor) -> tuple[Tensor, Tensor]:
        """Draw the maps; see :meth:`maps` and :meth:`centres`.

        Args:
            landmarks: (B, 49, 2), pixels of the crop.

        Returns:
            A, (16, B, U, T²), and the centres, (B, U, centre, 2).
        """
        centres = self.centres(landmarks)
        return self.maps(centres), centres

    def maps(self, centres: Tensor) -> Tensor:
        """Draw the maps on the whole grid.

        Args:
            centres: From :meth:`centres`.

        Returns:
            A, (16, B, U, T²): cell within the block, face, patch, block.
        """
        x, y = self.distances(self.axis, centres[..., None, None]).unbind(3)  # (B, U, 2, 4, T)
        distance = y[..., :, None, :, None] + x[..., None, :, None, :]
        heights = self.heights(distance.amin(2))  # (B, U, 4, 4, T, T)
        heights = heights.permute(2, 3, 0, 1, 4, 5)
        return heights.reshape(CELLS, self.grid.batch, self.count, -1)


class Windows(nn.Module):
    """The blocks in which a convolution of the patches is not zero, and the patches around them.

    Around each of a patch's centres they are a square of m × m blocks, so 2 · m² at most. Where the
    squares overlap, blocks outside fill up the number: all are different.

    Attributes:
        blocks: Blocks of a patch in all faces, N = B · min(2 · m², T²).
    """

    place: Tensor
    around: Tensor
    faces: Tensor
    rows: Tensor

    def __init__(self, shared: BlockPatches) -> None:
        super().__init__()
        self.shared, grid = shared, shared.grid
        # A convolution reaches one cell beyond the window, and the first cell that it reaches may
        # be any of its block's four.
        reach = 2 * (shared.radius + 1) + 1
        self.side = min(math.ceil((reach + SIDE - 1) / SIDE), grid.count)
        self.per_face = min(2 * self.side**2, grid.blocks)
        self.blocks = grid.batch * self.per_face
        numbers = torch.arange(grid.blocks)
        place = torch.stack([numbers % grid.count, numbers // grid.count])
        self.register_buffer("place", place.float())  # (axis, T²), x and y
        around = torch.arange(float(REACH)) - 1 + shared.margin
        self.register_buffer("around", SIDE * place.T[..., None] + around)  # (T², axis, 6)
        self.register_buffer("faces", torch.arange(grid.batch).view(-1, 1, 1) * grid.blocks)
        self.register_buffer("rows", grid.surroundings().view(AROUND, -1))

    def forward(self, rows: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
        """Cut out the patches.

        Args:
            rows: F as :meth:`BlockInput.with_zero` gives it, (16 · B · T² + 1, C).
            centres: From :meth:`SharedPatches.centres`, (B, U, centre, axis).

        Returns:
            v_t around the blocks, (36 · U · N, C), and the blocks' numbers among the B · T²,
            (U, N) int64.
        """
        shared = self.shared
        chosen = self.choose(centres)  # (B, U, N / B)
        around = self.around.index_select(0, chosen.flatten())
        around = around.view(*chosen.shape, 1, 2, REACH)
        far = shared.distances(around, centres[:, :, None, ..., None])
        x, y = far.unbind(4)  # (B, U, N / B, centre, 6)
        distance = (y[..., :, None] + x[..., None, :]).amin(3)  # (B, U, N / B, 6, 6)
        values = shared.heights(distance).permute(3, 4, 1, 0, 2).reshape(-1, 1)  # (36·U·N, 1)

        number = (chosen + self.faces).transpose(0, 1).reshape(-1, self.blocks)  # (U, N)
        picked = self.rows.index_select(1, number.flatten())  # (36, U·N)
        return rows.index_select(0, picked.flatten()) * values, number

    def choose(self, centres: Tensor) -> Tensor:
        """List the blocks of each patch: (B, U, centre, axis) → (B, U, N / B) int64, of a face."""
        corner = (centres - (self.shared.radius + 1 + self.shared.margin)) / SIDE
        corner = corner.floor().clamp(0, self.shared.grid.count - self.side)[..., None]
        inside = (self.place >= corner) & (self.place < corner + self.side)
        x, y = inside.unbind(3)  # (B, U, centre, T²)
        wanted = (x & y).float().amax(2)  # (B, U, T²)
        return wanted.topk(self.per_face, sorted=False).indices
