"""The stem with its tiles rearranged as seldom as possible."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.fold import batch_norm_affine, make_conv
from lgrnet.network.bias import bias_of
from lgrnet.network.region import RegionLayer, RegionUnit


def retile(x: Tensor, tiles: int, wanted: int) -> Tensor:
    """Cut tiled maps into fewer, larger tiles, in one step.

    Args:
        x: Tiles as channels, (B, tiles² · C, h, w), tile-major, tiles row by row.
        tiles: Tiles along a side.
        wanted: Tiles along a side of the result, a divisor of ``tiles``.

    Returns:
        (B, wanted² · C, h · tiles / wanted, w · tiles / wanted).
    """
    if wanted == tiles:
        return x
    batch, _, height, width = x.shape
    k = tiles // wanted
    x = x.view(batch, wanted, k, wanted, k, -1, height, width)
    x = x.permute(0, 1, 3, 5, 2, 6, 4, 7)  # (B, row, column, C, k, h, k, w)
    return x.reshape(batch, -1, k * height, k * width)


def to_tiles(x: Tensor, tiles: int) -> Tensor:
    """Cut maps into tiles × tiles tiles: (B, C, H, W) → (B, tiles² · C, H / tiles, W / tiles)."""
    batch, channels, height, width = x.shape
    x = x.view(batch, channels, tiles, height // tiles, tiles, width // tiles)
    x = x.permute(0, 2, 4, 1, 3, 5)
    return x.reshape(batch, -1, height // tiles, width // tiles)


class FusedRegionLayer(nn.Module):
    """Scale, shift, ReLU and one grouped convolution over tiles."""

    scale: Tensor
    shift: Tensor

    def __init__(self, layer: RegionLayer) -> None:
        super().__init__()
        scale, shift = batch_norm_affine(layer.norm)
        self.register_buffer("scale", scale.float()[:, None, None])
        self.register_buffer("shift", shift.float()[:, None, None])
        conv = layer.conv
        self.conv = make_conv(conv.weight.double(), bias_of(conv).double(), conv.groups)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve each tile on its own: (B, tiles² · C_in, h, w) → (B, tiles² · C_out, h, w)."""
        return self.conv((x * self.scale + self.shift).relu())


class FusedRegionUnit(nn.Module):
    """A region unit and the 2 × 2 max-pool after it.

    The batch norm's scale is split into sign and size: pooling keeps the order of numbers, so that
    size, shift and ReLU, which keep it as well, can wait until three quarters are gone.
    """

    sign: Tensor | None
    scale: Tensor
    shift: Tensor

    def __init__(self, unit: RegionUnit, first: nn.Conv2d) -> None:
        super().__init__()
        self.conv = first
        self.fine = FusedRegionLayer(unit.fine)
        self.middle = FusedRegionLayer(unit.middle)
        self.coarse = FusedRegionLayer(unit.coarse)
        scale, shift = batch_norm_affine(unit.norm)
        sign = torch.where(scale < 0, -1.0, 1.0)
        # Trained scales are positive as a rule, and nothing is to be done then.
        signed = None if bool((sign > 0).all()) else sign.float()[:, None, None]
        self.register_buffer("sign", signed)
        self.register_buffer("scale", scale.abs().float()[:, None, None])
        self.register_buffer("shift", shift.float()[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """Extract features: (B, C_in, H, W) → (B, C_out, H / 2 / stride, W / 2 / stride)."""
        x = self.conv(x)  # (B, C, H, W)
        fine = self.fine(to_tiles(x, 8))
        middle = self.middle(retile(fine, 8, 4))
        coarse = self.coarse(retile(middle, 4, 2))
        parts = [retile(fine, 8, 1), retile(middle, 4, 1), retile(coarse, 2, 1)]
        x = x + torch.cat(parts, dim=1)
        if self.sign is not None:
            x = x * self.sign
        x = functional.max_pool2d(x, 2)
        return (x * self.scale + self.shift).relu()


class FusedStem(nn.Module):
    """From pixels to F.

    Colour order and the scale of pixels are part of the first convolution. The middle grey is
    subtracted before it, as the zeros around the image stand for that grey.
    """

    def __init__(self, stem: nn.Sequential, crop_size: int, input_size: int) -> None:
        super().__init__()
        self.resize = None if input_size == crop_size else (input_size, input_size)
        first, second = (unit for unit in stem if isinstance(unit, RegionUnit))
        weight = first.conv.weight.double().flip(1) / 127.5
        conv = make_conv(weight, bias_of(first.conv).double(), stride=first.conv.stride[0])
        self.first = FusedRegionUnit(first, conv)
        conv = make_conv(second.conv.weight.double(), bias_of(second.conv).double())
        self.second = FusedRegionUnit(second, conv)

    def forward(self, face: Tensor) -> Tensor:
        """Extract the feature that all AUs share.

        Args:
            face: (B, 176, 176, 3) uint8, BGR.

        Returns:
            F, (B, C, h, w).
        """
        x = face.permute(0, 3, 1, 2).to(torch.float32) - 127.5
        if self.resize is not None:
            x = functional.interpolate(x, size=self.resize, mode="bilinear", align_corners=False)
        return self.second(self.first(x))
