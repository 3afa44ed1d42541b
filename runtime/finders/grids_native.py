"""What the cells of the packaged face finder say, as the native engine computes it."""

import ctypes
import json
from pathlib import Path
from typing import Any

import numpy as np

from runtime.errors import ModelError
from runtime.files.digest import file_sha256
from runtime.finders.network import CHANNELS, STRIDES
from runtime.native.archive import as_weights, read_archive
from runtime.native.handle import Handle
from runtime.native.library import find_library

MODEL = Path(__file__).with_name("network.npz")
"""The packaged network; ``python -m export.finder`` writes it."""

KEY, FORMAT = "finder", "lgrnet-face-finder-1"
"""Name in the file of what it says of itself, a JSON object; and its ``format``."""

STAGES = 4
"""Of the network; each halves the picture once."""


class NativeGrids:
    """`runtime.finders.network.Grids` of an ``.npz`` file.

    Args:
        threads: CPU threads.
        path: Written by ``python -m export.finder``; None for the packaged file, `MODEL`.

    Raises:
        ImportError: The engine is not compiled for this machine.
        ModelError: The file is missing or damaged.
    """

    engine = "native"

    def __init__(self, threads: int = 1, path: Path | None = None) -> None:
        path = path or MODEL
        library = find_library()
        self._run = library.lgrnet_finder_run
        try:
            content = read_archive(path)
            told: dict[str, Any] = json.loads(str(content.pop(KEY)))
            if told["format"] != FORMAT:
                raise ValueError(f"its format is {told['format']!r}")
            shape = _Shape(
                (ctypes.c_int32 * (STAGES + 1))(*told["widths"]),
                (ctypes.c_int32 * STAGES)(*told["depths"]),
                told["features"],
            )
            functions = library.lgrnet_finder_open, library.lgrnet_finder_close
            self._handle = Handle(functions, shape, as_weights(content), threads, "face finder")
            self.sha256 = file_sha256(path)
        except (KeyError, TypeError, IndexError, ValueError, RecursionError, ModelError) as error:
            raise ModelError(
                f"the packaged face finder {path} cannot be used by the native engine: reinstall "
                f"lgrnet ({error})"
            ) from error

    def __call__(self, picture: np.ndarray) -> list[np.ndarray]:
        """See `runtime.finders.network.Grids`."""
        picture = np.ascontiguousarray(picture)
        height, width = picture.shape[:2]
        grids = [np.empty((height // s, width // s, CHANNELS), np.float32) for s in STRIDES]
        addresses = [grid.ctypes.data for grid in grids]
        self._handle.do(self._run, picture.ctypes.data, height, width, *addresses)
        return [np.moveaxis(grid, -1, 0) for grid in grids]


class _Shape(ctypes.Structure):
    """``lgrnet::FinderShape`` of ``runtime/native/engine/finder.hpp``."""

    _fields_ = (
        ("widths", ctypes.c_int32 * (STAGES + 1)),
        ("depths", ctypes.c_int32 * STAGES),
        ("features", ctypes.c_int32),
    )
