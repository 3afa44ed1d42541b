"""What the AUs' patches add to the recurrence's gates: the input-to-state convolutions."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from export.gates import GATES, DenseDrive
from export.winograd.blocks import CELLS, BlockGrid
from export.winograd.transform import BlockConv, BlockInput
from export.winograd.windows import BlockPatches, Windows
from lgrnet.network.relation import Direction, Recurrence


class SparseDrive(NamedTuple):
    """What one step adds to its gates, in some rows of them.

    Attributes:
        values: Of each gate, 4 × (1, N', C).
        rows: (1, N') int64, all different: ONNX Runtime adds rows in parallel and without a lock.
    """

    values: list[Tensor]
    rows: Tensor

    def add(self, gates: list[Tensor]) -> list[Tensor]:
        """Add to gates of (16 · D · B · T², C)."""
        return [
            gate.index_put((self.rows,), values, accumulate=True)
            for gate, values in zip(gates, self.values, strict=True)
        ]


Drive = SparseDrive | DenseDrive


class SparseDrives(nn.Module):
    """Computed in the few blocks that the patches reach.

    All patches, both directions and all gates are one matrix product.
    """

    cells: Tensor

    def __init__(self, relation: Recurrence, shared: BlockPatches) -> None:
        super().__init__()
        self.shared, self.windows = shared, Windows(shared)
        grid, weight = shared.grid, relation.downward.cell.from_input.weight
        self.prepare = BlockInput(grid, weight.shape[1])
        weight = torch.cat([weight, relation.upward.cell.from_input.weight])  # (2·4·C, C, 3, 3)
        self.conv = BlockConv([weight], None, shared.count * self.windows.blocks)
        self.register_buffer("cells", torch.arange(CELLS).view(1, CELLS, 1))

    def forward(
        self, feature: Tensor, centres: Tensor, groups: list[list[list[int]]]
    ) -> list[list[SparseDrive]]:
        """Convolve the patches.

        Args:
            feature: F, (16, 1, B, T², C).
            centres: From :meth:`BlockPatches.centres`.
            groups: Directions that run side by side, down before up, each as the numbers of the
                patches that it meets, step by step.

        Returns:
            For each group the drive of each step.
        """
        channels, count, size = feature.shape[4], self.shared.count, self.windows.blocks
        patches, number = self.windows(self.prepare.with_zero(feature), centres)
        drives = self.conv(self.prepare.combine(patches, 1, channels))
        drives = drives.view(CELLS, count, size, 2, GATES, channels)
        drives = drives.permute(3, 1, 4, 0, 2, 5)  # (direction, U, gate, 16, N, C)
        values = drives.reshape(-1, CELLS * size, channels).split(1)

        blocks = self.shared.grid.batch * self.shared.grid.blocks
        found, direction = [], 0
        for group in groups:
            # The group's tensors are (16, D, B · T²) rows.
            first = (self.cells * len(group) * blocks + number[:, None]).flatten(1)  # (U, 16·N)
            rows = [(first + place * blocks).split(1) for place in range(len(group))]
            steps = []
            for patch in zip(*group, strict=True):
                # Where the values of each direction's patch start.
                at = [((direction + d) * count + u) * GATES for d, u in enumerate(patch)]
                per_gate = [_joined([values[a + gate] for a in at]) for gate in range(GATES)]
                where = _joined([rows[d][u] for d, u in enumerate(patch)])
                steps.append(SparseDrive(per_gate, where))
            found.append(steps)
            direction += len(group)
        return found


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


class DenseDrives(nn.Module):
    """Computed everywhere, for maps that a network has refined."""

    def __init__(self, ways: list[Direction], grid: BlockGrid) -> None:
        super().__init__()
        convs = [way.cell.from_input for way in ways]
        self.prepare = BlockInput(grid, convs[0].in_channels, len(ways))
        self.convs = nn.ModuleList(
            BlockConv(
                [conv.weight.chunk(GATES)[gate] for conv in convs], None, grid.batch * grid.blocks
            )
            for gate in range(GATES)
        )

    def forward(self, feature: Tensor, maps: Tensor) -> list[DenseDrive]:
        """Convolve the patches.

        Args:
            feature: F, (16, 1, B, T², C).
            maps: A, each direction in its order, (16, D, B, n, T²).

        Returns:
            The drive of each step.
        """
        drives = []
        for each in maps.unbind(3):
            prepared = self.prepare(feature * each[..., None])
            values = [conv(prepared).view(-1, prepared.shape[3]) for conv in self.convs]
            drives.append(DenseDrive(values))
        return drives
