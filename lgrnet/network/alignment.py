"""Face alignment: 49 landmarks from the shared feature F (section III-A)."""

import torch
from torch import Tensor, nn

from lgrnet.network.features import FeatureBlocks
from runtime.align import CROP_SIZE
from runtime.landmarks import COUNT

# A schematic face in the 176 crop, symmetric about x = 88, with the proportions of aligned faces
# (inner eye corners 40 px apart). Around it the network regresses, so the patches lie on the face
# from the first step on; it is no average of data and need not be.
MEAN_FACE: tuple[tuple[int, int], ...] = (
    *((28, 34), (38, 28), (50, 27), (62, 29), (73, 33)),
    *((103, 33), (114, 29), (126, 27), (138, 28), (148, 34)),
    *((88, 50), (88, 64), (88, 78), (88, 92)),
    *((71, 100), (79, 102), (88, 103), (97, 102), (105, 100)),
    *((42, 54), (50, 49), (60, 49), (68, 55), (60, 58), (50, 58)),
    *((108, 55), (116, 49), (126, 49), (134, 54), (126, 58), (116, 58)),
    *((58, 120), (70, 115), (80, 113), (88, 114), (96, 113), (106, 115), (118, 120)),
    *((109, 127), (98, 131), (88, 132), (78, 131), (67, 127)),
    *((78, 119), (88, 119), (98, 119), (98, 124), (88, 124), (78, 124)),
)
"""(49, 2) pixels of a 176 × 176 crop."""

OFFSET_UNIT = 10.0
"""Pixels that one unit of the last layer's output stands for: about how far landmarks stray from
:data:`MEAN_FACE`, so that the layer works with numbers near 1 (and bfloat16 resolves 0.05 px)."""


class AlignmentNet(nn.Module):
    """Three feature blocks and two Linear layers without an activation between them (JÂA-Net)."""

    mean_face: Tensor

    def __init__(
        self, in_channels: int, widths: tuple[int, ...], grid: int, hidden: int, crop_size: int
    ) -> None:
        super().__init__()
        self.blocks = FeatureBlocks(in_channels, widths)
        side = grid // FeatureBlocks.POOLING
        self.hidden = nn.Linear(widths[-1] * side * side, hidden)
        self.offsets = nn.Linear(hidden, 2 * COUNT)
        scale = crop_size / CROP_SIZE
        self.unit = OFFSET_UNIT * scale
        # Constants of the code rather than parameters: weight decay must not pull faces to (0, 0).
        self.register_buffer("mean_face", scale * torch.tensor(MEAN_FACE).float(), persistent=False)

    def forward(self, feature: Tensor) -> Tensor:
        """Find the landmarks.

        Args:
            feature: F, (B, C, h, w).

        Returns:
            Landmarks, (B, 49, 2) float32, pixels of the crop, (x, y).
        """
        return self.locate(self.blocks(feature))

    def locate(self, aligned: Tensor) -> Tensor:
        """Find the landmarks from what the blocks made of F, (B, C_g, h_g, w_g)."""
        offsets = self.offsets(self.hidden(aligned.flatten(1))).unflatten(1, (COUNT, 2))
        return self.mean_face + self.unit * offsets.float()
