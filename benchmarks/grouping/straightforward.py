"""The network's grouped operations written the straightforward way: one by one, in loops.

Each class takes a module of `lgrnet`, copies its weights, and computes the same function with one
small operation a tile, an AU or a pair of AUs, as the papers describe it. They are what
`benchmarks.training` times the grouped forms against.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from lgrnet.network.au_geometry import AU_CENTRES
from lgrnet.network.bias import bias_of
from lgrnet.network.features import FeatureBlocks
from lgrnet.network.fusion import Fusion, l2_normalise, resize
from lgrnet.network.heads import AuHeads
from lgrnet.network.patches import Patches
from lgrnet.network.region import RegionLayer
from lgrnet.network.relation import ConvLSTMCell, Direction, Recurrence, SkipGates
from runtime.landmarks import LEFT_EYE_INNER, RIGHT_EYE_INNER


def load_part(part: nn.Module, whole: nn.Module, index: int, parts: int) -> None:
    """Copy one group of a grouped module's weights and statistics.

    Args:
        part: The module of one group, with the names of the whole.
        whole: The grouped module, whose tensors hold the groups one after the other.
        index: Which group.
        parts: How many there are.
    """
    state = whole.state_dict()
    part.load_state_dict(
        {name: each.chunk(parts)[index] if each.ndim else each for name, each in state.items()}
    )


class TileLoop(nn.Module):
    """A region layer: cut, BN-ReLU-conv of each tile with modules of its own, stitch."""

    def __init__(self, layer: RegionLayer) -> None:
        super().__init__()
        self.tiles, count = layer.tiles, layer.tiles**2
        inputs, outputs = layer.conv.in_channels // count, layer.conv.out_channels // count
        self.norms = nn.ModuleList(nn.BatchNorm2d(inputs) for _ in range(count))
        self.convs = nn.ModuleList(nn.Conv2d(inputs, outputs, 3, padding=1) for _ in range(count))
        for index in range(count):
            load_part(self.norms[index], layer.norm, index, count)
            load_part(self.convs[index], layer.conv, index, count)

    def forward(self, x: Tensor) -> Tensor:
        """Compute what `RegionLayer` does: (B, C_in, H, W) → (B, C_out, H, W)."""
        modules = zip(self.norms, self.convs, strict=True)
        bands = []
        for band in x.chunk(self.tiles, dim=2):
            tiles = []
            for tile in band.chunk(self.tiles, dim=3):
                norm, conv = next(modules)
                tiles.append(conv(norm(tile).relu()))
            bands.append(torch.cat(tiles, dim=3))
        return torch.cat(bands, dim=2)


class PatchLoop(nn.Module):
    """Attention maps, AU by AU and centre by centre."""

    def __init__(self, aus: tuple[int, ...], patches: Patches) -> None:
        super().__init__()
        self.centres = [AU_CENTRES[au] for au in aus]
        self.cells, self.radius, self.slope = patches.cells, patches.radius, patches.slope
        self.scale = patches.cells_per_pixel

    def forward(self, landmarks: Tensor) -> Tensor:
        """Compute what `Patches` does: (B, 49, 2) → (B, n, cells, cells)."""
        eyes = landmarks[:, LEFT_EYE_INNER, 0] - landmarks[:, RIGHT_EYE_INNER, 0]
        ruler = eyes.abs()
        maps = []
        for left, right, drop in self.centres:
            sides = [
                self._window(landmarks[:, point, 0], landmarks[:, point, 1] + drop * ruler)
                for point in (left, right)
            ]
            maps.append(torch.maximum(*sides))
        return torch.stack(maps, dim=1)

    def _window(self, x: Tensor, y: Tensor) -> Tensor:
        """Draw the window of one centre of all faces: x and y (B,) pixels → (B, cells, cells)."""
        axis = torch.arange(float(self.cells))
        inside, distance = [], []
        for value in (y, x):
            value = (value * self.scale).round()[:, None]
            first = (value - self.radius).clamp(0, self.cells - 1)
            last = (value + self.radius).clamp(0, self.cells - 1)
            inside.append((axis >= first) & (axis <= last))
            distance.append((axis - value).abs())
        height = 1 - self.slope * (distance[0][:, :, None] + distance[1][:, None])
        window = inside[0][:, :, None] & inside[1][:, None]
        return torch.where(window, height, 0.0).clamp(min=0)


class BranchLoop(nn.Module):
    """The refining blocks: a network of its own for each AU."""

    def __init__(
        self, blocks: FeatureBlocks, in_channels: int, widths: tuple[int, ...], branches: int
    ) -> None:
        super().__init__()
        self.nets = nn.ModuleList(FeatureBlocks(in_channels, widths) for _ in range(branches))
        for index, net in enumerate(self.nets):
            load_part(net, blocks, index, branches)

    def forward(self, x: Tensor) -> Tensor:
        """Compute what `FeatureBlocks` with branches does, (B, n · C, h, w) in."""
        parts = x.chunk(len(self.nets), dim=1)
        return torch.cat([net(part) for net, part in zip(self.nets, parts, strict=True)], dim=1)


class FusionLoop(nn.Module):
    """Eq. 11 and 12 for one AU after the other, G resized before its convolutions."""

    def __init__(self, fusion: Fusion) -> None:
        super().__init__()
        channels = fusion.local_gate.in_channels // fusion.aus
        whole = fusion.global_gate.in_channels
        # C'_g, C_g, C'_l and C_l of one AU.
        names = ("global_gate", "global_value", "local_gate", "local_value")
        self.each = nn.ModuleList()
        for index in range(fusion.aus):
            convs = nn.ModuleDict(
                {
                    name: nn.Conv2d(whole if "global" in name else channels, channels, 1)
                    for name in names
                }
            )
            load_part(convs, fusion, index, fusion.aus)
            self.each.append(convs)

    def forward(self, local: Tensor, whole: Tensor) -> Tensor:
        """Compute what `Fusion` does: (B, n · C, h, w), (B, C_g, h_g, w_g) → (B, n · C, h, w)."""
        whole = resize(whole, local.shape[-2:])
        fused = []
        for convs, s in zip(self.each, local.chunk(len(self.each), dim=1), strict=True):
            assert isinstance(convs, nn.ModuleDict)  # PyTorch's lists do not tell what they hold
            alpha = torch.sigmoid(convs["global_gate"](whole) + convs["local_gate"](s))
            g, v = _unit(convs["global_value"](whole)), _unit(convs["local_value"](s))
            fused.append(alpha * g + (1 - alpha) * v)
        return torch.cat(fused, dim=1)


def _unit(x: Tensor) -> Tensor:
    """Scale the C numbers of each cell to length 1, (B, C, h, w)."""
    return l2_normalise(x.movedim(1, -1)).movedim(-1, 1)


class HeadLoop(nn.Module):
    """Two Linear layers for each AU."""

    def __init__(self, heads: AuHeads) -> None:
        super().__init__()
        count = heads.logit.out_channels
        self.hidden, self.logit = nn.ModuleList(), nn.ModuleList()
        for index in range(count):
            for grouped, linears in ((heads.hidden, self.hidden), (heads.logit, self.logit)):
                weight = grouped.weight.chunk(count)[index].flatten(1)
                linear = nn.Linear(weight.shape[1], weight.shape[0])
                with torch.no_grad():
                    linear.weight.copy_(weight)
                    linear.bias.copy_(bias_of(grouped).chunk(count)[index])
                linears.append(linear)

    def forward(self, refined: Tensor) -> Tensor:
        """Compute what `AuHeads` does: (B, n · C_r, h_r, w_r) → (B, n)."""
        parts = refined.chunk(len(self.hidden), dim=1)
        layers = zip(parts, self.hidden, self.logit, strict=True)
        return torch.cat([logit(hidden(part.flatten(1))) for part, hidden, logit in layers], dim=1)


class DriveLoop(nn.Module):
    """The input's share of the ConvLSTM's gates: a convolution of each AU's patch."""

    def __init__(self, cell: ConvLSTMCell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, feature: Tensor, attention: Tensor) -> list[Tensor]:
        """Compute ``from_input(F ⊙ A_t)``: (B, C, h, w), (B, n, h, w) → n × (B, 4C, h, w)."""
        return [self.cell.from_input(feature * each) for each in attention.split(1, dim=1)]


