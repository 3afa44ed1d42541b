"""ONNX Runtime."""

import logging
from pathlib import Path

import numpy as np

from runtime.backends.fixed_batch import FixedBatch, check_ports
from runtime.errors import DeviceError, ModelError
from runtime.spec import INPUT_NAME, ModelSpec

logger = logging.getLogger(__name__)

_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
_DTYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}


class OrtBackend(FixedBatch):
    """An ``.onnx`` file in ONNX Runtime; attributes as in `Backend`, errors as in `open_backend`.

    Args:
        path: The file.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"auto"``.
        threads: CPU threads.
    """

    engine = "onnxruntime"

    def __init__(self, path: Path, device: str, threads: int) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise ImportError(
                f'ONNX Runtime does not load ({error}): pip install "lgrnet[cpu]", or '
                '"lgrnet[gpu]" for NVIDIA GPUs'
            ) from error
        self._ort = onnxruntime
        self.threads = threads
        self._session, self.device = self._open(path, device)
        provider = _CUDA if self.device != "cpu" else _CPU
        self.provider = f"onnxruntime {onnxruntime.__version__} {provider}"
        self.spec = ModelSpec.from_metadata(
            self._session.get_modelmeta().custom_metadata_map, str(path)
        )
        # On a CPU ONNX Runtime has kernels of few operators in fp16, and casts around all others.
        halves = self.spec.precision == "fp16" and self.device == "cpu"
        # Its 8-bit convolutions also give 8-bit outputs, which files made for others do not.
        foreign = self.spec.precision == "int8" and self.spec.engine != self.engine
        self.precision = "fp32" if halves or foreign else self.spec.precision
        ports = [*self._session.get_inputs(), *self._session.get_outputs()]
        check_ports(
            self.spec,
            path,
            {port.name: (_DTYPES.get(port.type, port.type), port.shape) for port in ports},
        )

    def _run(self, faces: np.ndarray) -> list[np.ndarray]:
        return self._session.run(list(self.spec.outputs), {INPUT_NAME: faces})

    def _release(self) -> None:
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


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
