"""TensorRT and TensorRT for RTX, by pycuda."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from runtime.backends.base import gpu_index
from runtime.backends.fixed_batch import check_ports
from runtime.backends.recorded import RecordedBatch, require_gpu
from runtime.backends.tensorrt_plan import FLAVOURS, load_tensorrt, read_plan
from runtime.cuda.device import open_gpu
from runtime.cuda.graph import CudaGraph, Unrecorded
from runtime.cuda.memory import Mirror
from runtime.errors import DeviceError, ModelError
from runtime.spec import INPUT_NAME

logger = logging.getLogger(__name__)

_DTYPES = {"UINT8": "uint8", "FLOAT": "float32"}


class TensorRtBackend(RecordedBatch):
    """An ``.engine`` file; attributes as in `Backend`, errors as in `open_backend`.

    Crops go through pinned memory, and a batch is one CUDA graph: upload, network, download. After
    opening, nothing is allocated on the GPU.

    Args:
        path: The file; `runtime.backends.tensorrt_plan` says what must lie beside it.
        device: ``"cuda"``, ``"cuda:N"``, or ``"auto"``, which is the first GPU.
        threads: Not used; the CPU only waits.
    """

    engine = "tensorrt"

    def __init__(self, path: Path, device: str, threads: int) -> None:
        require_gpu(path, device)
        plan = read_plan(path)
        library = load_tensorrt(plan.flavour)
        gpu = open_gpu(gpu_index(device))
        self.device = f"cuda:{gpu.index}"
        self.provider = f"{FLAVOURS[plan.flavour]} {library.__version__}, {gpu.name}"
        self.spec = plan.spec
        self.precision = self.spec.precision
        reason = plan.mismatch(library.__version__, gpu.capability)
        if reason:
            raise ModelError(
                f"engine {path} does not fit: {reason}; build it again here with `python -m "
                f"export.tensorrt MODEL.onnx --flavour {plan.flavour}`"
            )
        if plan.gpu not in (None, gpu.name):
            logger.info("%s was timed on %s, here is %s", path, plan.gpu, gpu.name)
        self._path = path
        with self._opening(gpu):
            self._open(library, path)

    def _open(self, library: Any, path: Path) -> None:
        self._log = library.Logger(library.Logger.ERROR)
        self._runtime = library.Runtime(self._log)
        self._engine = self._runtime.deserialize_cuda_engine(path.read_bytes())
        if self._engine is None:
            raise ModelError(
                f"engine {path} cannot be opened by {self.provider}: its messages above say why"
            )
        names = [self._engine.get_tensor_name(n) for n in range(self._engine.num_io_tensors)]
        shapes = {name: tuple(self._engine.get_tensor_shape(name)) for name in names}
        types = {name: self._engine.get_tensor_dtype(name).name for name in names}
        check_ports(
            self.spec,
            path,
            {name: (_DTYPES.get(types[name], types[name]), shapes[name]) for name in names},
        )
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise DeviceError(
                f"{self.provider} has no room to run {path}: its messages above say why; see with "
                "nvidia-smi who holds the memory"
            )
        self._stream = self._gpu.stream()
        self._input = self._mirror(shapes[INPUT_NAME], np.uint8)
        self._outputs = [self._mirror(shapes[name], np.float32) for name in self.spec.outputs]
        for name, mirror in zip(
            (INPUT_NAME, *self.spec.outputs), (self._input, *self._outputs), strict=True
        ):
            self._context.set_tensor_address(name, mirror.address)
        self._hosts = [output.host for output in self._outputs]
        self._record()

    def _mirror(self, shape: tuple[int, ...], dtype: type) -> Mirror:
        mirror = Mirror(self._gpu, shape, dtype)
        self._owned.callback(mirror.free)
        return mirror

    def _record_now(self, work: Callable[[], None]) -> CudaGraph | Unrecorded:
        try:
            return super()._record_now(work)
        # Some engines cannot be recorded; they run all the same.
        except (DeviceError, self._gpu.driver.Error) as error:
            logger.warning("%s is not recorded as a CUDA graph: %s", self._path, error)
            self.provider += ", not recorded"
            return Unrecorded(work)

    def _launch(self) -> None:
        if not self._context.execute_async_v3(self._stream.handle):
            raise DeviceError(f"{self.provider} could not run the network: see its messages above")

    def _download(self) -> None:
        for output in self._outputs:
            output.download(self._stream)

    def _free(self) -> None:
        super()._free()
        # In this order: TensorRT wants what it made destroyed before what made it.
        self._context = None
        self._engine = None
        self._runtime = None
