"""Maps as rows, and convolutions between them."""

from torch import Tensor, nn

from export.fold import make_conv


def to_rows(x: Tensor) -> Tensor:
    """Turn maps into rows: (B, C, h, w) → (B, h·w, C)."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def to_maps(x: Tensor, side: int) -> Tensor:
    """Turn rows into square maps: (B, h·w, C) → (B, C, h, w)."""
    return x.view(len(x), side, side, -1).permute(0, 3, 1, 2)


class RowConv(nn.Module):
    """A 3 × 3 convolution from rows to rows."""

    def __init__(self, weight: Tensor, bias: Tensor, side: int) -> None:
        """Take the weights.

        Args:
            weight: (O, C, 3, 3).
            bias: (O,).
            side: Cells along a side of the map.
        """
        super().__init__()
        self.side = side
        self.conv = make_conv(weight, bias)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve: (B, h·w, C) → (B, h·w, O), not activated."""
        return to_rows(self.conv(to_maps(x, self.side)))
