"""The three-block convolutional network that the paper uses for alignment, globally and per AU."""

from torch import nn


class FeatureBlocks(nn.Sequential):
    """Three blocks of [conv 3 × 3, BN, ReLU] twice and a 2 × 2 max-pool (sections III-A, III-C).

    With ``branches`` above 1 it is that many networks of separate weights, as grouped convolutions:
    (B, branches · C, h, w) → (B, branches · widths[-1], h / 8, w / 8), branch-major channels. Odd
    sides lose their last row and column when pooled: 44 → 22 → 11 → 5.
    """

    POOLING = 8
    """By how much the three poolings divide a side, rounded down."""

    def __init__(self, in_channels: int, widths: tuple[int, ...], branches: int = 1) -> None:
        layers: list[nn.Module] = []
        channels = in_channels
        for width in widths:
            for inputs in (channels, width):
                layers += [
                    nn.Conv2d(branches * inputs, branches * width, 3, padding=1, groups=branches),
                    nn.BatchNorm2d(branches * width),
                    nn.ReLU(),
                ]
            layers.append(nn.MaxPool2d(2))
            channels = width
        super().__init__(*layers)
