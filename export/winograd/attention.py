"""Attention maps that a network has refined, for the Winograd graph."""

from torch import Tensor, nn

from export.fold import fold_norms
from export.winograd.blocks import BlockGrid
from lgrnet.network.patches import Patches, RefinedAttention


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
        self.layers = fold_norms(attention)

    def forward(self, landmarks: Tensor) -> tuple[Tensor, None]:
        """Draw the maps.

        Args:
            landmarks: (B, 49, 2), pixels of the crop.

        Returns:
            A, (16, B, n, T²), and None for the centres, which do not bound these maps.
        """
        maps = self.layers(self.patches(landmarks))  # (B, n, h, w)
        return self.grid.split(maps)[:, 0].transpose(2, 3), None
