"""What runs on a GPU as one recorded CUDA graph: upload, network, download."""

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from runtime.backends.fixed_batch import FixedBatch
from runtime.cuda.device import Gpu
from runtime.cuda.graph import CudaGraph
from runtime.cuda.memory import Mirror
from runtime.errors import DeviceError


def require_gpu(path: Path, device: str) -> None:
    """Check that a file for GPUs is not asked to run on the CPU.

    Raises:
        DeviceError: It is.
    """
    if device == "cpu":
        raise DeviceError(
            f"device 'cpu' was asked for, but {path} is for GPUs: give device cuda or auto, or an "
            ".onnx file"
        )


class RecordedBatch(FixedBatch):
    """A `FixedBatch` that is recorded once and replayed; after opening nothing is allocated.

    A subclass sets the attributes, puts the network on the stream in `_launch`, the results in
    `_download`, and calls `_record`.

    Attributes:
        threads: Of the CPU, which only waits.
    """

    threads = 1
    _gpu: Gpu
    _stream: Any
    _input: Mirror
    _hosts: list[np.ndarray]  # of the outputs, after `_download`

    @property
    def kernels(self) -> int:
        """Kernels of a batch, as they were recorded; copies are none."""
        return self._graph.kernels

    def gpu_seconds(self) -> float:
        """Run one batch, of whatever crops were there last, and tell the GPU's own time.

        It is the time between two events around the recording: upload, network and download,
        without what the CPU does before and after.

        Raises:
            RuntimeError: The model has been closed.
        """
        self._check_open()
        with self._gpu.current():
            seconds = self._graph.seconds(self._gpu.driver, self._stream)
        return seconds

    @abstractmethod
    def _launch(self) -> None:
        """Put the network on the stream."""

    def _record(self) -> None:
        self._input.host[:] = 0
        self._graph = self._recorded(self._enqueue)

    def _recorded(self, work: Callable[[], None]) -> CudaGraph:
        # The first time libraries allocate and load kernels, which must not happen in a recording.
        work()
        self._stream.synchronize()
        return CudaGraph(self._stream, work)

    def _enqueue(self) -> None:
        self._input.upload(self._stream)
        self._launch()
        self._download()

    @abstractmethod
    def _download(self) -> None:
        """Put the copies of the results on the stream."""

    def _run(self, faces: np.ndarray) -> list[np.ndarray]:
        with self._gpu.current():
            self._input.host[:] = faces
            self._graph.launch()
            self._stream.synchronize()
        return self._hosts
