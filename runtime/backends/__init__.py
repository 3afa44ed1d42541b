"""What runs an exported model: one file a runtime library, chosen by name."""

import logging
import re
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from runtime.backends.base import Backend, FrameBackend
from runtime.backends.threads import default_threads
from runtime.errors import DeviceError, ModelError
from runtime.packaged import MADE_FOR, no_such_model
from runtime.spec import ENGINES, ONNX_ENGINES

if TYPE_CHECKING:
    from runtime.backends.fused import FusedBackend

__all__ = ["Backend", "FrameBackend", "open_backend"]

MOST_THREADS = 1024
"""More are a mistake."""

logger = logging.getLogger(__name__)

DEFAULTS = {".onnx": "onnxruntime", ".npz": "native", ".engine": "tensorrt", ".fused": "fused"}
"""Suffix of a model file → what runs it if nothing else is asked for."""

_RUNS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(ONNX_ENGINES, (".onnx",)),
    "native": (".npz",),
    "tensorrt": (".engine", ".onnx"),
    "fused": (".fused",),
}
_EXPORTERS = {
    ".onnx": "export a checkpoint with `python -m export.onnx CHECKPOINT`",
    ".npz": "export a checkpoint with `python -m export.native CHECKPOINT`",
    ".engine": "build one with `python -m export.tensorrt MODEL.onnx`",
    ".fused": "export a checkpoint with `python -m export.cuda CHECKPOINT`",
}


@overload
def open_backend(
    path: str | Path,
    device: str = "cpu",
    threads: int | None = None,
    *,
    backend: Literal["fused"],
    precision: str | None = None,
) -> "FusedBackend": ...


@overload
def open_backend(
    path: str | Path,
    device: str = "cpu",
    threads: int | None = None,
    backend: str | None = None,
    precision: str | None = None,
) -> Backend: ...


def open_backend(
    path: str | Path,
    device: str = "cpu",
    threads: int | None = None,
    backend: str | None = None,
    precision: str | None = None,
) -> Backend:
    """Open an exported model.

    Args:
        path: The file: ``.onnx``, ``.npz`` for the native engine, ``.engine`` for TensorRT or
            ``.fused`` for our GPU kernels.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, or ``"auto"`` for CUDA where it works and the
            CPU elsewhere. OpenVINO and the native engine run on the CPU only, TensorRT and our
            GPU kernels on GPUs.
        threads: CPU threads; None for one a physical core that this process may use, see
            `default_threads`. OpenVINO takes no more than there are cores.
        backend: ``"onnxruntime"``, ``"openvino"``, ``"native"``, ``"tensorrt"`` or ``"fused"``;
            None for what the kind of file is for: ONNX Runtime for ``.onnx``, the native engine for
            ``.npz``, TensorRT for ``.engine``, our GPU kernels for ``.fused``. ``"tensorrt"`` with
            an ``.onnx`` file is ONNX Runtime's TensorRT execution provider.
        precision: None to compute as the file says (`Backend.precision` tells what that is here),
            or ``"bf16"`` to have OpenVINO compute most of what is floating point in bfloat16:
            faster where the CPU has it, with 8 significant bits. Some graphs bear that badly, so
            compare the probabilities before you rely on it.

    Returns:
        The backend, ready to run.

    Raises:
        FileNotFoundError: There is no such file.
        ModelError: The file is not a model, of an unknown kind, or breaks the contract.
        SpecError: The file is a model, but not one of this project's exports.
        DeviceError: The device is unknown or does not work, or does not have the precision.
        ImportError: The library that runs such files is not installed.
        ValueError: The backend or the precision is unknown.
    """
    path = Path(path)
    if backend is None:
        backend = DEFAULTS.get(path.suffix.lower(), "onnxruntime")
    if backend not in ENGINES:
        raise ValueError(f"backend {backend!r} is unknown: give {' or '.join(map(repr, ENGINES))}")
    if precision not in (None, "bf16"):
        raise ValueError(
            f"precision {precision!r} is unknown: give 'bf16', or None to compute as the file says"
        )
    if precision == "bf16" and backend != "openvino":
        # OpenVINO would refuse files of other engines next.
        model = "" if path.suffix.lower() == ".onnx" else " with an .onnx model such as 'edge'"
        raise DeviceError(
            f"precision 'bf16' was asked for, but {backend} computes as the file says: give "
            f"backend 'openvino' too{model}, or no precision"
        )
    if not isinstance(device, str) or not re.fullmatch(r"cpu|auto|cuda(:\d+)?", device):
        raise DeviceError(f"unknown device {device!r}: give cpu, cuda, cuda:N or auto")
    if threads is not None and not (isinstance(threads, Integral) and 1 <= threads <= MOST_THREADS):
        raise DeviceError(f"{threads} threads cannot be had: give 1 to {MOST_THREADS}")
    if not path.exists():
        raise no_such_model(path)
    if not path.is_file():
        raise ModelError(f"model {path} is not a file: give an .onnx, .npz, .engine or .fused file")
    suffixes = _RUNS[backend]
    if path.suffix.lower() not in suffixes:
        packaged = f", or give {MADE_FOR[backend]!r}" if backend in MADE_FOR else ""
        raise ModelError(
            f"model {path} has the suffix {path.suffix or '(none)'!r}, {backend} runs only "
            f"{' and '.join(suffixes)}: {_EXPORTERS[suffixes[0]]}{packaged}"
        )
    if not path.stat().st_size:
        raise ModelError(f"model {path} is empty: {_EXPORTERS[path.suffix.lower()]}")
    opened = _open(path, device, threads or default_threads(), backend, precision)
    if opened.spec.engine != backend:
        logger.info("%s was tuned for %s and runs in %s", path, opened.spec.engine, backend)
    return opened


def _open(path: Path, device: str, threads: int, backend: str, precision: str | None) -> Backend:
    if backend == "openvino":
        from runtime.backends.openvino import OpenVinoBackend

        return OpenVinoBackend(path, device, threads, bf16=precision == "bf16")
    if backend == "native":
        from runtime.backends.native import NativeBackend

        return NativeBackend(path, device, threads)
    if backend == "fused":
        from runtime.backends.fused import FusedBackend

        return FusedBackend(path, device, threads)
    if backend == "tensorrt" and path.suffix.lower() == ".engine":
        from runtime.backends.tensorrt import TensorRtBackend

        return TensorRtBackend(path, device, threads)
    if backend in ("onnxruntime", "tensorrt"):
        from runtime.backends.ort import OrtBackend

        return OrtBackend(path, device, threads, tensorrt=backend == "tensorrt")
    raise NotImplementedError(f"{backend} is one of runtime.spec.ENGINES, and nothing opens it")
