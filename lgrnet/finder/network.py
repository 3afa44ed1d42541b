"""The network of the finder: a pyramid of three strides, whose cells say where faces are.

Depthwise separable convolutions carry most of it, as in MobileNet (Howard et al., 2017); coarse
features are added to finer ones from above, as in FPN (Lin et al., CVPR 2017). Cells have no
anchors, as in FCOS (Tian et al., ICCV 2019).

What a cell says, channels of every output (B, 15, H / stride, W / stride):

| channels | what |
|---|---|
| 0 | logit of the score |
| 1, 2 | middle of the face minus that of the cell, x and y, in strides |
| 3, 4 | logarithm of width and height over 4 strides |
| 5 to 14 | x and y of the five points minus the middle of the cell, in units of 4 strides |

The middle of the cell in column x is at ``(x + 0.5) * stride - 0.5`` pixels, rows alike.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from runtime.finders.network import CHANNELS, STRIDES, UNIT

WIDTHS, DEPTHS, FEATURES = (16, 32, 64, 96, 128), (1, 2, 3, 2), 48

_MIDDLE, _SPREAD = 127.5, 64.0  # of pixels: brings them near 0, with a spread near 1
_RARE = -4.6  # logit of 0.01: at first no cell says that there is a face
_FARTHEST = 3.0  # logarithm of a size that is believed, so that its exponential stays finite


class Decoded(NamedTuple):
    """What all N cells of all strides say, fine strides first, row by row.

    Attributes:
        score: (B, N), logits.
        box: (B, N, 4), middle x and y, width and height, pixels.
        points: (B, N, 5, 2), pixels.
        cell: (N, 2), middles of the cells, pixels.
        stride: (N,).
    """

    score: Tensor
    box: Tensor
    points: Tensor
    cell: Tensor
    stride: Tensor


def _convolve(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Separable(nn.Module):
    """A 3 × 3 convolution of each channel, then one of all channels; added to where it can be."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.dw = nn.Sequential(
            nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
        )
        self.pw = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )
        self.adds = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) → (B, outputs, H / stride, W / stride)."""
        y = self.pw(self.dw(x))
        return x + y if self.adds else y


class FinderNetwork(nn.Module):
    """Finds faces of some 8 pixels and more.

    Args:
        widths: Channels after the first convolution and after each of the four stages.
        depths: Layers of each stage after the one that halves the picture.
        features: Channels of the pyramid.

    Attributes:
        config: The arguments, for a file of weights.
    """

    def __init__(
        self,
        widths: tuple[int, ...] = WIDTHS,
        depths: tuple[int, ...] = DEPTHS,
        features: int = FEATURES,
    ) -> None:
        super().__init__()
        self.config = {"widths": list(widths), "depths": list(depths), "features": features}
        self.stem = _convolve(3, widths[0], 3, 2)
        stages = []
        for before, after, depth in zip(widths[:-1], widths[1:], depths, strict=True):
            layers = [Separable(before, after, 2), *(Separable(after, after) for _ in range(depth))]
            stages.append(nn.Sequential(*layers))
        self.stages = nn.ModuleList(stages)
        self.lateral = nn.ModuleList([_convolve(width, features, 1) for width in widths[2:]])
        self.smooth = nn.ModuleList([Separable(features, features) for _ in STRIDES])
        self.head = nn.ModuleList(
            [
                nn.Sequential(Separable(features, features), Separable(features, features))
                for _ in STRIDES
            ]
        )
        last = [nn.Conv2d(features, CHANNELS, 1) for _ in STRIDES]
        for layer in last:
            assert layer.bias is not None
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
            layer.bias.data[0] = _RARE
        self.out = nn.ModuleList(last)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Look at pictures.

        Args:
            image: (B, 3, H, W) float32 in [0, 255], BGR; H and W are multiples of 32.

        Returns:
            What the cells of the strides 8, 16 and 32 say, see the module.
        """
        x = (image - _MIDDLE) * (1 / _SPREAD)
        x = self.stages[0](self.stem(x))
        sides = []
        for stage, lateral in zip(self.stages[1:], self.lateral, strict=True):
            x = stage(x)
            sides.append(lateral(x))
        coarse = self.smooth[2](sides[2])
        middle = self.smooth[1](sides[1] + _twice(coarse))
        fine = self.smooth[0](sides[0] + _twice(middle))
        levels = (fine, middle, coarse)
        return [
            out(head(level))
            for out, head, level in zip(self.out, self.head, levels, strict=True)
        ]  # fmt: skip


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


def cell_middles(height: int, width: int, stride: int) -> Tensor:
    """Tell the middles of a map's cells.

    Args:
        height: Rows of the map.
        width: Columns.
        stride: Pixels a cell.

    Returns:
        (height * width, 2) float32, x and y, row by row.
    """
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([(x + 0.5) * stride - 0.5, (y + 0.5) * stride - 0.5], -1).reshape(-1, 2)


def decode(outputs: list[Tensor]) -> Decoded:
    """Turn what the cells say into pixels.

    Args:
        outputs: Of :class:`FinderNetwork`.

    Returns:
        Scores, boxes and points of all cells.
    """
    score, box, points, cells, strides = [], [], [], [], []
    for output, stride in zip(outputs, STRIDES, strict=True):
        batch, _, height, width = output.shape
        said = output.permute(0, 2, 3, 1).reshape(batch, height * width, CHANNELS)
        cell = cell_middles(height, width, stride).to(output.device)
        unit = UNIT * stride
        middle = cell + said[..., 1:3] * stride
        size = torch.exp(said[..., 3:5].clamp(-_FARTHEST, _FARTHEST)) * unit
        score.append(said[..., 0])
        box.append(torch.cat([middle, size], -1))
        points.append(cell[:, None] + said[..., 5:].unflatten(-1, (5, 2)) * unit)
        cells.append(cell)
        strides.append(torch.full((height * width,), float(stride), device=output.device))
    return Decoded(
        torch.cat(score, 1), torch.cat(box, 1), torch.cat(points, 1),
        torch.cat(cells), torch.cat(strides),
    )  # fmt: skip
