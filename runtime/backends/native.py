"""The project's own engine (`runtime.native`), on the CPU."""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from runtime.backends.fixed_batch import FixedBatch
from runtime.errors import DeviceError, ModelError
from runtime.landmarks import COUNT
from runtime.native.library import HistogramCallback, find_library
from runtime.native.model import NativeModel, NetworkShape, read_model
from runtime.one_thread import OneThread

_MESSAGE = 500  # bytes


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
        self._process, self._alone = os.getpid(), OneThread("model", "open one for each")
        self._arrays = model.arrays  # the engine reads some of them where they are
        name = path if isinstance(path, Path) else "in memory"
        self._handle: int | None = self._open(model, name)

    def _open(self, model: NativeModel, name: Path | str) -> int:
        arrays = list(model.arrays.values())
        count = len(arrays)
        handle, message = _call(
            self._library.lgrnet_open,
            ctypes.byref(_Shape.of(model.shape)),
            (ctypes.c_char_p * count)(*(key.encode() for key in model.arrays)),
            (ctypes.c_void_p * count)(*(array.ctypes.data for array in arrays)),
            (ctypes.c_int64 * count)(*(array.size for array in arrays)),
            count,
            self.threads,
        )
        if not handle:
            raise ModelError(f"model {name} cannot be opened by the native engine: {message}")
        return handle

    def observe(self) -> None:
        """From now on count what the layers see; for a float32 model on one thread.

        Raises:
            ValueError: There are more threads, which would count over each other.
        """
        if self.threads != 1:
            raise ValueError(f"layers are observed on 1 thread, not {self.threads}")
        self._do(self._library.lgrnet_observe)

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

        self._do(self._library.lgrnet_histograms, HistogramCallback(take))
        return found

    def _run(self, faces: np.ndarray) -> list[np.ndarray]:
        faces = np.ascontiguousarray(faces)
        probability = np.empty((len(faces), len(self.spec.aus)), np.float32)
        landmarks = np.empty((len(faces), COUNT, 2), np.float32)
        intensity = np.empty_like(probability)
        for each in zip(faces, probability, landmarks, intensity, strict=True):
            self._do(self._library.lgrnet_run, *(array.ctypes.data for array in each))
        return [probability, landmarks, *([intensity] if self.spec.intensity else [])]

    def _do(self, function: Callable[..., int], *arguments: object) -> None:
        with self._alone:  # two in one engine would write into the same memory
            done, message = _call(function, self._handle, *arguments)
        if not done:
            raise RuntimeError(f"the native engine could not go on: {message}")

    def _release(self) -> None:
        with self._alone:
            handle, self._handle = self._handle, None
            # A forked child has none of the threads that closing waits for.
            if handle and os.getpid() == self._process:
                self._library.lgrnet_close(handle)

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._release()


def _call(function: Callable[..., int | None], *arguments: object) -> tuple[int | None, str]:
    """Call a function of the engine; what it returns, and what it says if that is nothing."""
    message = ctypes.create_string_buffer(_MESSAGE)
    returned = function(*arguments, message, _MESSAGE)
    return returned, message.value.decode(errors="replace")


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
