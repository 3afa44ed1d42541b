"""From landmarks to the AUs' patches A_t: where on the grid each AU looks (section III-A)."""

import torch
from torch import Tensor, nn

from lgrnet.network.au_geometry import AU_CENTRES
from lgrnet.network.config import REFINEMENT_MARGIN
from runtime.landmarks import LEFT_EYE_INNER, RIGHT_EYE_INNER

EXTENT = 0.14
"""Side of a centre's window as a fraction of the grid (JÂA-Net's ζ)."""

FALL = 0.56
"""How much a map loses over one such side, counted in city blocks (JÂA-Net's ξ)."""


def window_radius(cells: int) -> int:
    """How many cells a window reaches from its centre: 3 on a grid of 44, 4 on 52.

    Args:
        cells: Cells along a side of the grid.

    Returns:
        The radius, at least 1.
    """
    return max(1, round((cells - 1) / 2 * EXTENT))


class Patches(nn.Module):
    """Attention maps from landmarks, as one tensor expression over faces, AUs and both centres.

    A map falls off linearly with the city-block distance from each of the AU's two centres, inside
    a square window around it, and is zero elsewhere; where windows overlap the larger value holds.
    """

    points: Tensor
    drops: Tensor
    axis: Tensor

    def __init__(self, aus: tuple[int, ...], crop_size: int, cells: int) -> None:
        super().__init__()
        self.cells = cells
        self.cells_per_pixel = cells / crop_size
        self.radius = window_radius(cells)
        self.slope = FALL / (cells * EXTENT)
        centres = [AU_CENTRES[au] for au in aus]
        points = torch.tensor([[each.left, each.right] for each in centres])  # (n, 2)
        drops = torch.tensor([[0.0, each.drop] for each in centres])  # (n, 2), x and y
        self.register_buffer("points", points.flatten(), persistent=False)
        self.register_buffer("drops", drops[:, None], persistent=False)  # (n, 1, 2)
        self.register_buffer("axis", torch.arange(float(cells)), persistent=False)

    def forward(self, landmarks: Tensor) -> Tensor:
        """Draw the maps.

        Args:
            landmarks: (B, 49, 2), pixels of the crop; no gradient flows back to them.

        Returns:
            A, (B, n, cells, cells) float32 in [0, 1], 1 at the centres.
        """
        landmarks = landmarks.detach().float()
        eyes_x = landmarks[:, [LEFT_EYE_INNER, RIGHT_EYE_INNER], 0]  # (B, 2)
        ruler = (eyes_x[:, :1] - eyes_x[:, 1:]).abs()[..., None, None]  # (B, 1, 1, 1)
        centres = landmarks.index_select(1, self.points).unflatten(1, (-1, 2))  # (B, n, 2, 2)
        centres = ((centres + ruler * self.drops) * self.cells_per_pixel).round()

        # Along one axis at a time, cell minus centre: (B, n, centre, axis, cells). A window is
        # clipped to the grid, so one that lies off the grid still marks the edge nearest to it.
        centres = centres[..., None]
        distance = (self.axis - centres).abs()
        first = (centres - self.radius).clamp(0, self.cells - 1)
        last = (centres + self.radius).clamp(0, self.cells - 1)
        inside = (self.axis >= first) & (self.axis <= last)

        x, y = distance.unbind(3)  # (B, n, centre, cells)
        height = 1 - self.slope * (y[..., None] + x[..., None, :])  # (B, n, centre, cells, cells)
        in_x, in_y = inside.unbind(3)
        window = in_y[..., None] & in_x[..., None, :]
        return torch.where(window, height, 0.0).amax(2).clamp(min=0)  # (B, n, cells, cells)


class PredefinedAttention(nn.Module):
    """The maps as they are, cropped to the feature grid if they were made on a larger one.

    Cropping 4 cells a side is what JÂA-Net's unpadded convolutions do to the geometry of its maps.
    """

    def __init__(self, cells: int, grid: int) -> None:
        super().__init__()
        self.margin = (cells - grid) // 2

    def forward(self, maps: Tensor) -> Tensor:
        """Crop the maps.

        Args:
            maps: (B, n, cells, cells).

        Returns:
            A, (B, n, h, w).
        """
        if self.margin == 0:
            return maps
        return maps[..., self.margin : -self.margin, self.margin : -self.margin]


class RefinedAttention(nn.Sequential):
    """JÂA-Net's refinement: per AU, four 3 × 3 convolutions and a sigmoid.

    (B, n, cells, cells) → (B, n, h, w). The convolutions are unpadded where the maps have 8 cells
    more than the grid, padded where the sizes are equal.
    """

    def __init__(self, aus: int, channels: int, cells: int, grid: int) -> None:
        padding = 0 if cells - grid == REFINEMENT_MARGIN else 1
        layers: list[nn.Module] = []
        for inputs in (1, channels, channels):
            layers += [
                nn.Conv2d(aus * inputs, aus * channels, 3, padding=padding, groups=aus),
                nn.BatchNorm2d(aus * channels),
                nn.ReLU(),
            ]
        layers += [nn.Conv2d(aus * channels, aus, 3, padding=padding, groups=aus), nn.Sigmoid()]
        super().__init__(*layers)