class GateLoop(nn.Module):
    """Eq. 7 and 8, pair by pair: a convolution of a map, and its average."""

    def __init__(self, gates: SkipGates) -> None:
        super().__init__()
        self.gates = gates

    def forward(self, step: int, hidden: Tensor, feature: Tensor, later: Tensor) -> Tensor:
        """Compute what `SkipGates` does, (B, later, C)."""
        linear = self.gates.layers[step]
        weight = linear.weight[..., None, None]
        factors = []
        for attention in later.split(1, dim=1):
            v = feature * attention
            joined = torch.cat([hidden, v], dim=1) if self.gates.concat else hidden * v
            mapped = functional.conv2d(joined, weight, linear.bias)
            factors.append(mapped.mean((2, 3)).sigmoid())
        return torch.stack(factors, dim=1)


class RecurrenceLoop(nn.Module):
    """The skip-BiLSTM as eq. 6 to 10 are printed: every gate of every pair on maps."""

    def __init__(self, recurrence: Recurrence) -> None:
        super().__init__()
        self.downward, self.upward = recurrence.downward, recurrence.upward

    def forward(self, feature: Tensor, attention: Tensor) -> Tensor:
        """Compute what `Recurrence` does: (B, C, h, w), (B, n, h, w) → (B, n · C, h, w)."""
        patches = [feature * each for each in attention.split(1, dim=1)]
        down = self._run(self.downward, patches)
        up = self._run(self.upward, patches[::-1])[::-1]
        return torch.cat(
            [v + (a + b) / 2 for v, a, b in zip(patches, down, up, strict=True)], dim=1
        )

    @staticmethod
    def _run(direction: Direction, patches: list[Tensor]) -> list[Tensor]:
        states: list[Tensor] = []
        cell = torch.zeros_like(patches[0])
        for v in patches:
            reaching = None
            if direction.gates is None:
                reaching = states[-1] if states else None
            else:
                for source, hidden in enumerate(states):
                    linear = direction.gates.layers[source]
                    joined = torch.cat([hidden, v], 1) if direction.gates.concat else hidden * v
                    mapped = functional.conv2d(joined, linear.weight[..., None, None], linear.bias)
                    reached = hidden * mapped.mean((2, 3), keepdim=True).sigmoid()
                    reaching = reached if reaching is None else reaching + reached
            hidden, cell = direction.cell(direction.cell.from_input(v), reaching, cell)
            states.append(hidden)
        return states
