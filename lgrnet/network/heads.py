"""The multi-classifier: from each AU's feature map to the logit of its presence (section III-A)."""

from torch import Tensor, nn

from runtime.action_units import MAX_INTENSITY


class AuHeads(nn.Module):
    """Per AU Linear C_r·h_r·w_r → hidden → 1, without an activation between them (JÂA-Net).

    The first is a convolution whose kernel covers the whole map, which is the same product. With
    ``intensity`` a second output reads from the same hidden layer how strong the AU is.
    """

    def __init__(
        self, aus: int, channels: int, side: int, hidden: int, intensity: bool = False
    ) -> None:
        super().__init__()
        self.hidden = nn.Conv2d(aus * channels, aus * hidden, side, groups=aus)
        self.logit = nn.Conv2d(aus * hidden, aus, 1, groups=aus)
        self.intensity = nn.Conv2d(aus * hidden, aus, 1, groups=aus) if intensity else None

    def forward(self, refined: Tensor) -> tuple[Tensor, Tensor | None]:
        """Score the AUs.

        Args:
            refined: R, (B, n · C_r, h_r, w_r), AU-major channels.

        Returns:
            Logits, (B, n), and intensities in [0, 5], (B, n), or None.
        """
        hidden = self.hidden(refined)
        logits = self.logit(hidden).flatten(1)
        if self.intensity is None:
            return logits, None
        return logits, MAX_INTENSITY * self.intensity(hidden).flatten(1).sigmoid()
