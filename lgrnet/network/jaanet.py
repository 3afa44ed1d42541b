"""JÂA-Net, what LGRNet grew out of (Shao et al., IJCV 2021), rebuilt from LGRNet's layers.

It has no relations between AUs: each has a branch of its own on its refined patch, and one head
sees the features of alignment, of the whole face, and the mean of all branches.
"""

import torch
from torch import Tensor, nn

from lgrnet.network.alignment import AlignmentNet
from lgrnet.network.au_geometry import muscle_order
from lgrnet.network.config import ModelConfig
from lgrnet.network.features import FeatureBlocks
from lgrnet.network.heads import AuHeads
from lgrnet.network.model import Prediction
from lgrnet.network.patches import Patches, PredefinedAttention, RefinedAttention
from lgrnet.network.region import Stem, resize_input


class JAANet(nn.Module):
    """Stem, alignment, refined patches, local branches and their heads, global branch, final head.

    Gradients flow as in its authors' second version: not from patches to landmarks, and not from
    the final head into the local branches, which learn from heads of their own.
    """

    ascending: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        aus = muscle_order(config.aus)
        n, channels, grid = len(aus), config.channels, config.grid
        widths, side = config.feature_widths, grid // FeatureBlocks.POOLING

        self.stem = Stem(config.stem_widths, config.stem_stride)
        self.align = AlignmentNet(channels, widths, grid, config.align_hidden, config.crop_size)
        self.patches = Patches(aus, config.crop_size, config.cells)
        self.attention: RefinedAttention | PredefinedAttention
        if config.attention == "refined":
            self.attention = RefinedAttention(n, channels, config.cells, grid)
        else:
            self.attention = PredefinedAttention(config.cells, grid)
        self.local_blocks = FeatureBlocks(channels, widths, branches=n)
        self.local_heads = AuHeads(n, widths[-1], side, config.head_hidden)
        self.global_blocks = FeatureBlocks(channels, widths)
        self.hidden = nn.Linear(3 * widths[-1] * side * side, config.align_hidden)
        self.logit = nn.Linear(config.align_hidden, n)

        ascending = [aus.index(au) for au in config.aus]
        self.register_buffer("ascending", torch.tensor(ascending), persistent=False)

    def forward(self, image: Tensor) -> Prediction:
        """Recognise the AUs of faces and locate their landmarks.

        Args:
            image: Aligned crops, (B, 3, 176, 176) float, RGB, (x / 255 − 0.5) / 0.5.

        Returns:
            AU logits of the final head and of the local ones, and landmarks.
        """
        feature = self.stem(resize_input(image, self.config.input_size))  # F, (B, C, h, w)
        aligned = self.align.blocks(feature)  # (B, C_g, h_g, w_g)
        landmarks = self.align.locate(aligned)  # (B, L, 2)
        maps = self.patches(landmarks.detach())
        attention = self.attention(maps).to(feature.dtype)  # A, (B, n, h, w)
        local = (feature[:, None] * attention[:, :, None]).flatten(1, 2)  # (B, n·C, h, w)
        local = self.local_blocks(local)  # (B, n·C_g, h_g, w_g)
        local_logits, _ = self.local_heads(local)  # (B, n)
        mean = local.detach().unflatten(1, (len(self.ascending), -1)).mean(1)
        whole = torch.cat([aligned, self.global_blocks(feature), mean], dim=1).flatten(1)
        logits = self.logit(self.hidden(whole))  # (B, n), in ascending number already
        return Prediction(
            logits, landmarks, local_logits=local_logits.index_select(1, self.ascending)
        )
