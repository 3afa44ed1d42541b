"""The project's own engine (`runtime.native`), on the CPU."""

import ctypes
from pathlib import Path
from typing import Any

import numpy as np

from runtime.backends.fixed_batch import FixedBatch
from runtime.errors import DeviceError, ModelError
from runtime.landmarks import COUNT
from runtime.native.handle import Handle
from runtime.native.library import HistogramCallback, find_library
from runtime.native.model import NativeModel, NetworkShape, read_model


class NativeBackend(FixedBatch):
    """An ``.npz`` file in the native engine; attributes and errors as in `Backend`, `open_backend`.

    Args:
        path: The file, or what it holds.
        device: ``"cpu"`` or ``"auto"``, which is the CPU.
        threads: CPU threads.
    """

    engine = "native"
    device = "cpu"

    def __init__(self, path: Path | NativeModel, device: str, threads: int) -> None:
        if device.startswith("cuda"):
            raise DeviceError(
                f"device {device!r} was asked for, but the native engine runs on CPUs: give "
                "an .onnx model such as 'edge' to backend 'onnxruntime', or device cpu or auto"
            )
        self._library = find_library()
        model = path if isinstance(path, NativeModel) else read_model(path)
        self.spec = model.spec
        self.precision = self.spec.precision
        self.threads = threads
        self.provider = f"native {self._library.lgrnet_instruction_set().decode()}"
        name = path if isinstance(path, Path) else "in memory"
        functions = self._library.lgrnet_open, self._library.lgrnet_close
        try:
            self._handle = Handle(functions, _Shape.of(model.shape), model.arrays, threads, "model")
        except ValueError as error:
            raise ModelError(
                f"model {name} cannot be opened by the native engine: {error}"
            ) from error

    def observe(self) -> None:
        """From now on count what the layers see; for a float32 model on one thread.

        Raises:
            ValueError: There are more threads, which would count over each other.
        """
        if self.threads != 1:
            raise ValueError(f"layers are observed on 1 thread, not {self.threads}")
        self._handle.do(self._library.lgrnet_observe)

    def histograms(self) -> dict[str, np.ndarray]:
        """Give what was counted since `observe`.

        Returns:
            Name of a layer → counts of |x|, (groups, positions, 256) float32; the bins are those of
            ``engine/histogram.hpp``.
        """
        found = {}

        def take(name: bytes, groups: int, positions: int, counts: Any) -> None:
            shape = (groups, positions, 256)
            found[name.decode()] = np.ctypeslib.as_array(counts, shape).copy()

        self._handle.do(self._library.lgrnet_histograms, HistogramCallback(take))
        return found

    def _run(self, faces: np.ndarray) -> list[np.ndarray]:
        faces = np.ascontiguousarray(faces)
        probability = np.empty((len(faces), len(self.spec.aus)), np.float32)
        landmarks = np.empty((len(faces), COUNT, 2), np.float32)
        intensity = np.empty_like(probability)
        for each in zip(faces, probability, landmarks, intensity, strict=True):
            self._handle.do(self._library.lgrnet_run, *(array.ctypes.data for array in each))
        return [probability, landmarks, *([intensity] if self.spec.intensity else [])]

    def _release(self) -> None:
        self._handle.close()


class _Shape(ctypes.Structure):
    """``lgrnet::Shape`` of ``engine/network.hpp``."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("aus", "crop", "input", "stride", "grid", "cells")),
        ("radius", ctypes.c_int32),
        ("stem", ctypes.c_int32 * 2),
        ("feature", ctypes.c_int32 * 3),
        ("refine", ctypes.c_int32 * 3),
        ("cells_per_pixel", ctypes.c_float),
        ("slope", ctypes.c_float),
    )

    @classmethod
    def of(cls, shape: NetworkShape) -> "_Shape":
        values = [
            kind(*value) if isinstance(value := getattr(shape, name), tuple) else value
            for name, kind, *_ in cls._fields_
        ]
        return cls(*values)
