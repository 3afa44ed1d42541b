"""The files of the native engine: NumPy archives of weights, with what they say of themselves."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from runtime.errors import ModelError, SpecError
from runtime.landmarks import COUNT
from runtime.native.archive import as_weights, read_archive, write_archive
from runtime.spec import METADATA_KEY, ModelSpec

SHAPE_KEY = "shape"

WIDEST = 4096
"""Most channels of a map, the engine's own limit."""

FARTHEST = 1e6
"""Above any scale or slope of patches that makes sense."""


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """What decides the sizes of the network's arrays; `lgrnet.network.config` tells the story.

    Attributes:
        aus: Number of AUs.
        crop: Side of the face, pixels.
        input: Side at which the network works, pixels.
        stride: Stride of the first convolution.
        grid: Cells along a side of F.
        cells: Cells along a side of the grid on which patches are drawn: `grid`, or 8 more.
        radius: Cells that a patch reaches from its centres.
        stem: Channels of the two region units.
        feature: Channels of the three blocks of the alignment and of the global network.
        refine: Channels of the three refining blocks.
        cells_per_pixel: From pixels of the crop to cells.
        slope: How much a patch loses a cell away from its centre.
    """

    aus: int
    crop: int
    input: int
    stride: int
    grid: int
    cells: int
    radius: int
    stem: tuple[int, int]
    feature: tuple[int, int, int]
    refine: tuple[int, int, int]
    cells_per_pixel: float
    slope: float

    def __post_init__(self) -> None:
        """Check what the engine relies on."""
        widths = (*self.stem, *self.feature, *self.refine)
        sides = (self.crop, self.input, self.grid, self.cells)
        sizes = (self.aus, self.stride, self.radius, *sides, *widths)
        sound = (
            all(type(size) is int and 0 < size <= WIDEST for size in sizes)
            and (len(self.stem), len(self.feature), len(self.refine)) == (2, 3, 3)
            and all(0 < factor < FARTHEST for factor in (self.cells_per_pixel, self.slope))
            and self.input % (16 * self.stride) == 0
            and self.grid == self.input // (4 * self.stride) >= 8
            and self.cells in (self.grid, self.grid + 8)
            and all(width % 4 == 0 for width in self.stem)
        )
        if not sound:
            raise ValueError(f"no such network: {self}")


@dataclass(frozen=True, slots=True, eq=False)
class NativeModel:
    """A model file's content.

    Attributes:
        spec: What the file says of itself.
        shape: The network.
        arrays: Name → weights, float32 in memory; ``NAME.range`` are the ranges of what layer NAME
            sees, without which it is computed in floating point. See ``engine/network.hpp``.
    """

    spec: ModelSpec
    shape: NetworkShape
    arrays: Mapping[str, np.ndarray]


def write_model(path: Path, model: NativeModel) -> None:
    """Write a model file; weights of an int8 model are stored in half precision.

    Args:
        path: Where to, ``.npz``.
        model: The content.

    Raises:
        ValueError: A weight is not finite, or too large for half precision.
    """
    stored = np.float16 if model.spec.precision == "int8" else np.float32
    with np.errstate(over="ignore"):  # what has become infinite is found below
        arrays = {
            name: array.astype(stored if name.endswith(".weight") else np.float32)
            for name, array in model.arrays.items()
        }
    _check_ranges(arrays)
    texts = {**model.spec.to_metadata(), SHAPE_KEY: json.dumps(asdict(model.shape))}
    write_archive(path, texts, arrays)


def read_model(path: Path) -> NativeModel:
    """Read a model file.

    Args:
        path: Written by `write_model`.

    Returns:
        Its content.

    Raises:
        ModelError: The file is damaged, or no model of the native engine.
        SpecError: The file is of another version, or does not say what it is.
    """
    content = read_archive(path)
    texts = {key: str(content.pop(key)) for key in (METADATA_KEY, SHAPE_KEY) if key in content}
    spec = ModelSpec.from_metadata(texts, str(path))
    try:
        told = dict(json.loads(texts[SHAPE_KEY]))
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in told.items()
        }
        shape = NetworkShape(**values)
        arrays = as_weights(content)
        _check_ranges(arrays)
        _check_indices(arrays, shape)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ModelError(f"model {path} is not usable ({error}): export it again") from error
    network = (shape.aus, shape.crop, "strength.weight" in arrays)
    if (*network, spec.batch) != (len(spec.aus), spec.crop_size, spec.intensity, 1):
        raise SpecError(f"{path}: its metadata do not fit its network: export it again")
    return NativeModel(spec, shape, arrays)


def _check_ranges(arrays: Mapping[str, np.ndarray]) -> None:
    for name, array in arrays.items():
        if name.endswith(".range") and not (array > 0).all():
            raise ValueError(f"{name} holds ranges that are not above 0")


def _check_indices(arrays: Mapping[str, np.ndarray], shape: NetworkShape) -> None:
    """Check the arrays that the engine takes as places in others."""
    if sorted(arrays["heads.order"].ravel()) != list(range(shape.aus)):
        raise ValueError("heads.order is no order of the AUs")
    for name in ("patches.points", "patches.eyes"):
        if not np.isin(arrays[name], np.arange(COUNT)).all():
            raise ValueError(f"{name} names landmarks that there are not")
