"""What runs on a GPU as one recorded CUDA graph: upload, network, download."""

import logging
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from runtime.backends.fixed_batch import FixedBatch
from runtime.cuda.device import Gpu
from runtime.cuda.graph import CudaGraph, Unrecorded
from runtime.cuda.memory import Mirror
from runtime.errors import DeviceError

logger = logging.getLogger(__name__)


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

    A subclass sets the attributes within `_opening`, notes in `_owned` how to free what it has made
    on the GPU, puts the network on the stream in `_launch`, the results in `_download`, and calls
    `_record`.

    Attributes:
        threads: Of the CPU, which only waits.
    """

    threads = 1
    _gpu: Gpu
    _owned: ExitStack  # frees what is on the GPU, what was made last first
    _graph: CudaGraph | Unrecorded  # from `_record` to `_free`
    _stream: Any
    _input: Mirror
    _hosts: list[np.ndarray]  # of the outputs, after `_download`

    @contextmanager
    def _opening(self, gpu: Gpu) -> Iterator[None]:
        """Make the GPU current for a block, and free what was made there if it fails."""
        self._gpu, self._owned = gpu, ExitStack()
        with gpu.current():
            try:
                yield
            except BaseException:
                self._free()
                raise

    def _release(self) -> None:
        if self._gpu.forked:
            return  # what is there is the parent's
        try:
            # Here, where the GPU is current, and not whenever the last who holds them lets go.
            with self._gpu.current():
                self._free()
        except DeviceError as error:
            logger.debug("the memory of a model stays on the GPU: %s", error)

    def _free(self) -> None:
        try:
            self._owned.close()
        except Exception as error:  # after a fault on the GPU every call fails; all were tried
            logger.debug("a part of a model stays on the GPU: %s", error)
        self._hosts, self._stream = [], None
        vars(self).pop("_graph", None)  # which there is not where opening failed

    def __del__(self) -> None:
        if "_owned" in self.__dict__ and not sys.is_finalizing():
            self.close()

    @property
    def kernels(self) -> int | None:
        """Kernels of a batch, as they were recorded; copies are none. None if not recorded."""
        self._check_open()
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
        self._owned.callback(self._graph.free)

    def _recorded(self, work: Callable[[], None]) -> CudaGraph | Unrecorded:
        # The first time libraries allocate and load kernels, which must not happen in a recording.
        work()
        self._stream.synchronize()
        return self._record_now(work)

    def _record_now(self, work: Callable[[], None]) -> CudaGraph | Unrecorded:
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
