"""The network rewritten for ONNX Runtime on a CPU: the same function from fewer operations."""

import torch
from torch import Tensor, nn

from export.blocks import SIDE, BlockConv, BlockConvPool, BlockGrid, BlockInput
from export.fold import fold_norm, make_conv, merge_linear
from export.fusion import FusedFusion
from export.graph import Outputs
from export.recurrence import FusedDirection, SparseDrives
from export.stem import FusedStem
from export.windows import SharedPatches
from lgrnet.au_geometry import muscle_order
from lgrnet.features import FeatureBlocks
from lgrnet.model import LGRNet
from runtime.landmarks import COUNT


class FirstBlock(nn.Module):
    """The first of three blocks, on the grid of F: conv, ReLU, conv, ReLU, max-pool."""

    def __init__(self, folded: list[tuple[Tensor, Tensor]], grid: BlockGrid) -> None:
        super().__init__()
        (weight, bias), (second, second_bias) = folded
        self.first = BlockConv(weight, bias, grid.blocks)
        self.prepare = BlockInput(grid, len(weight))
        self.second = BlockConvPool(second, second_bias, grid)

    def forward(self, prepared: Tensor) -> Tensor:
        """Run the block: :class:`BlockInput`'s (36, R, C) → (B, C', h / 2, w / 2)."""
        return self.second(self.prepare(self.first(prepared).relu()))


def folded_convs(blocks: FeatureBlocks) -> list[tuple[Tensor, Tensor]]:
    """Fold the batch norms: weight and bias of the six convolutions."""
    layers = list(blocks)
    return [
        fold_norm(conv, norm)
        for conv, norm in zip(layers, layers[1:], strict=False)
        if isinstance(conv, nn.Conv2d)
    ]


def later_blocks(folded: list[tuple[Tensor, Tensor]], branches: int = 1) -> nn.Sequential:
    """Build the second and third block: (B, branches · C, h / 2, w / 2) → (…, h / 8, w / 8)."""
    layers: list[nn.Module] = []
    for number, (weight, bias) in enumerate(folded):
        layers += [make_conv(weight, bias, branches), nn.ReLU()]
        if number % 2:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


class FusedGraph(nn.Module):
    """LGRNet from pixels to probabilities, for a fixed batch."""

    def __init__(self, model: LGRNet, batch: int) -> None:
        super().__init__()
        config = model.config
        aus = muscle_order(config.aus)
        self.n = n = len(aus)
        self.grid = grid = BlockGrid(batch, config.grid)
        self.stem = FusedStem(model.stem, config.crop_size, config.input_size)
        self.prepare = BlockInput(grid, config.channels)

        align = folded_convs(model.align.blocks)
        self.align_first = FirstBlock(align[:2], grid)
        self.align_later = later_blocks(align[2:])
        weight, bias = merge_linear(model.align.hidden, model.align.offsets)
        unit, mean_face = model.align.unit, model.align.mean_face.double().flatten()
        self.landmarks = nn.Linear(weight.shape[1], weight.shape[0])
        self.landmarks.weight = nn.Parameter((unit * weight).float(), requires_grad=False)
        self.landmarks.bias = nn.Parameter((unit * bias + mean_face).float(), requires_grad=False)

        self.patches = SharedPatches(model.patches, aus, grid)
        self.drives = None
        if model.relation is not None:
            self.drives = SparseDrives(model.relation, self.patches, config.channels)
            self.downward = FusedDirection(model.relation.downward, grid, config.channels)
            self.upward = FusedDirection(model.relation.upward, grid, config.channels)

        self.fusion = None
        if config.fusion:
            whole = folded_convs(model.global_blocks)
            self.global_first = FirstBlock(whole[:2], grid)
            self.global_later = later_blocks(whole[2:])
            self.fusion = FusedFusion(model.fusion, grid, n)
            refine = folded_convs(model.refine)
            split = [[(w, b) for w, b in zip(weight.chunk(n), bias.chunk(n))] for weight, bias in refine[:2]]
            self.refine_first = nn.ModuleList(FirstBlock(list(each), grid) for each in zip(*split))
            self.refine_later = later_blocks(refine[2:], n)

        hidden, logit = model.heads.hidden, model.heads.logit
        # (n, hidden, C·s·s) and (n, 1, hidden)
        first = hidden.weight.double().flatten(1).unflatten(0, (n, -1))
        second = logit.weight.double().flatten(1).unflatten(0, (n, 1))
        head = (second @ first).transpose(1, 2)  # (n, C·s·s, 1)
        offset = (second @ hidden.bias.double().view(n, -1, 1)).flatten() + logit.bias.double()
        self.register_buffer("head", head.float())
        self.register_buffer("offset", offset.float())
        self.register_buffer("ascending", model.ascending.clone())

    def forward(self, face: Tensor) -> Outputs:
        batch = self.grid.batch
        feature_map = self.stem(face)
        feature = self.grid.to_blocks(feature_map)  # (16, R, C)
        prepared = self.prepare(feature)
        landmarks = self.landmarks(self.align_later(self.align_first(prepared)).flatten(1))
        landmarks = landmarks.view(batch, COUNT, 2)
        centres = self.patches.centres(landmarks)
        maps = self.patches.maps(centres)
        A = [maps[:, :, u : u + 1] for u in range(self.patches.count)]
        V = [feature * a.reshape(16, -1, 1) for a in A]
        of = self.patches.of_au
        if self.drives is not None:
            U = self.patches.count
            where, drives = self.drives(feature, centres)
            down, up = [
                way(
                    feature,
                    [A[u] for u in order],
                    [where[u] for u in order],
                    [drives[(d * U + u) * 4 : (d * U + u) * 4 + 4] for u in order],
                )
                for d, (way, order) in enumerate(((self.downward, of), (self.upward, of[::-1])))
            ]
            local = [(a + b) * 0.5 + V[u] for a, b, u in zip(down, up[::-1], of)]
        else:
            local = [V[u] for u in of]
        if self.fusion is not None:
            whole = self.global_later(self.global_first(prepared))
            local = self.fusion(local, whole)
            local = [block(self.prepare(x)) for block, x in zip(self.refine_first, local)]
            refined = self.refine_later(torch.cat(local, 1))
        else:
            raise NotImplementedError
        refined = refined.view(batch, self.n, 1, -1)
        logits = (refined @ self.head).flatten(1) + self.offset
        return logits.index_select(1, self.ascending).sigmoid(), landmarks
