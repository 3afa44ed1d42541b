"""The skip-BiLSTM, and the plain BiLSTM, in block layout (eq. 6 to 10)."""

import torch
from torch import Tensor, nn

from export.gates import GATES, lstm_step
from export.winograd.attention import RefinedMaps
from export.winograd.blocks import CELLS, BlockGrid
from export.winograd.drives import DenseDrives, Drive, SparseDrives
from export.winograd.transform import BlockConv, BlockInput
from export.winograd.windows import BlockPatches
from lgrnet.network.bias import bias_of
from lgrnet.network.relation import Direction, Recurrence, SkipGates


class FusedGates(nn.Module):
    """How much of each hidden state reaches each later step (eq. 7 and 8)."""

    def __init__(self, gates: list[SkipGates], grid: BlockGrid) -> None:
        super().__init__()
        self.concat = gates[0].concat
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for layers in zip(*(gate.layers for gate in gates), strict=True):
            # Sums over the grid come in here; the weights make averages of them.
            weight = torch.stack([layer.weight.T for layer in layers]) / grid.side**2
            bias = torch.stack([layer.bias for layer in layers])
            self.weights.append(nn.Parameter(weight[:, None], requires_grad=False))
            self.biases.append(nn.Parameter(bias[:, None, None], requires_grad=False))

    def forward(self, step: int, hidden: Tensor, feature: Tensor, maps: Tensor) -> list[Tensor]:
        """Weigh a hidden state for the steps after it.

        Args:
            step: The source step j.
            hidden: h_j, (16, D, B, T², C).
            feature: F, (16, 1, B, T², C).
            maps: A_t of the steps after j, (16, D, B, later, T²).

        Returns:
            f_j, later × (D, B, 1, C).
        """
        weight, bias = self.weights[step], self.biases[step]  # (D, 1, C, C), (D, 1, 1, C)
        if self.concat:
            channels = feature.shape[4]
            pooled_hidden = hidden.sum((0, 3))[:, :, None]  # (D, B, 1, C)
            mapped = pooled_hidden @ weight[:, :, :channels]
            mapped = mapped + (maps @ feature).sum(0) @ weight[:, :, channels:]
        else:
            pooled = (maps @ (hidden * feature)).sum(0)  # (D, B, later, C)
            mapped = pooled @ weight
        return list((mapped + bias).sigmoid().split(1, dim=2))


class FusedDirections(nn.Module):
    """One direction, or both side by side.

    Each gate has a convolution of its own, so that nothing has to be cut apart after it. The first
    step has no convolution and no forget gate, as there is nothing before it.
    """

    def __init__(self, ways: list[Direction], grid: BlockGrid) -> None:
        super().__init__()
        convs = [way.cell.from_hidden for way in ways]
        channels, blocks = convs[0].in_channels, grid.batch * grid.blocks
        self.prepare = BlockInput(grid, channels, len(ways))
        self.convs = nn.ModuleList()
        self.biases = nn.ParameterList()
        for gate in range(GATES):
            biases = [bias_of(conv).chunk(GATES)[gate] for conv in convs]
            weights = [conv.weight.chunk(GATES)[gate] for conv in convs]
            self.convs.append(BlockConv(weights, biases, blocks))
            everywhere = torch.stack(biases)[:, None].expand(CELLS, -1, blocks, -1).flatten(0, 2)
            self.biases.append(nn.Parameter(everywhere.clone(), requires_grad=False))
        gates = [way.gates for way in ways if way.gates is not None]
        self.gates = FusedGates(gates, grid) if gates else None

    def forward(self, feature: Tensor, maps: Tensor, drives: list[Drive]) -> list[Tensor]:
        """Run over the AUs.

        Args:
            feature: F, (16, 1, B, T², C).
            maps: A, each direction in its order, (16, D, B, n, T²).
            drives: Of each step.

        Returns:
            h_t, n × (16, D, B, T², C).
        """
        shape = (CELLS, -1, *feature.shape[2:])
        steps = len(drives)
        reaching: list[Tensor | None] = [None] * steps
        states: list[Tensor] = []
        cell = None
        for step, drive in enumerate(drives):
            hidden, cell = self.step(drive, reaching[step], cell)
            hidden = hidden.view(shape)
            states.append(hidden)
            later = step + 1
            if self.gates is None:
                reaching[later : later + 1] = [hidden]
            elif later < steps:
                factors = self.gates(step, hidden, feature, maps[:, :, :, later:])
                for t, factor in enumerate(factors, later):
                    part, so_far = hidden * factor, reaching[t]
                    reaching[t] = part if so_far is None else so_far + part
        return states

    def step(
        self, drive: Drive, reaching: Tensor | None, cell: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Take one step.

        Args:
            drive: What the input adds to the gates.
            reaching: What comes from earlier steps, (16, D, B, T², C); None for nothing.
            cell: The cell state, (16 · D · B · T², C); None for zero.

        Returns:
            The new hidden and cell states, (16 · D · B · T², C).
        """
        if reaching is None:
            gates = list(self.biases)
        else:
            prepared = self.prepare(reaching)
            gates = [conv(prepared).view(-1, prepared.shape[3]) for conv in self.convs]
        return lstm_step(drive.add(gates), cell)


class FusedRecurrence(nn.Module):
    """Both directions, added up."""

    orders: Tensor

    def __init__(self, relation: Recurrence, shared: BlockPatches | RefinedMaps) -> None:
        super().__init__()
        ways = [relation.downward, relation.upward]
        channels = ways[0].cell.from_hidden.in_channels
        # The prepared state, and the products and sums of all gates.
        size = shared.grid.at_once(len(ways), (1 + 2 * GATES) * channels)
        grouped = [ways[start : start + size] for start in range(0, len(ways), size)]
        orders = [shared.of_au, shared.of_au[::-1]]
        self.patches = [orders[start : start + size] for start in range(0, len(ways), size)]
        self.register_buffer("orders", torch.tensor(orders))
        self.directions = nn.ModuleList(FusedDirections(group, shared.grid) for group in grouped)
        self.sparse = SparseDrives(relation, shared) if isinstance(shared, BlockPatches) else None
        if self.sparse is None:
            self.dense = nn.ModuleList(DenseDrives(group, shared.grid) for group in grouped)

    def forward(self, feature: Tensor, maps: Tensor, centres: Tensor | None) -> list[Tensor]:
        """Relate the AUs.

        Args:
            feature: F, (16, 1, B, T², C).
            maps: A of the patches, (16, B, U, T²).
            centres: Of the patches, (B, U, centre, 2); None where the maps are not sparse.

        Returns:
            The sum of the two hidden states of each AU, n × (16, 1, B, T², C).
        """
        ordered = [maps.index_select(2, order)[:, None] for order in self.orders]
        size = len(self.patches[0])
        grouped = [
            torch.cat(ordered[start : start + size], dim=1)
            for start in range(0, len(ordered), size)
        ]  # of each group of directions, (16, D, B, n, T²)
        if self.sparse is not None:
            drives = self.sparse(feature, centres, self.patches)
        else:
            drives = [dense(feature, each) for dense, each in zip(self.dense, grouped, strict=True)]
        states: list[tuple[Tensor, ...]] = []
        for direction, each, drive in zip(self.directions, grouped, drives, strict=True):
            steps = [hidden.split(1, dim=1) for hidden in direction(feature, each, drive)]
            states += zip(*steps, strict=True)
        down, up = states
        return [a + b for a, b in zip(down, reversed(up), strict=True)]
