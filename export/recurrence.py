"""The skip-BiLSTM over sparse patches, in block layout (eq. 6 to 10)."""

import torch
from torch import Tensor, nn

from export.blocks import SIDE, BlockConv, BlockGrid, BlockInput
from export.windows import SharedPatches, Windows
from lgrnet.relation import Direction, Recurrence

CELLS = SIDE * SIDE
GATES = 4
"""Input, forget, output gate and candidate, as in the weights of the cell."""


class SparseDrives(nn.Module):
    """What the patches add to the gates: the input-to-state convolution, in the blocks it reaches.

    All patches, both directions and all four gates are one matrix product.
    """

    def __init__(self, relation: Recurrence, shared: SharedPatches, channels: int) -> None:
        super().__init__()
        self.windows = Windows(shared)
        grid = shared.grid
        self.prepare = BlockInput(grid, channels)
        weight = torch.cat(
            [way.cell.from_input.weight for way in (relation.downward, relation.upward)]
        )
        self.blocks = grid.batch * self.windows.blocks
        self.conv = BlockConv(weight, None, shared.count * self.blocks)
        self.register_buffer("cells", torch.arange(CELLS).view(1, CELLS, 1) * grid.blocks)

    def forward(self, feature: Tensor, centres: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Convolve the patches.

        Args:
            feature: F, (16, R, C).
            centres: From :meth:`SharedPatches.centres`.

        Returns:
            For each patch, the rows of (16 · R, C) to which to add, (1, N, 1) int64; and what to
            add there, in the order direction, patch, gate: 2 · U · 4 tensors of (1, N, C).
        """
        rows = torch.cat([feature.flatten(0, 1), self.prepare.zero])
        patches, number = self.windows(rows, centres)
        drives = self.conv(self.prepare.combine(patches))  # (16, U·N', 8·C)
        drives = drives.unflatten(2, (2, GATES, -1)).unflatten(1, (-1, self.blocks))
        drives = drives.permute(3, 1, 4, 0, 2, 5)  # (2, U, 4, 16, N', C)
        drives = drives.reshape(-1, CELLS * self.blocks, feature.shape[2])
        where = (self.cells + number[:, None]).flatten(1)[..., None]  # (U, N, 1)
        return list(where.split(1)), list(drives.split(1))


class FusedDirection(nn.Module):
    """One direction. Each gate has its convolution; the first step has none, and no forget gate."""

    def __init__(self, way: Direction, grid: BlockGrid, channels: int) -> None:
        super().__init__()
        self.grid = grid
        self.prepare = BlockInput(grid, channels)
        conv = way.cell.from_hidden
        self.convs = nn.ModuleList(
            BlockConv(weight, bias, grid.blocks)
            for weight, bias in zip(conv.weight.chunk(GATES), conv.bias.chunk(GATES), strict=True)
        )
        for gate, bias in enumerate(conv.bias.chunk(GATES)):
            constant = bias.float().expand(CELLS * grid.blocks, -1).contiguous()
            self.register_buffer(f"constant_{gate}", constant)
        self.gates = None if way.gates is None else FusedGates(way, grid, channels)

    def forward(
        self, feature: Tensor, maps: list[Tensor], where: list[Tensor], drives: list[list[Tensor]]
    ) -> list[Tensor]:
        """Run over the AUs.

        Args:
            feature: F, (16, R, C).
            maps: A_t, n × (16, B, 1, T²), in the order of this direction.
            where: Rows that each step's drive goes to, n × (1, N, 1).
            drives: What to add there, n × 4 × (1, N, C).

        Returns:
            h_t, n × (16, R, C), in the same order.
        """
        steps = len(maps)
        reaching: list[Tensor | None] = [None] * steps
        states: list[Tensor] = []
        cell = None
        for step in range(steps):
            hidden, cell = self.step(reaching[step], cell, where[step], drives[step])
            hidden, cell = hidden.view_as(feature), cell
            states.append(hidden)
            later = range(step + 1, steps)
            if self.gates is None:
                reaching[step + 1 : step + 2] = [hidden]
            elif later:
                factors = self.gates(step, hidden, feature, [maps[t] for t in later])
                for t, factor in zip(later, factors, strict=True):
                    part = (hidden.view(CELLS, self.grid.batch, -1, hidden.shape[2]) * factor).view_as(hidden)
                    reaching[t] = part if reaching[t] is None else reaching[t] + part
        return states

    def step(self, reaching, cell, where, drives):
        """Take one step; see :meth:`lgrnet.relation.ConvLSTMCell.forward`."""
        if reaching is None:
            gates = [getattr(self, f"constant_{gate}") for gate in range(GATES)]
        else:
            prepared = self.prepare(reaching)
            gates = [conv(prepared).flatten(0, 1) for conv in self.convs]
        i, f, o, z = [add_rows(gate, where, drive) for gate, drive in zip(gates, drives, strict=True)]
        new = i.sigmoid() * z.tanh()
        if cell is not None:
            new = new + f.sigmoid() * cell
        return o.sigmoid() * new.tanh(), new


class FusedGates(nn.Module):
    """f_j for the steps after j, from averages over the grid (eq. 7 and 8)."""

    def __init__(self, way: Direction, grid: BlockGrid, channels: int) -> None:
        super().__init__()
        self.grid, self.concat = grid, way.gates.concat
        cells = grid.side**2
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for layer in way.gates.maps:
            # The sum over cells becomes an average here.
            self.weights.append(nn.Parameter((layer.weight.double().T / cells).float(), requires_grad=False))
            self.biases.append(nn.Parameter(layer.bias.detach().clone(), requires_grad=False))

    def forward(self, step, hidden, feature, later):
        weight, bias = self.weights[step], self.biases[step]
        maps = torch.cat(later, 2)  # (16, B, later, T²)
        product = feature if self.concat else hidden * feature
        product = product.view(CELLS, self.grid.batch, -1, product.shape[2])
        pooled = (maps @ product).sum(0)  # (B, later, C)
        if self.concat:
            channels = feature.shape[2]
            state = hidden.view(CELLS, self.grid.batch, -1, channels).sum((0, 2))  # (B, C)
            mapped = (pooled @ weight[channels:]) + (state @ weight[:channels])[:, None]
        else:
            mapped = pooled @ weight
        return (mapped + bias).sigmoid().split(1, 1)  # (B, 1, C)


def add_rows(x: Tensor, where: Tensor, values: Tensor) -> Tensor:
    """Add to some rows.

    Args:
        x: (M, C).
        where: Numbers of rows, (1, N, 1) int64; they may repeat.
        values: (1, N, C).

    Returns:
        (M, C).
    """
    return x.index_put((where[..., 0],), values, accumulate=True)
