"""What the AUs' patches add to the recurrence's gates: the input-to-state convolutions.

A patch v_t = F ⊙ A_t is zero outside two windows, one around each of the AU's centres, and so is
what a 3 × 3 convolution makes of it outside the windows and a frame of one cell. Only there is it
computed. The windows may overlap: as A_t is the larger of two maps A_l and A_r, it is the sum of
A_l, which is zero outside the left window, and max(A_r − A_l, 0), which is zero outside the right
one; convolutions are linear, so that the two parts are convolved by themselves and added one after
the other. The windows are moved so that they lie inside the grid; where they are and what they
hold depends on the landmarks, their number and size do not.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from export.direct.rows import RowConv, to_maps, to_rows
from export.gates import GATES, DenseDrive
from export.patches import SharedPatches
from lgrnet.network.relation import Direction, Recurrence


class SparseDrive(NamedTuple):
    """What one step adds to its gates, in the windows.

    Attributes:
        values: Of the left and the right window, each of all gates, (N, 4 · C).
        rows: Where, each (N,) int64, all different: engines add rows in parallel without a lock.
    """

    values: list[Tensor]
    rows: list[Tensor]

    def add(self, gates: list[Tensor]) -> list[Tensor]:
        """Add to gates of (B, h·w, C)."""
        shape, channels = gates[0].shape, gates[0].shape[2]
        flat = [gate.view(-1, channels) for gate in gates]
        for values, rows in zip(self.values, self.rows, strict=True):
            parts = values.split(channels, dim=1)
            flat = [
                gate.index_put((rows,), part, accumulate=True)
                for gate, part in zip(flat, parts, strict=True)
            ]
        return [gate.view(shape) for gate in flat]


Drive = SparseDrive | DenseDrive


class SparseDrives(nn.Module):
    """Computed in the windows, both directions at once, patches that AUs share only once."""

    inner: Tensor
    outer: Tensor
    faces: Tensor

    def __init__(self, relation: Recurrence, shared: SharedPatches, side: int, batch: int) -> None:
        super().__init__()
        self.shared, self.side, self.batch = shared, side, batch
        # A window and the frame that the convolution reaches; around it, what it sees.
        self.reach = min(2 * (shared.radius + 1) + 1, side)
        self.seen = self.reach + 2
        ways = (relation.downward, relation.upward)
        weight = torch.cat([way.cell.from_input.weight for way in ways])  # (2·4·C, C, 3, 3)
        self.conv = nn.Conv2d(weight.shape[1], weight.shape[0], 3, bias=False)
        self.conv.weight = nn.Parameter(weight.detach().float(), requires_grad=False)
        self.register_buffer("inner", torch.arange(self.reach))
        self.register_buffer("outer", torch.arange(self.seen) - 1)
        self.register_buffer("faces", torch.arange(batch).view(-1, 1, 1, 1) * side * side)

    def forward(self, feature: Tensor, centres: Tensor, orders: list[list[int]]) -> list:
        """Convolve the patches.

        Args:
            feature: F, (B, h·w, C).
            centres: From :meth:`SharedPatches.centres`, (B, U, centre, axis).
            orders: Of each direction the patches that it meets, step by step.

        Returns:
            For each direction, the drive of each step.
        """
        shared, side = self.shared, self.side
        corner = centres - (shared.radius + 1 + shared.margin)
        corner = corner.clamp(0, side - self.reach)  # (B, U, centre, axis), cells of F
        seen = corner[..., None] + self.outer  # (B, U, window, axis, seen)
        patches = feature.flatten(0, 1).index_select(0, self._rows(seen).flatten())
        patches = patches.view(-1, self.seen * self.seen, feature.shape[2])
        patches = patches * self._heights(seen, centres).view(len(patches), -1, 1)
        drives = to_rows(self.conv(to_maps(patches, self.seen)))  # (B·U·2, reach², 2·4·C)
        drives = drives.view(self.batch, shared.count, 2, self.reach**2, 2, -1)
        drives = drives.permute(1, 2, 4, 0, 3, 5).flatten(3, 4)  # (U, window, direction, N, 4·C)
        rows = self._rows(corner[..., None] + self.inner)  # (B, U, window, reach²)
        rows = rows.permute(1, 2, 0, 3).flatten(2)  # (U, window, N)
        values = [[list(w.unbind(0)) for w in u.unbind(1)] for u in drives.unbind(0)]
        where = [list(u.unbind(0)) for u in rows.unbind(0)]
        return [
            [SparseDrive(values[u][direction], where[u]) for u in order]
            for direction, order in enumerate(orders)
        ]

    def _rows(self, cells: Tensor) -> Tensor:
        """Number cells of F: (B, U, window, axis, k) → rows of all faces, (B, U, window, k²).

        Cells off the grid get the row of one on it; what is taken from there is multiplied by 0.
        """
        x, y = cells.clamp(0, self.side - 1).to(torch.int64).unbind(3)
        return (y[..., :, None] * self.side + x[..., None, :]).flatten(3) + self.faces

    def _heights(self, seen: Tensor, centres: Tensor) -> Tensor:
        """Draw each window's part of its map.

        Args:
            seen: Cells of F, (B, U, window, axis, seen).
            centres: Cells of the larger grid, (B, U, centre, axis).

        Returns:
            (B, U, window, seen²).
        """
        shared = self.shared
        on_grid = (seen >= 0) & (seen < self.side)
        # The distance of every window's cells from both centres.
        axis = seen[:, :, :, None] + shared.margin  # (B, U, window, 1, axis, seen)
        distance = shared.distances(axis, centres[:, :, None, ..., None])
        x, y = distance.unbind(4)  # (B, U, window, centre, seen)
        heights = shared.heights(y[..., :, None] + x[..., None, :])
        left, right = heights.unbind(3)  # (B, U, window, seen, seen)
        parts = torch.stack([left[:, :, 0], (right - left)[:, :, 1].relu()], dim=2)
        in_x, in_y = on_grid.unbind(3)
        inside = in_y[..., :, None] & in_x[..., None, :]
        return torch.where(inside, parts, 0.0).flatten(3)


class DenseDrives(nn.Module):
    """Computed everywhere, for maps that a network has refined."""

    def __init__(self, way: Direction, side: int) -> None:
        super().__init__()
        weights = way.cell.from_input.weight.chunk(GATES)
        self.convs = nn.ModuleList(
            RowConv(weight, torch.zeros(len(weight)), side) for weight in weights
        )

    def forward(self, patches: list[Tensor]) -> list[DenseDrive]:
        """Convolve patches v_t of (B, h·w, C); the drive of each step."""
        return [DenseDrive([conv(patch) for conv in self.convs]) for patch in patches]
