"""What the backends share: a graph of static batch size, run on any number of faces."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from runtime.backends.base import Outputs
from runtime.errors import ModelError
from runtime.landmarks import COUNT
from runtime.spec import INPUT_NAME, INTENSITY_NAME, OUTPUT_NAMES, ModelSpec


class FixedBatch(ABC):
    """A `Backend` over a graph of static batch size; a subclass opens the file and runs one batch.

    Attributes:
        spec: Set by the subclass, as the other attributes of `Backend`.
    """

    spec: ModelSpec
    _closed = False

    def __call__(self, faces: np.ndarray) -> Outputs:
        """Run the network on any number of faces, in batches of the file's size; see `Backend`."""
        self._check_open()
        side, batch = self.spec.crop_size, self.spec.batch
        if faces.dtype != np.uint8 or faces.shape[1:] != (side, side, 3):
            raise ValueError(
                f"the model takes ({batch}, {side}, {side}, 3) uint8, got {faces.shape} "
                f"{faces.dtype}"
            )

        def run(start: int) -> Sequence[np.ndarray]:
            part = faces[start : start + batch]
            if len(part) < batch:
                rest = np.zeros((batch - len(part), side, side, 3), np.uint8)
                part = np.concatenate([part, rest])
            return self._run(part)

        return self._in_batches(len(faces), run)

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the model has been closed: open it again")

    def _in_batches(self, count: int, run: Callable[[int], Sequence[np.ndarray]]) -> Outputs:
        """Collect what full batches give.

        Args:
            count: Of faces.
            run: Number of a batch's first face → outputs of the batch, which are copied.

        Returns:
            Of all faces.
        """
        batch = self.spec.batch
        shapes = _shapes(self.spec, count)
        results = [np.empty(shapes[name], np.float32) for name in self.spec.outputs]
        for start in range(0, count, batch):
            real = min(batch, count - start)
            for result, output in zip(results, run(start), strict=True):
                result[start : start + real] = output[:real]
        return Outputs(*results)

    def close(self) -> None:
        """Let go of the model, once; see `Backend`."""
        if not self._closed:
            self._closed = True
            self._release()

    @abstractmethod
    def _run(self, faces: np.ndarray) -> Sequence[np.ndarray]:
        """Run one full batch; the outputs, in the order of `ModelSpec.outputs`, are copied."""

    @abstractmethod
    def _release(self) -> None:
        """Drop what holds the model in memory."""


def check_ports(
    spec: ModelSpec, path: Path, ports: Mapping[str, tuple[str, Sequence[int | str]]]
) -> None:
    """Check that a graph is what its metadata says.

    Args:
        spec: The metadata.
        path: The file, for messages.
        ports: Name → NumPy's name of the type, and shape, of each input and output of the graph;
            dimensions that are not static as text.

    Raises:
        ModelError: An input or output is missing or of another type or shape.
    """
    wanted = {
        INPUT_NAME: ("uint8", [spec.batch, spec.crop_size, spec.crop_size, 3]),
    }
    shapes = _shapes(spec, spec.batch)
    wanted |= {name: ("float32", list(shapes[name])) for name in spec.outputs}
    for name, (dtype, shape) in wanted.items():
        there = f"{ports[name][0]} {list(ports[name][1])}" if name in ports else "none"
        if there != f"{dtype} {shape}":
            raise ModelError(
                f"model {path}: {name!r} should be {dtype} {shape} as its metadata says, the "
                f"graph has {there}: export it again"
            )


def _shapes(spec: ModelSpec, faces: int) -> dict[str, tuple[int, ...]]:
    """Tell the shapes of all outputs that a model may have, by name."""
    per_au = (faces, len(spec.aus))
    return {OUTPUT_NAMES[0]: per_au, OUTPUT_NAMES[1]: (faces, COUNT, 2), INTENSITY_NAME: per_au}
