"""Feature fusion: what the whole face adds to each AU's patch (section III-C, eq. 11 and 12)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-6
"""Added to a squared length before its root is taken; lengths well above 0.001 do not notice."""


def l2_normalise(x: Tensor) -> Tensor:
    """Scale vectors to length 1; a zero vector stays zero, with a finite gradient.

    Args:
        x: Vectors along the last dimension, (..., C).

    Returns:
        Same shape and dtype.
    """
    return x * ((x * x).sum(-1, keepdim=True) + EPSILON).rsqrt()


class Fusion(nn.Module):
    """Gated sum of the global feature and each AU's local one, with 1 × 1 convolutions per AU.

    The paper gives "stride 1 and padding 1" for these convolutions (section IV-A); with a kernel of
    1 × 1 that would grow a map of 44 × 44 to 46 × 46 with a frame of biases, and eq. 10 could not
    add such maps. The padding is 0 here.
    """

    def __init__(self, aus: int, channels: int, global_channels: int) -> None:
        super().__init__()
        self.aus = aus
        total = aus * channels
        # C'_g, C_g, C'_l and C_l. G is the same for all AUs, so its convolutions have no groups.
        self.global_gate = nn.Conv2d(global_channels, total, 1)
        self.global_value = nn.Conv2d(global_channels, total, 1)
        self.local_gate = nn.Conv2d(total, total, 1, groups=aus)
        self.local_value = nn.Conv2d(total, total, 1, groups=aus)

    def forward(self, local: Tensor, whole: Tensor) -> Tensor:
        """Mix local and global features.

        Args:
            local: S, (B, n · C, h, w), AU-major channels.
            whole: G, (B, C_g, h_g, w_g).

        Returns:
            Fused features, (B, n · C, h, w).
        """
        # A 1 × 1 convolution commutes with bilinear resizing: on h_g × w_g cells it is cheaper.
        size = local.shape[-2:]
        gate = resize(self.global_gate(whole), size) + self.local_gate(local)
        alpha = gate.sigmoid()  # (B, n·C, h, w), eq. 11
        whole = self.normalise(resize(self.global_value(whole), size))
        local = self.normalise(self.local_value(local))
        return torch.lerp(local, whole, alpha)  # eq. 12

    def normalise(self, x: Tensor) -> Tensor:
        """Scale each AU's C numbers in each cell to length 1: (B, n · C, h, w), same shape out."""
        # Channels last, as the convolutions leave them, so that no number has to move.
        vectors = x.permute(0, 2, 3, 1).unflatten(3, (self.aus, -1))  # (B, h, w, n, C)
        return l2_normalise(vectors).flatten(3).permute(0, 3, 1, 2)


def resize(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """Resize maps bilinearly: (B, C, h_g, w_g) → (B, C, *size)."""
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)
