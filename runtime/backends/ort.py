"""ONNX Runtime, on the CPU or an NVIDIA GPU."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from runtime.backends.base import gpu_index
from runtime.backends.fixed_batch import FixedBatch, check_ports
from runtime.backends.inherited import remember
from runtime.backends.ort_gpu import (
    CPU,
    CUDA,
    NAMES,
    TENSORRT,
    BoundSession,
    missing_library,
    providers,
    tensorrt_precision,
)
from runtime.backends.telemetry import import_onnxruntime
from runtime.errors import DeviceError, ModelError, SpecError
from runtime.installed import how_to_install
from runtime.spec import INPUT_NAME, ModelSpec

logger = logging.getLogger(__name__)

_DTYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}


class _Unusable(Exception):
    """Why a GPU cannot be used."""


class OrtBackend(FixedBatch):
    """An ``.onnx`` file in ONNX Runtime; attributes as in `Backend`, errors as in `open_backend`.

    Args:
        path: The file.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"auto"``.
        threads: CPU threads.
        tensorrt: Run it by TensorRT's execution provider, whose engines are kept in the user's
            cache; on a GPU only.
    """

    def __init__(self, path: Path, device: str, threads: int, tensorrt: bool = False) -> None:
        try:
            onnxruntime = import_onnxruntime()
        except ImportError as error:
            raise ImportError(
                f"ONNX Runtime does not load ({error}): {how_to_install('cpu')}, or with gpu "
                "instead of cpu for NVIDIA GPUs"
            ) from error
        if tensorrt and device == "cpu":
            raise DeviceError(
                "device 'cpu' was asked for, but TensorRT runs on NVIDIA GPUs: give device cuda, "
                "or backend onnxruntime"
            )
        self._ort = onnxruntime
        self.engine = "tensorrt" if tensorrt else "onnxruntime"
        self.threads = threads
        self._wanted = TENSORRT if tensorrt else CUDA
        self._bound: BoundSession | None = None
        remember(self)
        self._session, self.device, recorded = self._open(
            path, "cuda" if tensorrt and device == "auto" else device
        )
        on_cpu = self.device == "cpu"
        self.provider = f"onnxruntime {onnxruntime.__version__} {CPU if on_cpu else self._wanted}"
        if recorded:
            self.provider += ", CUDA graph"
        self.spec = _checked(self._session, path)
        # On a CPU ONNX Runtime has kernels of few operators in fp16, and casts around all others.
        halves = self.spec.precision == "fp16" and on_cpu
        # Its 8-bit convolutions also give 8-bit outputs, which files made for others do not.
        foreign = self.spec.precision == "int8" and self.spec.engine != self.engine
        self.precision = "fp32" if halves or foreign else self.spec.precision
        if tensorrt:
            self.precision = tensorrt_precision(self.precision)

    def _run(self, faces: np.ndarray) -> list[np.ndarray]:
        if self._bound is not None:
            return self._bound(faces)
        return self._session.run(list(self.spec.outputs), {INPUT_NAME: faces})

    def _release(self) -> None:
        self._session = self._bound = None

    def _open(self, path: Path, device: str) -> tuple[Any, str, bool]:
        """Open the file on the device, and know that it is really there.

        Returns:
            The session, its device, and whether it is recorded as a CUDA graph.
        """
        if device != "cpu":
            index = gpu_index(device)
            try:
                return self._open_on_gpu(path, index)
            except _Unusable as reason:
                if self._wanted == TENSORRT:  # which has nowhere else to go, whatever the device
                    raise DeviceError(
                        f"backend 'tensorrt' was asked for, but {reason}; or give backend "
                        "onnxruntime"
                    ) from reason
                if device != "auto":
                    raise DeviceError(
                        f"device {device!r} was asked for, but {reason}; or ask for cpu or auto"
                    ) from reason
                logger.info("using the CPU: %s", reason)
        return self._open_on_cpu(path), "cpu", False

    def _open_on_cpu(self, path: Path) -> Any:
        try:
            return self._session_on(path, [CPU])
        except Exception as error:  # ONNX Runtime's exceptions have no base of their own
            raise ModelError(
                f"model {path} cannot be opened by ONNX Runtime {self._ort.__version__}; it is "
                f"damaged, or not an ONNX file: {_first_line(error)}"
            ) from error

    def _open_on_gpu(self, path: Path, index: int) -> tuple[Any, str, bool]:
        version, kind = self._ort.__version__, self._wanted
        if kind not in self._ort.get_available_providers():
            raise _Unusable(
                f"this onnxruntime {version} was built without {NAMES[kind]}: pip uninstall "
                f"onnxruntime, then {how_to_install('gpu')}"
            )
        precision = "fp32"  # which CUDA need not be told
        if kind == TENSORRT:
            precision = _spec(self._open_on_cpu(path), path).precision
        unrecorded = ""
        for record in (True, False):
            try:
                session = self._session_on(path, providers(kind, index, precision, record, path))
                # ONNX Runtime logs a provider that fails and goes on without it: ask what is there.
                there = kind in session.get_providers()
                if there:
                    self._bind(session, path, index)
            except (ModelError, SpecError):
                raise
            except Exception as error:  # as on the CPU, where a damaged file fails as well
                unrecorded = _first_line(error)
                continue
            if not there:
                missing = missing_library(kind, self._ort)
                raise _Unusable(
                    f"CUDA device {index} could not be used{f' ({missing})' if missing else ''}: "
                    "check nvidia-smi, and that the CUDA, cuDNN and TensorRT that "
                    f"onnxruntime-gpu {version} wants are installed"
                )
            if not record:
                logger.warning("%s is not recorded as a CUDA graph: %s", path, unrecorded)
            return session, f"cuda:{index}", record
        self._open_on_cpu(path)  # a damaged file is no fault of the GPU
        raise _Unusable(f"ONNX Runtime {version} cannot run the model there: {unrecorded}")

    def _bind(self, session: Any, path: Path, index: int) -> None:
        """Give a session its memory on the GPU, and run it: only then it is recorded, or fails."""
        session.disable_fallback()
        spec = _checked(session, path)
        bound = BoundSession(self._ort, session, spec, "cuda", index)
        bound(np.zeros((spec.batch, spec.crop_size, spec.crop_size, 3), np.uint8))
        self._bound = bound

    def _session_on(self, path: Path, chosen: list[Any]) -> Any:
        options = self._ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        if chosen == [CPU]:
            # Errors alone, which are raised too: it warns of each product of fp16 constants, which
            # it computes when it runs. On GPUs a warning may say why they are not used.
            options.log_severity_level = 3
        return self._ort.InferenceSession(str(path), options, providers=chosen)


def _checked(session: Any, path: Path) -> ModelSpec:
    """Read a session's metadata, and check that the graph is what it says."""
    spec = _spec(session, path)
    ports = [*session.get_inputs(), *session.get_outputs()]
    there = {port.name: (_DTYPES.get(port.type, port.type), port.shape) for port in ports}
    check_ports(spec, path, there)
    return spec


def _spec(session: Any, path: Path) -> ModelSpec:
    try:
        metadata = session.get_modelmeta().custom_metadata_map
    except UnicodeDecodeError as error:
        raise ModelError(f"model {path} is damaged ({error}): export or copy it again") from error
    return ModelSpec.from_metadata(metadata, str(path))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
