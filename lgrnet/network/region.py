"""Hierarchical and multi-scale region learning: the stem that all AUs share (section III-A).

A region layer cuts its map into equal tiles and gives each its own normalisation and convolution.
Written with one convolution a tile, a unit holds 84 of them; here the tiles become channels, so
that a layer is one batch norm and one grouped convolution, which is the same function.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


def to_tiles(x: Tensor, tiles: int) -> Tensor:
    """Cut maps into tiles × tiles equal tiles and line the tiles up as channels.

    Args:
        x: Maps, (B, C, H, W), H and W divisible by ``tiles``.
        tiles: Tiles along a side.

    Returns:
        (B, tiles² · C, H / tiles, W / tiles), tile-major, tiles row by row.
    """
    # Channels last throughout: the copy then moves runs of C numbers, and the grouped convolution
    # gets the memory layout in which it is fastest.
    x = x.permute(0, 2, 3, 1)
    x = x.unflatten(2, (tiles, -1)).unflatten(1, (tiles, -1))  # (B, row, h, column, w, C)
    x = x.permute(0, 2, 4, 1, 3, 5).flatten(3)  # (B, h, w, tiles²·C)
    return x.permute(0, 3, 1, 2)


def from_tiles(x: Tensor, tiles: int) -> Tensor:
    """Put tiles back where :func:`to_tiles` took them.

    Args:
        x: Tiles, (B, tiles² · C, h, w).
        tiles: Tiles along a side.

    Returns:
        Maps, (B, C, tiles · h, tiles · w).
    """
    x = x.permute(0, 2, 3, 1)
    x = x.unflatten(3, (tiles, tiles, -1))  # (B, h, w, row, column, C)
    x = x.permute(0, 3, 1, 4, 2, 5).flatten(3, 4).flatten(1, 2)  # (B, H, W, C)
    return x.permute(0, 3, 1, 2)


class RegionLayer(nn.Module):
    """BN-ReLU-conv 3 × 3, with parameters, statistics and zero padding of each tile's own.

    No information crosses the border of a tile.
    """

    def __init__(self, in_channels: int, out_channels: int, tiles: int) -> None:
        super().__init__()
        self.tiles = tiles
        groups = tiles * tiles
        self.norm = nn.BatchNorm2d(groups * in_channels)
        self.conv = nn.Conv2d(
            groups * in_channels, groups * out_channels, 3, padding=1, groups=groups
        )

    def forward(self, x: Tensor) -> Tensor:
        """Convolve each tile on its own.

        Args:
            x: Maps, (B, C_in, H, W).

        Returns:
            Maps, (B, C_out, H, W), not activated.
        """
        x = to_tiles(x, self.tiles)  # (B, tiles²·C_in, H/tiles, W/tiles)
        x = self.conv(self.norm(x).relu())
        return from_tiles(x, self.tiles)


class RegionUnit(nn.Module):
    """Three region layers of 8 × 8, 4 × 4 and 2 × 2 tiles, each on the output of the one before.

    Their outputs side by side (C/2 + C/4 + C/4 channels) are added to the convolution they start
    from (JÂA-Net, Fig. 3).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        half, quarter = out_channels // 2, out_channels // 4
        self.conv = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1)
        self.fine = RegionLayer(out_channels, half, tiles=8)
        self.middle = RegionLayer(half, quarter, tiles=4)
        self.coarse = RegionLayer(quarter, quarter, tiles=2)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Extract features of regions at three scales.

        Args:
            x: Maps, (B, C_in, H, W).

        Returns:
            Maps, (B, C_out, H / stride, W / stride), at least 0; both sides divisible by 8.
        """
        x = self.conv(x)  # (B, C_out, H/stride, W/stride)
        fine = self.fine(x)
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        return self.norm(x + torch.cat([fine, middle, coarse], dim=1)).relu()


def resize_input(image: Tensor, size: int) -> Tensor:
    """Resize crops, (B, 3, H, W), bilinearly to the side at which a network works."""
    if image.shape[-1] == size:
        return image
    return functional.interpolate(image, size=(size, size), mode="bilinear", align_corners=False)


class Stem(nn.Sequential):
    """Two region units, each followed by a 2 × 2 max-pool: image (B, 3, H, W) → F (B, C, h, w)."""

    def __init__(self, widths: tuple[int, int], stride: int = 1) -> None:
        super().__init__(
            RegionUnit(3, widths[0], stride),
            nn.MaxPool2d(2),
            RegionUnit(widths[0], widths[1]),
            nn.MaxPool2d(2),
        )
