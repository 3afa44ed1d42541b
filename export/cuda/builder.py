"""Collecting arrays and launches, before memory is given out."""

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from export.cuda.kernels import KERNELS, WRITES
from export.cuda.tiles import Tile, tile_of
from runtime.cuda.launch_plan import FRAME_NAME, Launch

Constant = int | float | bool


@dataclass(frozen=True)
class Kernel:
    """A kernel with its constants, which make one piece of machine code.

    Attributes:
        name: Key of :data:`export.cuda.kernels.KERNELS`.
        constants: Name → value.
        types: Of the other arguments, in their order: NumPy's names, or ``"int"``.
        warps: Of 32 threads, in a program.
        stages: Loads that are under way at a time in its loops.
    """

    name: str
    constants: Mapping[str, Constant]
    types: tuple[str, ...]
    warps: int = 4
    stages: int = 3

    @property
    def key(self) -> str:
        """A short name that no other has."""
        text = json.dumps(
            [self.name, dict(self.constants), self.types, self.warps, self.stages], sort_keys=True
        )
        return f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


@dataclass
class Builder:
    """A network in the making.

    Attributes:
        weights: Name → array.
        shapes: Name → shape and type of what is computed.
        kernels: Key → kernel.
        launches: So far.
        cut: What makes the input of a frame.
        choose: Piece of work and what a rule says → its tile.
        works: Key of a kernel → the piece of work that its tile was chosen for.
    """

    weights: dict[str, np.ndarray] = field(default_factory=dict)
    shapes: dict[str, tuple[tuple[int, ...], str]] = field(default_factory=dict)
    kernels: dict[str, Kernel] = field(default_factory=dict)
    launches: list[Launch] = field(default_factory=list)
    cut: Launch | None = None
    choose: Callable[[str, Tile], Tile] = tile_of
    works: dict[str, str] = field(default_factory=dict)

    def weight(self, name: str, array: np.ndarray, dtype: str) -> str:
        """Add an array that the file holds; returns its name.

        Raises:
            FloatingPointError: A number is not finite, or not in that type.
        """
        with np.errstate(over="raise"):
            stored = np.ascontiguousarray(array).astype(dtype)
        if not np.isfinite(stored).all():
            raise FloatingPointError(f"{name} holds numbers that are not finite")
        self.weights[name] = stored
        return name

    def array(self, name: str, shape: tuple[int, ...], dtype: str = "float16") -> str:
        """Add an array that is computed; returns its name."""
        self.shapes[name] = (shape, dtype)
        return name

    def launch(
        self,
        kernel: str,
        grid: tuple[int, int, int],
        constants: Mapping[str, Constant],
        work: str | None = None,
        **how: Any,
    ) -> None:
        """Start a kernel after those before; `work` as in `works`, else see :meth:`started`."""
        made = self.started(kernel, grid, constants, **how)
        self.launches.append(made)
        if work is not None:
            self.works[made.code] = work

    def started(
        self,
        kernel: str,
        grid: tuple[int, int, int],
        constants: Mapping[str, Constant],
        cooperative: bool = False,
        warps: int = 4,
        stages: int = 3,
        **arguments: str | int,
    ) -> Launch:
        """Describe the start of a kernel.

        Args:
            kernel: Its name.
            grid: Blocks along three axes.
            constants: Its arguments in capitals.
            cooperative: Whether its programs wait for each other.
            warps: See :class:`Kernel`, as for `stages`.
            stages: See warps.
            **arguments: The others: names of arrays, or whole numbers.

        Returns:
            The launch.

        Raises:
            TypeError: The arguments are not the kernel's.
        """
        parameters = list(inspect.signature(KERNELS[kernel]).parameters)
        names = [each for each in parameters if each not in constants]
        if set(names) != set(arguments) or not set(constants) <= set(parameters):
            raise TypeError(f"{kernel} takes {parameters}, got {[*arguments, *constants]}")
        values = tuple(arguments[name] for name in names)
        made = Kernel(kernel, dict(constants), tuple(map(self._type, values)), warps, stages)
        self.kernels[made.key] = made
        written = (arguments[name] for name in WRITES.get(kernel, ("out",)))
        writes = tuple(name for name in written if isinstance(name, str))  # numbers are read only
        return Launch(made.key, values, writes, grid, cooperative)

    def _type(self, value: str | int) -> str:
        if isinstance(value, int):
            return "int"
        if value == FRAME_NAME:
            return "uint8"
        return self.shapes[value][1] if value in self.shapes else self.weights[value].dtype.name
