"""The AUs' patches v_t = F ⊙ A_t as the sparse things they are: blocks around two centres.

A_t is zero outside two small windows, so that v_t, and what a convolution makes of it, is zero in
all but a few blocks of the grid. Where these blocks lie depends on the landmarks, how many they are
does not: shapes stay static.
"""

import math

import torch
from torch import Tensor, nn

from export.blocks import AROUND, CELLS, REACH, SIDE, BlockGrid
from lgrnet.au_geometry import AU_CENTRES
from lgrnet.patches import Patches
from runtime.landmarks import LEFT_EYE_INNER, RIGHT_EYE_INNER

OUTSIDE = 1e6
"""A distance, in cells, at which a map has long become zero."""


class SharedPatches(nn.Module):
    """Centres and maps of the AUs, those that look at the same places computed once.

    Attributes:
        of_au: For each AU, from top to bottom, the number of its patch.
        count: Number of different patches, U.
    """

    def __init__(self, patches: Patches, aus: tuple[int, ...], grid: BlockGrid) -> None:
        super().__init__()
        places = [AU_CENTRES[au] for au in aus]
        unique = list(dict.fromkeys(places))
        self.of_au = [unique.index(place) for place in places]
        self.count = len(unique)
        self.grid = grid
        self.cells, self.radius = patches.cells, patches.radius
        self.cells_per_pixel, self.slope = patches.cells_per_pixel, patches.slope
        # Maps may be made on a larger grid, of which F's is the middle.
        self.margin = (patches.cells - grid.side) // 2
        points = torch.tensor([[place.left, place.right] for place in unique])
        drops = torch.tensor([[0.0, place.drop] for place in unique])
        self.register_buffer("points", points.flatten())
        self.register_buffer("drops", drops[:, None])  # (U, 1, 2)
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

    def centres(self, landmarks: Tensor) -> Tensor:
        """Place the patches, as :class:`lgrnet.patches.Patches` does, halves to the even cell.

        Args:
            landmarks: (B, 49, 2), pixels of the crop.

        Returns:
            Cells (x, y) of the larger grid, whole numbers, (B, U, centre, 2).
        """
        left, right = (landmarks[:, i : i + 1, :1] for i in (LEFT_EYE_INNER, RIGHT_EYE_INNER))
        ruler = (left - right).abs()[..., None]  # (B, 1, 1, 1)
        centres = landmarks.index_select(1, self.points).unflatten(1, (-1, 2))
        return ((centres + ruler * self.drops) * self.cells_per_pixel).round()

    def distances(self, axis: Tensor, centres: Tensor) -> Tensor:
        """Measure along one axis how far cells are from centres; beyond the window, very far.

        Args:
            axis: Cells of the larger grid.
            centres: The centres' coordinates on this axis; both broadcast.

        Returns:
            Distances in cells, of the broadcast shape.
        """
        # Clamped as there: a window off the grid still marks the edge nearest to it.
        first = (centres - self.radius).clamp(0, self.cells - 1)
        last = (centres + self.radius).clamp(0, self.cells - 1)
        inside = (axis >= first) & (axis <= last)
        return torch.where(inside, (axis - centres).abs(), OUTSIDE)

    def heights(self, distance: Tensor) -> Tensor:
        """Turn the city-block distance from the nearer centre into the value of the map."""
        return (1 - self.slope * distance).relu()

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

    Around each centre they are a square of m × m blocks, a window. Where the two windows of a patch
    overlap, the common blocks are filled in the first and empty in the second: what is made of both
    is added up later.

    Attributes:
        blocks: Blocks of a window in all faces, N = B · m².
    """

    def __init__(self, shared: SharedPatches) -> None:
        super().__init__()
        self.shared, grid = shared, shared.grid
        # A convolution reaches one cell beyond the window, and the first cell that it reaches may
        # be any of its block's four.
        reach = 2 * (shared.radius + 1) + 1
        self.side = min(math.ceil((reach + SIDE - 1) / SIDE), grid.count)
        self.blocks = grid.batch * self.side**2
        self.register_buffer("steps", torch.arange(float(self.side)))
        self.register_buffer("around", torch.arange(float(REACH)) - 1 + shared.margin)
        faces = torch.arange(float(grid.batch)) * grid.blocks
        self.register_buffer("faces", faces.view(-1, 1, 1, 1, 1))
        self.register_buffer("rows", grid.surroundings().view(AROUND, -1))
        self.register_buffer("second", torch.tensor([False, True]).view(2, 1, 1))

    def forward(self, rows: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
        """Cut out the patches.

        Args:
            rows: F as :meth:`BlockInput.with_zero` gives it, (16 · B · T² + 1, C).
            centres: From :meth:`SharedPatches.centres`, (B, U, centre, 2).

        Returns:
            v_t around the blocks, (36 · U · 2 · N, C), and the blocks' numbers among the B · T²,
            (U, 2, N) int64.
        """
        count = self.shared.grid.count
        corner = (centres - (self.shared.radius + 1 + self.shared.margin)) / SIDE
        corner = corner.floor().clamp(0, count - self.side)[..., None]  # (B, U, window, axis, 1)
        block = corner + self.steps  # (B, U, window, axis, m)
        x, y = block.unbind(3)
        number = self.faces + y[..., None] * count + x[..., None, :]  # (B, U, window, m, m)

        first = corner[:, :, :1]
        x, y = ((block >= first) & (block < first + self.side)).unbind(3)
        repeated = y[..., None] & x[..., None, :] & self.second  # (B, U, window, m, m)
        distance = self.distances(block, centres)
        values = self.shared.heights(torch.where(repeated[..., None, None], OUTSIDE, distance))

        values = values.permute(5, 6, 1, 2, 0, 3, 4).reshape(-1, 1)  # (36·U·2·N, 1)
        number = number.to(torch.int64).permute(1, 2, 0, 3, 4)  # (U, window, B, m, m)
        picked = self.rows.index_select(1, number.flatten())  # (36, U·2·N)
        picked = rows.index_select(0, picked.flatten())
        return picked * values, number.reshape(-1, 2, self.blocks)

    def distances(self, block: Tensor, centres: Tensor) -> Tensor:
        """Measure how far the cells around each block are from the patch's nearer centre.

        Args:
            block: Columns and rows of blocks, (B, U, window, axis, m).
            centres: (B, U, centre, axis).

        Returns:
            (B, U, window, m, m, 6, 6): block row and column, cell row and column.
        """
        place = SIDE * block[..., None] + self.around  # (B, U, window, axis, m, 6)
        centres = centres[:, :, None, :, :, None, None]
        far = self.shared.distances(
            place[:, :, :, None], centres
        )  # (…, window, centre, axis, m, 6)
        x, y = far.unbind(4)
        return (y[..., :, None, :, None] + x[..., None, :, None, :]).amin(3)
