"""Pieces of the network in training, in the grouped form of `lgrnet` and in loops, same weights."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.grouping.straightforward import (
    BranchLoop,
    DriveLoop,
    FusionLoop,
    GateLoop,
    HeadLoop,
    PatchLoop,
    RecurrenceLoop,
    TileLoop,
)
from lgrnet.network.alignment import MEAN_FACE
from lgrnet.network.au_geometry import muscle_order
from lgrnet.network.channels_last import channels_last
from lgrnet.network.config import ModelConfig
from lgrnet.network.features import FeatureBlocks
from lgrnet.network.fusion import Fusion
from lgrnet.network.heads import AuHeads
from lgrnet.network.patches import Patches
from lgrnet.network.region import RegionUnit
from lgrnet.network.relation import Recurrence, neighbourhoods
from runtime.align import CROP_SIZE

Outputs = Tensor | Sequence[Tensor]

RELATIVE_TOLERANCE = 1e-3
"""How much the two forms may differ, of the largest number there is. They sum thousands of float32
numbers in another order; what is computed wrongly differs by a hundred times that."""


@dataclass(frozen=True, eq=False)
class Form:
    """One way of computing a piece.

    Attributes:
        function: Inputs → outputs.
        parameters: What else gets a gradient.
    """

    function: Callable[..., Outputs]
    parameters: tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class Piece:
    """A piece of the network.

    Attributes:
        name: What the table calls it.
        grouped: As `lgrnet` computes it.
        loops: The straightforward way.
        inputs: Of both; those that require a gradient get one.
    """

    name: str
    grouped: Form
    loops: Form
    inputs: tuple[Tensor, ...]

    def run(self, form: Form) -> tuple[list[Tensor], list[Tensor]]:
        """Compute a form forward and, where there is anything to learn, backward.

        Args:
            form: One of the two.

        Returns:
            Its outputs, and the gradients of the inputs that require one.
        """
        outputs = form.function(*self.inputs)
        outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
        outputs = [each for each in outputs if each is not None]  # heads without intensities
        if not any(each.requires_grad for each in outputs):
            return outputs, []
        wanted = [each for each in self.inputs if each.requires_grad]
        upstream = [_pattern(each) for each in outputs]
        gradients = torch.autograd.grad(outputs, [*wanted, *form.parameters], upstream)
        return outputs, list(gradients[: len(wanted)])

    def check(self) -> float:
        """Compare the two forms, outputs and gradients.

        Returns:
            The largest difference, relative to the largest number of its tensor.

        Raises:
            AssertionError: They compute different things, so that timing them says nothing.
        """
        differences = [0.0]
        for mine, theirs in zip(self.run(self.grouped), self.run(self.loops), strict=True):
            for a, b in zip(mine, theirs, strict=True):
                if a.shape != b.shape:
                    raise AssertionError(f"{self.name}: shapes {a.shape} and {b.shape} differ")
                scale = max(float(b.detach().abs().max()), 1e-12)
                differences.append(float((a - b).detach().abs().max()) / scale)
        worst = float(np.max(differences))  # NaN if any is, unlike Python's
        if not worst <= RELATIVE_TOLERANCE:  # written so that NaN fails
            raise AssertionError(
                f"{self.name}: the grouped form and the loops differ by {worst:.1e} of the largest "
                f"number, more than {RELATIVE_TOLERANCE:.0e}: one of them is wrong"
            )
        return worst


_PATTERNS: dict[tuple[int, ...], Tensor] = {}


def _pattern(like: Tensor) -> Tensor:
    """Return an upstream gradient, the same for tensors of one shape, made once."""
    key = tuple(like.shape)
    if key not in _PATTERNS:
        generator = torch.Generator().manual_seed(len(key))
        _PATTERNS[key] = _channels_last(torch.randn(key, generator=generator))
    return _PATTERNS[key]


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def _normal(*shape: int) -> Tensor:
    """Make an input, (…) float32, in the memory layout of training."""
    return _channels_last(torch.randn(shape)).requires_grad_()


def _form(module: nn.Module) -> Form:
    """Prepare a module as training does."""
    channels_last(module.train())
    return Form(module, tuple(module.parameters()))


def pieces(config: ModelConfig, batch: int) -> Iterator[Piece]:
    """Make the pieces of a network, one at a time, as they take memory.

    Args:
        config: The network.
        batch: Faces B.

    Yields:
        The pieces, from the input to the output, with random weights and inputs.
    """
    torch.manual_seed(0)
    _PATTERNS.clear()
    yield from _stem(config, batch)
    yield from _relation(config, batch)
    yield from _branches(config, batch)


def _stem(config: ModelConfig, batch: int) -> Iterator[Piece]:
    side = config.input_size // config.stem_stride
    for number, width in enumerate(config.stem_widths, 1):
        unit = RegionUnit(3, width)
        for layer in (unit.fine, unit.middle, unit.coarse):
            channels = layer.norm.num_features // layer.tiles**2
            x = _normal(batch, channels, side, side)
            loops = TileLoop(layer)
            name = f"region unit {number}, {layer.tiles} × {layer.tiles} tiles"
            yield Piece(name, _form(layer), _form(loops), (x,))
        side //= 2


def _relation(config: ModelConfig, batch: int) -> Iterator[Piece]:
    aus = muscle_order(config.aus)
    n, channels, grid = len(aus), config.channels, config.grid
    patches = Patches(aus, CROP_SIZE, grid)
    faces = torch.tensor(MEAN_FACE).float() + 3 * torch.randn(batch, 49, 2)
    yield Piece(
        "patch maps (no gradient)", _form(patches), _form(PatchLoop(aus, patches)), (faces,)
    )

    feature = _normal(batch, channels, grid, grid)
    attention = patches(faces)
    recurrence = Recurrence(n, channels, skip=True, concat=config.gate == "concat")
    cells = recurrence.downward.cell, recurrence.upward.cell
    taps = tuple(cell.from_input.weight for cell in cells)

    def drives(feature: Tensor, attention: Tensor) -> list[Tensor]:
        # Both directions, as they share the neighbourhoods.
        around = neighbourhoods(feature), neighbourhoods(attention)
        return [each for cell in cells for each in cell.drives(*around)]

    loops = [DriveLoop(cell) for cell in cells]

    def convolutions(feature: Tensor, attention: Tensor) -> list[Tensor]:
        return [each for loop in loops for each in loop(feature, attention)]

    _form(recurrence)
    inputs = (feature, attention)
    yield Piece("drives of the ConvLSTMs", Form(drives, taps), Form(convolutions, taps), inputs)

    gates = recurrence.downward.gates
    states = tuple(_normal(batch, channels, grid, grid) for _ in range(n - 1))

    def weigh(function: Callable[..., Tensor]) -> Callable[..., Outputs]:
        def run(feature: Tensor, attention: Tensor, *states: Tensor) -> list[Tensor]:
            return [
                function(step, hidden, feature, attention[:, step + 1 :])
                for step, hidden in enumerate(states)
            ]

        return run

    if states and gates is not None:
        maps = tuple(gates.parameters())
        grouped, pairs = Form(weigh(gates), maps), Form(weigh(GateLoop(gates)), maps)
        yield Piece("skip gates, one direction", grouped, pairs, (*inputs, *states))
    yield Piece("skip-BiLSTM", _form(recurrence), _form(RecurrenceLoop(recurrence)), inputs)


def _branches(config: ModelConfig, batch: int) -> Iterator[Piece]:
    n, channels, grid = len(config.aus), config.channels, config.grid
    local = _normal(batch, n * channels, grid, grid)
    side = grid // FeatureBlocks.POOLING
    whole = _normal(batch, config.feature_widths[-1], side, side)
    fusion = Fusion(n, channels, config.feature_widths[-1])
    yield Piece("fusion", _form(fusion), _form(FusionLoop(fusion)), (local, whole))

    blocks = FeatureBlocks(channels, config.refine_widths, branches=n)
    nets = BranchLoop(blocks, channels, config.refine_widths, n)
    yield Piece("refining blocks", _form(blocks), _form(nets), (local,))

    refined = _normal(batch, n * config.refine_widths[-1], side, side)
    heads = AuHeads(n, config.refine_widths[-1], side, config.head_hidden)
    yield Piece("heads", _form(heads), _form(HeadLoop(heads)), (refined,))
