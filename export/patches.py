"""Where the AUs' patches lie: centres from landmarks, the fall of a map around them."""

import torch
from torch import Tensor, nn

from lgrnet.network.au_geometry import AU_CENTRES
from lgrnet.network.patches import Patches
from runtime.landmarks import LEFT_EYE_INNER, RIGHT_EYE_INNER

OUTSIDE = 1e6
"""A distance, in cells, at which a map has long become zero."""


class SharedPatches(nn.Module):
    """Centres and heights of the AUs' maps, those that look at the same places computed once.

    Attributes:
        of_au: For each AU, from top to bottom, the number of its patch.
        count: Number of different patches, U.
        cells: Cells along a side of the grid on which maps are made; F's may be its middle.
        margin: Cells by which that grid is larger than F's, each side.
        radius: Cells that a window reaches from its centre.
    """

    points: Tensor
    drops: Tensor

    def __init__(self, patches: Patches, aus: tuple[int, ...], side: int) -> None:
        """Take over the geometry.

        Args:
            patches: The network's.
            aus: From top to bottom.
            side: Cells along a side of F.
        """
        super().__init__()
        places = [AU_CENTRES[au] for au in aus]
        unique = list(dict.fromkeys(places))
        self.of_au = [unique.index(place) for place in places]
        self.count = len(unique)
        self.cells, self.radius = patches.cells, patches.radius
        self.cells_per_pixel, self.slope = patches.cells_per_pixel, patches.slope
        self.margin = (patches.cells - side) // 2
        points = torch.tensor([[place.left, place.right] for place in unique])
        drops = torch.tensor([[0.0, place.drop] for place in unique])
        self.register_buffer("points", points.flatten())
        self.register_buffer("drops", drops[:, None])  # (U, 1, 2)

    def centres(self, landmarks: Tensor) -> Tensor:
        """Place the patches, as `lgrnet.network.patches` does, halves to the even cell.

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
