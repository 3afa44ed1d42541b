"""The network rewritten for ONNX Runtime on a CPU: the same function from fewer operations."""

import torch
from torch import Tensor, nn

from export.plain import Outputs
from export.stem import FusedStem
from export.winograd.attention import RefinedMaps
from export.winograd.blocks import BlockGrid
from export.winograd.classify import Pooling, Refining
from export.winograd.features import FusedAlignment
from export.winograd.recurrence import FusedRecurrence
from export.winograd.transform import BlockInput
from export.winograd.windows import BlockPatches
from lgrnet.network.au_geometry import muscle_order
from lgrnet.network.model import LGRNet
from lgrnet.network.patches import RefinedAttention
from runtime.landmarks import COUNT


class WinogradGraph(nn.Module):
    """LGRNet from pixels to probabilities, for a fixed batch; the weights are copied.

    What is rewritten, and where: batch norms are part of the convolutions before them, colour order
    and scale of pixels of the first one (:mod:`export.stem`); linear layers without an activation
    between them are one (:mod:`export.fold`); 3 × 3 convolutions on the grid of F take a third of
    the multiplications (:mod:`export.winograd.transform`); patches and what they add to the
    recurrence are computed where they are not zero, and once for AUs that look at the same place
    (:mod:`export.winograd.windows`); gates of eq. 8 are matrix products of averages, without
    convolutions of maps (:mod:`export.winograd.recurrence`); G is projected before it is resized
    (:mod:`export.winograd.fusion`).
    """

    of_au: Tensor

    def __init__(self, model: LGRNet, batch: int) -> None:
        super().__init__()
        config = model.config
        aus = muscle_order(config.aus)
        self.grid = grid = BlockGrid(batch, config.grid)
        self.stem = FusedStem(model.stem, config.crop_size, config.input_size)
        self.prepare = BlockInput(grid, config.channels)
        self.align = FusedAlignment(model.align, grid)
        self.attention: RefinedMaps | BlockPatches
        if isinstance(model.attention, RefinedAttention):
            self.attention = RefinedMaps(model.patches, model.attention, len(aus), grid)
        else:
            self.attention = BlockPatches(model.patches, aus, grid)
        self.relation: nn.Module | None = None
        if model.relation is not None:
            self.relation = FusedRecurrence(model.relation, self.attention)
        # Eq. 10 takes half of the hidden states; working with twice S spares that step.
        self.scale = 1.0 if self.relation is None else 2.0
        classifier = Refining if config.fusion else Pooling
        self.classify = classifier(model, grid, self.scale)
        self.register_buffer("of_au", torch.tensor(self.attention.of_au))

    def forward(self, face: Tensor) -> Outputs:
        """Recognise the AUs of faces.

        Args:
            face: Crops, (B, 176, 176, 3) uint8, BGR.

        Returns:
            See :data:`export.plain.Outputs`.
        """
        feature = self.grid.split(self.stem(face))  # (16, 1, B, T², C)
        prepared = self.prepare(feature)
        landmarks = self.align(prepared).view(-1, COUNT, 2)
        maps, centres = self.attention(landmarks)  # (16, B, U, T²)
        states = None if self.relation is None else self.relation(feature, maps, centres)
        maps = maps.index_select(2, self.of_au).transpose(1, 2)[..., None]  # (16, n, B, T², 1)
        probability, *intensity = self.classify(feature, prepared, self.scale * maps, states)
        return probability, landmarks, *intensity
