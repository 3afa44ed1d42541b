"""The AUs' patches v_t = F ⊙ A_t as the sparse things they are: blocks around two centres.

A_t is zero outside two small windows, so that v_t, and what a convolution makes of it, is zero in
all but a few blocks of the grid. Where these blocks lie depends on the landmarks, how many they are
does not: shapes stay static.
"""

import math

import torch
from torch import Tensor, nn

from export.blocks import REACH, SIDE, BlockGrid
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
        # Maps can be made on a larger grid, of which F covers the middle.
        self.margin = (patches.cells - grid.side) // 2
        points = torch.tensor([[place.left, place.right] for place in unique])
        drops = torch.tensor([[0.0, place.drop] for place in unique])
        self.register_buffer("points", points.flatten())
        self.register_buffer("drops", drops[:, None])  # (U, 1, 2)
        axis = torch.arange(float(grid.side)).view(grid.count, SIDE) + self.margin
        self.register_buffer("axis", axis.T.contiguous())  # (4, T)

    def centres(self, landmarks: Tensor) -> Tensor:
        """Place the patches, as :class:`lgrnet.patches.Patches` does, halves to the even cell.

        Args:
            landmarks: (B, 49, 2), pixels of the crop.

        Returns:
            Cells (x, y) of the larger grid, whole numbers, (B, U, centre, 2).
        """
        eyes_x = landmarks[:, [LEFT_EYE_INNER, RIGHT_EYE_INNER], 0]  # (B, 2)
        ruler = (eyes_x[:, :1] - eyes_x[:, 1:]).abs()[..., None, None]  # (B, 1, 1, 1)
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
            A, (16, B, U, T²): block layout with the patches as channels, but for the order.
        """
        x, y = self.distances(self.axis, centres[..., None, None]).unbind(3)  # (B, U, 2, 4, T)
        distance = y[..., :, None, :, None] + x[..., None, :, None, :]  # (B, U, 2, 4, 4, T, T)
        heights = self.heights(distance.amin(2))  # (B, U, 4, 4, T, T)
        return heights.permute(2, 3, 0, 1, 4, 5).flatten(4).flatten(0, 1)


class Windows(nn.Module):
    """The blocks in which a convolution of the patches is not zero, and the patches around them.

    Around each centre they are a square of m × m blocks. Where the two squares of a patch overlap,
    the blocks in common are filled for the first only: what is made of them is added up later.

    Attributes:
        side: m.
        blocks: Blocks of a patch, 2 · m².
    """

    def __init__(self, shared: SharedPatches) -> None:
        super().__init__()
        self.shared, self.grid = shared, shared.grid
        # A convolution reaches one cell beyond the window, and the first of these cells may be any
        # of its block's four.
        reach = 2 * (shared.radius + 1) + 1
        self.side = min(math.ceil((reach + SIDE - 1) / SIDE), self.grid.count)
        self.blocks = 2 * self.side**2
        self.register_buffer("steps", torch.arange(float(self.side)))
        around = torch.arange(float(REACH)) - 1 + shared.margin
        self.register_buffer("around", around)
        faces = torch.arange(float(self.grid.batch)) * self.grid.count**2
        self.register_buffer("faces", faces.view(-1, 1, 1, 1, 1))
        self.register_buffer("rows", self.grid.surroundings())
        first = torch.tensor([True, False]).view(2, 1, 1)
        self.register_buffer("first", first)

    def forward(self, feature: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
        """Cut out the patches.

        Args:
            feature: F with a row of zeros at its end, (16 · R + 1, C).
            centres: From :meth:`SharedPatches.centres`, (B, U, centre, 2).

        Returns:
            v_t around the blocks, (36, U · B · 2m², C), and the blocks' numbers among the R,
            (U, B · 2m²) int64.
        """
        shared, count = self.shared, self.grid.count
        corner = (centres - (shared.radius + 1 + shared.margin)) / SIDE
        corner = corner.floor().clamp(0, count - self.side)  # (B, U, 2, 2)
        block = corner[..., None] + self.steps  # (B, U, window, axis, m)
        x, y = block.unbind(3)  # (B, U, window, m)
        number = self.faces + y[..., None] * count + x[..., None, :]  # (B, U, window, m, m)

        first = corner[:, :, :1, :, None]
        common_x, common_y = ((block >= first) & (block < first + self.side)).unbind(3)
        common = common_y[..., None] & common_x[..., None, :]  # (B, U, window, m, m)

        place = SIDE * block[..., None] + self.around  # (B, U, window, axis, m, 6)
        far = shared.distances(
            place[:, :, :, None], centres[:, :, None, :, :, None, None]
        )  # (B, U, window, centre, axis, m, 6)
        x, y = far.unbind(4)
        distance = (y[..., :, None, :, None] + x[..., None, :, None, :]).amin(3)
        distance = torch.where(
            (common & ~self.first)[..., None, None], OUTSIDE, distance
        )  # (B, U, window, m, m, 6, 6)
        values = shared.heights(distance).permute(5, 6, 1, 0, 2, 3, 4)  # (6, 6, U, B, window, m, m)

        number = number.to(torch.int64).transpose(0, 1).flatten(1)  # (U, B·2m²)
        rows = self.rows.index_select(1, number.flatten())  # (36, U·B·2m²)
        cells = feature.index_select(0, rows.flatten()).view(*rows.shape, -1)
        return cells * values.reshape(*rows.shape, 1), number
