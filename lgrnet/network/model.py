"""LGRNet, from a face to its action units (AUs) and landmarks, top to bottom."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lgrnet.network.alignment import AlignmentNet
from lgrnet.network.au_geometry import muscle_order
from lgrnet.network.config import ModelConfig
from lgrnet.network.features import FeatureBlocks
from lgrnet.network.fusion import Fusion
from lgrnet.network.heads import AuHeads
from lgrnet.network.patches import Patches, PredefinedAttention, RefinedAttention
from lgrnet.network.region import Stem, resize_input
from lgrnet.network.relation import Recurrence


class Prediction(NamedTuple):
    """What the network says of a batch of faces.

    Attributes:
        au_logits: (B, n), AUs in ascending number; their sigmoid is the probability of presence.
        landmarks: (B, 49, 2) float32, pixels of the crop, (x, y).
        intensity: (B, n) on FACS's scale, 0 absent, 1 (A) to 5 (E); None without that head.
        local_logits: Of a network that also judges each AU by its patch alone (JÂA-Net), (B, n); to
            train with, not to answer with.
    """

    au_logits: Tensor
    landmarks: Tensor
    intensity: Tensor | None = None
    local_logits: Tensor | None = None


class LGRNet(nn.Module):
    """Local Global Relational Network (Fig. 2), with the ablations of Tables III and IV.

    Inside, AUs are in muscle order, top to bottom; the output is in ascending number.
    """

    ascending: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        aus = muscle_order(config.aus)
        n, channels, grid, cells = len(aus), config.channels, config.grid, config.cells
        side = grid // FeatureBlocks.POOLING

        self.stem = Stem(config.stem_widths, config.stem_stride)
        self.align = AlignmentNet(
            channels, config.feature_widths, grid, config.align_hidden, config.crop_size
        )
        self.patches = Patches(aus, config.crop_size, cells)
        self.attention: RefinedAttention | PredefinedAttention
        if config.attention == "refined":
            self.attention = RefinedAttention(n, channels, cells, grid)
        else:
            self.attention = PredefinedAttention(cells, grid)

        self.relation: Recurrence | None = None
        if config.relation != "none":
            skip = config.relation == "skip_bilstm"
            self.relation = Recurrence(n, channels, skip, concat=config.gate == "concat")

        self.refine: FeatureBlocks | nn.AvgPool2d
        self.global_blocks: FeatureBlocks | None = None
        self.fusion: Fusion | None = None
        if config.fusion:
            self.global_blocks = FeatureBlocks(channels, config.feature_widths)
            self.fusion = Fusion(n, channels, config.feature_widths[-1])
            self.refine = FeatureBlocks(channels, config.refine_widths, branches=n)
            refined = config.refine_widths[-1]
        else:
            # "Without F&R, we directly conduct classification over the output of skip-BiLSTM"
            # (section IV-C). The heads still need a vector: S is averaged over the same windows
            # that the refining blocks would have pooled, without their convolutions.
            self.refine = nn.AvgPool2d(FeatureBlocks.POOLING)
            refined = channels
        self.heads = AuHeads(n, refined, side, config.head_hidden, config.intensity)

        ascending = [aus.index(au) for au in config.aus]
        self.register_buffer("ascending", torch.tensor(ascending), persistent=False)

    def refining(self) -> tuple[FeatureBlocks, Fusion, FeatureBlocks]:
        """Return the parts of fusion & refining: the blocks that make G, fusion, refining blocks.

        Raises:
            ValueError: The network is the ablation without them.
        """
        if (
            self.global_blocks is None
            or self.fusion is None
            or not isinstance(self.refine, FeatureBlocks)
        ):
            raise ValueError("the network has no fusion & refining")
        return self.global_blocks, self.fusion, self.refine

    def forward(self, image: Tensor) -> Prediction:
        """Recognise the AUs of faces and locate their landmarks.

        Args:
            image: Aligned crops, (B, 3, 176, 176) float, RGB, (x / 255 − 0.5) / 0.5.

        Returns:
            AU logits and landmarks.
        """
        feature = self.stem(resize_input(image, self.config.input_size))  # F, (B, C, h, w)

        landmarks = self.align(feature)  # (B, L, 2)
        attention = self.attention(self.patches(landmarks))  # A, (B, n, h, w)
        attention = attention.to(feature.dtype)
        if self.relation is not None:
            local = self.relation(feature, attention)  # S, (B, n·C, h, w)
        else:
            local = (feature[:, None] * attention[:, :, None]).flatten(1, 2)  # V, (B, n·C, h, w)
        if self.fusion is not None and self.global_blocks is not None:
            local = self.fusion(local, self.global_blocks(feature))  # (B, n·C, h, w)

        refined = self.refine(local)  # R, (B, n·C_r, h_r, w_r)
        logits, intensity = self.heads(refined)  # (B, n)
        if intensity is not None:
            intensity = intensity.index_select(1, self.ascending)
        return Prediction(logits.index_select(1, self.ascending), landmarks, intensity)
