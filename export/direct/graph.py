"""The network rewritten for engines whose convolutions are fast by themselves."""

import torch
from torch import Tensor, nn

from export.direct.classify import DirectPooling, DirectRefining
from export.direct.recurrence import DirectRecurrence
from export.direct.rows import to_rows
from export.fold import fold_blocks, fold_landmarks, fold_norms, later_blocks
from export.patches import SharedPatches
from export.plain import Outputs
from export.stem import FusedStem
from lgrnet.network.au_geometry import muscle_order
from lgrnet.network.model import LGRNet
from lgrnet.network.patches import RefinedAttention
from runtime.landmarks import COUNT


class DirectGraph(nn.Module):
    """LGRNet from pixels to probabilities, for a fixed batch; the weights are copied.

    What is rewritten, and where: batch norms are part of the convolutions before them, linear
    layers without an activation between them are one (:mod:`export.fold`); colour order and scale
    of pixels are part of the first convolution (:mod:`export.stem`); what patches add to the
    recurrence is computed in the windows where they are not zero (:mod:`export.direct.drives`);
    gates of eq. 8 are matrix products of averages (:mod:`export.direct.recurrence`); AUs,
    directions and LSTM gates have convolutions of their own, as grouped ones are slow in 8 bits.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, model: LGRNet, batch: int) -> None:
        super().__init__()
        config = model.config
        aus = muscle_order(config.aus)
        n, side = len(aus), config.grid
        self.stem = FusedStem(model.stem, config.crop_size, config.input_size)
        self.align = later_blocks(fold_blocks(model.align.blocks))
        weight, bias = fold_landmarks(model.align)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.patches = model.patches
        self.attention: nn.Module = model.attention
        self.shared: SharedPatches | None = None
        if isinstance(model.attention, RefinedAttention):
            self.attention = fold_norms(model.attention)
        else:
            self.shared = SharedPatches(model.patches, aus, side)
        self.relation: nn.Module | None = None
        if model.relation is not None:
            self.relation = DirectRecurrence(model.relation, self.shared, n, side, batch)
        # Eq. 10 takes half of the hidden states; working with twice S spares that step.
        self.scale = 1.0 if self.relation is None else 2.0
        classifier = DirectRefining if config.fusion else DirectPooling
        self.classify = classifier(model, self.scale)

    def forward(self, face: Tensor) -> Outputs:
        """Recognise the AUs of faces.

        Args:
            face: Crops, (B, 176, 176, 3) uint8, BGR.

        Returns:
            See :data:`export.plain.Outputs`.
        """
        feature = self.stem(face)  # F, (B, C, h, w)
        rows = to_rows(feature)
        landmarks = torch.addmm(self.bias, self.align(feature).flatten(1), self.weight)
        landmarks = landmarks.view(-1, COUNT, 2)
        maps = self.attention(self.patches(landmarks)).flatten(2)  # A, (B, n, h·w)
        centres = None if self.shared is None else self.shared.centres(landmarks)
        locals_ = [rows * each[..., None] for each in (self.scale * maps).unbind(1)]
        if self.relation is not None:
            states = self.relation(rows, maps, centres)
            locals_ = [local + state for local, state in zip(locals_, states, strict=True)]
        probability, *intensity = self.classify(feature, locals_)
        return probability, landmarks, *intensity
