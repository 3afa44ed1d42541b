"""The multi-classifier: from each AU's feature map to the logit of its presence (section III-A)."""

from torch import Tensor, nn


class AuHeads(nn.Module):
    """Per AU Linear C_r·h_r·w_r → hidden → 1, without an activation between them (JÂA-Net).

    The first is a convolution whose kernel covers the whole map, which is the same product.
    """

    def __init__(self, aus: int, channels: int, side: int, hidden: int) -> None:
        super().__init__()
        self.hidden = nn.Conv2d(aus * channels, aus * hidden, side, groups=aus)
        self.logit = nn.Conv2d(aus * hidden, aus, 1, groups=aus)

    def forward(self, refined: Tensor) -> Tensor:
        """Score the AUs.

        Args:
            refined: R, (B, n · C_r, h_r, w_r), AU-major channels.

        Returns:
            Logits, (B, n).
        """
        return self.logit(self.hidden(refined)).flatten(1)
