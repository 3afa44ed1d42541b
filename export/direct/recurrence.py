"""The skip-BiLSTM, unrolled: each direction by itself, each LSTM gate a convolution of its own.

Convolutions that compute several gates or both directions would have to be cut apart afterwards,
which costs more than it spares once the convolutions themselves are fast.
"""

from torch import Tensor, nn

from export.direct.drives import DenseDrives, Drive, SparseDrives
from export.direct.rows import RowConv
from export.gates import GATES, lstm_step
from export.patches import SharedPatches
from lgrnet.network.bias import bias_of
from lgrnet.network.relation import Direction, Recurrence, SkipGates


class DirectGates(nn.Module):
    """How much of each hidden state reaches each later step (eq. 7 and 8), as matrix products."""

    def __init__(self, gates: SkipGates, cells: int) -> None:
        super().__init__()
        self.concat = gates.concat
        # Sums over the grid come in; the weights make averages of them.
        self.weights = nn.ParameterList(
            nn.Parameter(layer.weight.detach().T / cells, requires_grad=False)
            for layer in gates.layers
        )
        self.biases = nn.ParameterList(
            nn.Parameter(layer.bias.detach().clone(), requires_grad=False) for layer in gates.layers
        )

    def forward(self, step: int, hidden: Tensor, feature: Tensor, maps: Tensor) -> list[Tensor]:
        """Weigh a hidden state for the steps after it.

        Args:
            step: The source step j.
            hidden: h_j, (B, h·w, C).
            feature: F, (B, h·w, C).
            maps: A_t of the steps after j, (B, later, h·w).

        Returns:
            f_j, later × (B, 1, C).
        """
        weight, bias = self.weights[step], self.biases[step]
        if self.concat:
            channels = hidden.shape[2]
            mapped = hidden.sum(1, keepdim=True) @ weight[:channels]
            mapped = mapped + (maps @ feature) @ weight[channels:]
        else:
            mapped = (maps @ (hidden * feature)) @ weight
        return list((mapped + bias).sigmoid().split(1, dim=1))


class DirectDirection(nn.Module):
    """One direction (eq. 6 to 9)."""

    def __init__(self, way: Direction, side: int) -> None:
        super().__init__()
        conv = way.cell.from_hidden
        biases = bias_of(conv).detach().chunk(GATES)
        self.convs = nn.ModuleList(
            RowConv(weight, bias, side)
            for weight, bias in zip(conv.weight.chunk(GATES), biases, strict=True)
        )
        # The first step has nothing before it: no convolution, and no forget gate.
        self.biases = nn.ParameterList(
            nn.Parameter(bias.expand(1, side * side, -1).clone(), requires_grad=False)
            for bias in biases
        )
        self.gates = None if way.gates is None else DirectGates(way.gates, side * side)

    def forward(self, feature: Tensor, maps: Tensor, drives: list[Drive]) -> list[Tensor]:
        """Run over the AUs.

        Args:
            feature: F, (B, h·w, C).
            maps: A in this direction's order, (B, n, h·w).
            drives: Of each step.

        Returns:
            h_t, n × (B, h·w, C).
        """
        states: list[Tensor] = []
        # What reaches each step from those before it: Σ_j h_j f_j.
        reaching: list[list[tuple[Tensor, Tensor | None]]] = [[] for _ in drives]
        cell = None
        for step, drive in enumerate(drives):
            hidden, cell = self._step(drive, _weighted_sum(reaching[step]), cell, len(feature))
            states.append(hidden)
            later = step + 1
            if later == len(drives):
                break
            if self.gates is None:
                reaching[later] = [(hidden, None)]
                continue
            factors = self.gates(step, hidden, feature, maps[:, later:])
            for t, factor in enumerate(factors, later):
                reaching[t].append((hidden, factor))
        return states

    def _step(
        self, drive: Drive, reaching: Tensor | None, cell: Tensor | None, batch: int
    ) -> tuple[Tensor, Tensor]:
        if reaching is None:
            gates = [bias.expand(batch, -1, -1).contiguous() for bias in self.biases]
        else:
            gates = [conv(reaching) for conv in self.convs]
        return lstm_step(drive.add(gates), cell)


def _weighted_sum(parts: list[tuple[Tensor, Tensor | None]]) -> Tensor | None:
    """Add up states times factors, at once, where their sum is needed; None for nothing."""
    total = None
    for state, factor in parts:
        part = state if factor is None else state * factor
        total = part if total is None else total + part
    return total


class DirectRecurrence(nn.Module):
    """Both directions, added up."""

    def __init__(
        self, relation: Recurrence, shared: SharedPatches | None, n: int, side: int, batch: int
    ) -> None:
        """Take over the weights.

        Args:
            relation: The network's.
            shared: The patches, where their maps are sparse; None for refined maps.
            n: AUs.
            side: Cells along a side of F.
            batch: Faces B.
        """
        super().__init__()
        ways = (relation.downward, relation.upward)
        of_au = list(range(n)) if shared is None else shared.of_au
        self.orders = [of_au, of_au[::-1]]
        self.directions = nn.ModuleList(DirectDirection(way, side) for way in ways)
        self.sparse = None if shared is None else SparseDrives(relation, shared, side, batch)
        if shared is None:
            self.dense = nn.ModuleList(DenseDrives(way, side) for way in ways)

    def forward(self, feature: Tensor, maps: Tensor, centres: Tensor | None) -> list[Tensor]:
        """Relate the AUs.

        Args:
            feature: F, (B, h·w, C).
            maps: A of the AUs from top to bottom, (B, n, h·w).
            centres: Of the patches, (B, U, centre, 2); None where the maps are not sparse.

        Returns:
            The sum of the two hidden states of each AU, n × (B, h·w, C).
        """
        both = [maps, maps.flip(1)]
        if self.sparse is not None:
            drives = self.sparse(feature, centres, self.orders)
        else:
            patches = [feature * each[..., None] for each in maps.unbind(1)]
            drives = [self.dense[0](patches), self.dense[1](patches[::-1])]
        down, up = (
            direction(feature, each, drive)
            for direction, each, drive in zip(self.directions, both, drives, strict=True)
        )
        return [a + b for a, b in zip(down, reversed(up), strict=True)]
