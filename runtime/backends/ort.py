"""ONNX Runtime."""

import logging
import os
import re
from pathlib import Path

import numpy as np

from runtime.errors import DeviceError, ModelError
from runtime.landmarks import COUNT
from runtime.spec import INPUT_NAME, OUTPUT_NAMES, ModelSpec

logger = logging.getLogger(__name__)

_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class OrtBackend:
    """An ``.onnx`` file in ONNX Runtime; arguments and errors as in `open_backend`.

    Args:
        path: The file.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"auto"``.
        threads: CPU threads; None for one a core.
    """

    def __init__(self, path: Path, device: str = "cpu", threads: int | None = None) -> None:
        if not re.fullmatch(r"cpu|auto|cuda(:\d+)?", device):
            raise DeviceError(f"unknown device {device!r}: give cpu, cuda, cuda:N or auto")
        if threads is not None and threads < 1:
            raise DeviceError(f"{threads} threads cannot run anything: give 1 or more")
        try:
            import onnxruntime
        except ImportError as error:
            raise ImportError(
                f'ONNX Runtime does not load ({error}): pip install "lgrnet[cpu]", or '
                '"lgrnet[gpu]" for NVIDIA GPUs'
            ) from error
        self._ort = onnxruntime
        self.threads = threads or _cores()
        self._session, self.device = self._open(path, device)
        provider = _CUDA if self.device != "cpu" else _CPU
        self.provider = f"onnxruntime {onnxruntime.__version__} {provider}"
        self.spec = ModelSpec.from_metadata(
            self._session.get_modelmeta().custom_metadata_map, str(path)
        )
        self._check_contract(path)

    def __call__(self, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Run the network on any number of faces, in batches of the file's size; see `Backend`."""
        if self._session is None:
            raise RuntimeError("the model has been closed: open a new Detector")
        side, batch = self.spec.crop_size, self.spec.batch
        if faces.dtype != np.uint8 or faces.shape[1:] != (side, side, 3):
            raise ValueError(
                f"the model takes ({batch}, {side}, {side}, 3) uint8, got {faces.shape} "
                f"{faces.dtype}"
            )
        count = len(faces)
        probability = np.empty((count, len(self.spec.aus)), np.float32)
        landmarks = np.empty((count, COUNT, 2), np.float32)
        for start in range(0, count, batch):
            part = faces[start : start + batch]
            real = len(part)
            if real < batch:
                part = np.concatenate([part, np.zeros((batch - real, side, side, 3), np.uint8)])
            outputs = self._session.run(list(OUTPUT_NAMES), {INPUT_NAME: part})
            probability[start : start + real] = outputs[0][:real]
            landmarks[start : start + real] = outputs[1][:real]
        return probability, landmarks

    def close(self) -> None:
        """Let go of the model; see `Backend`."""
        self._session = None

    def _open(self, path: Path, device: str):
        """Open the file on the device, and know that it is really there."""
        if device != "cpu":
            index = int(device.partition(":")[2] or 0)
            session, reason = self._try_cuda(path, index)
            if session is not None:
                return session, f"cuda:{index}"
            if device != "auto":
                raise DeviceError(
                    f"device {device!r} was asked for, but {reason}; or ask for cpu or auto"
                )
            logger.info("using the CPU: %s", reason)
        try:
            return self._session_on(path, [_CPU]), "cpu"
        except Exception as error:  # ONNX Runtime's exceptions have no base of their own
            raise ModelError(
                f"model {path} cannot be opened by ONNX Runtime {self._ort.__version__}; it is "
                f"damaged, or not an ONNX file: {_first_line(error)}"
            ) from error

    def _try_cuda(self, path: Path, index: int):
        version = self._ort.__version__
        if _CUDA not in self._ort.get_available_providers():
            return None, (
                f"this onnxruntime {version} was built without CUDA: pip uninstall onnxruntime, "
                'then pip install "lgrnet[gpu]"'
            )
        try:
            session = self._session_on(path, [(_CUDA, {"device_id": index}), _CPU])
        except Exception as error:  # as above; a damaged file fails on the CPU as well
            return None, f"ONNX Runtime {version} cannot run the model there: {_first_line(error)}"
        # ONNX Runtime logs a provider that fails and goes on without it: ask what became active.
        if _CUDA not in session.get_providers():
            return None, (
                f"CUDA device {index} could not be used: check nvidia-smi, and that the CUDA and "
                f"cuDNN that onnxruntime-gpu {version} wants are installed"
            )
        session.disable_fallback()
        return session, ""

    def _session_on(self, path: Path, providers: list):
        options = self._ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        return self._ort.InferenceSession(str(path), options, providers=providers)

    def _check_contract(self, path: Path) -> None:
        spec = self.spec
        wanted = {
            INPUT_NAME: ("tensor(uint8)", [spec.batch, spec.crop_size, spec.crop_size, 3]),
            OUTPUT_NAMES[0]: ("tensor(float)", [spec.batch, len(spec.aus)]),
            OUTPUT_NAMES[1]: ("tensor(float)", [spec.batch, COUNT, 2]),
        }
        ports = [*self._session.get_inputs(), *self._session.get_outputs()]
        actual = {port.name: (port.type, list(port.shape)) for port in ports}
        for name, port in wanted.items():
            if actual.get(name) != port:
                raise ModelError(
                    f"model {path}: {name!r} should be {port[0]} {port[1]} as its metadata says, "
                    f"the graph has {actual.get(name, 'none')}: export it again"
                )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _cores() -> int:
    """Count the cores that this process may use, which containers restrict where they can."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
