"""Attention maps that a network has refined, for the fused graph."""

from torch import Tensor, nn

from export.blocks import BlockGrid
from export.fold import fold_norm
from lgrnet.patches import Patches, RefinedAttention


class RefinedMaps(nn.Module):
    """The predefined maps and the convolutions after them; nothing about them is sparse.

    Attributes:
        of_au: For each AU, from top to bottom, the number of its map: each has its own.
    """

    def __init__(
        self, patches: Patches, attention: RefinedAttention, n: int, grid: BlockGrid
    ) -> None:
        super().__init__()
        self.patches, self.grid = patches, grid
        self.of_au = list(range(n))
        layers: list[nn.Module] = []
        for layer in attention:
            if isinstance(layer, nn.BatchNorm2d):
                layers[-1] = _fold(layers[-1], layer)
            else:
                layers.append(layer)
        self.layers = nn.Sequential(*layers)

    def forward(self, landmarks: Tensor) -> tuple[Tensor, None]:
        """Draw the maps.

        Args:
            landmarks: (B, 49, 2), pixels of the crop.

        Returns:
            A, (16, B, n, T²), and None for the centres, which do not bound these maps.
        """
        maps = self.layers(self.patches(landmarks))  # (B, n, h, w)
        return self.grid.split(maps)[:, 0].transpose(2, 3), None


def _fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """Build the one convolution, with the padding of the first."""
    folded = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,
        padding=conv.padding,
        groups=conv.groups,
    )
    weight, bias = fold_norm(conv, norm)
    folded.weight = nn.Parameter(weight.float(), requires_grad=False)
    folded.bias = nn.Parameter(bias.float(), requires_grad=False)
    return folded
