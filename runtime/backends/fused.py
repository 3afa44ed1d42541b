"""Our own GPU kernels, by pycuda."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from runtime.backends.base import Outputs, gpu_index
from runtime.backends.fixed_batch import check_ports
from runtime.backends.recorded import RecordedBatch, require_gpu
from runtime.cuda.device import open_gpu
from runtime.cuda.driver import NO_SUCH_CODE, DriverError
from runtime.cuda.frame import FramePart
from runtime.cuda.graph import CudaGraph, Unrecorded
from runtime.cuda.kernel import Kernel
from runtime.cuda.launch_plan import FRAME_NAME, TABLE_NAME, Code, Launch, read_launch_plan
from runtime.cuda.memory import Mirror
from runtime.errors import DeviceError, ModelError
from runtime.spec import INPUT_NAME

_JETSON = ("8.7",)


class FusedBackend(RecordedBatch):
    """A ``.fused`` file; attributes as in `Backend`, errors as in `open_backend`.

    It needs the driver and pycuda, and no other library of NVIDIA's. A batch is one CUDA graph:
    upload, all launches, download. With `from_frame` faces are cut out on the GPU too: the part of
    the frame that they lie in is copied there, then a second graph does the rest.

    Args:
        path: The file.
        device: ``"cuda"``, ``"cuda:N"``, or ``"auto"``, which is the first GPU.
        threads: Not used; the CPU only waits.
    """

    engine = "fused"
    _frame_graph: CudaGraph | Unrecorded | None = None

    def __init__(self, path: Path, device: str, threads: int) -> None:
        require_gpu(path, device)
        self._plan, weights, code = read_launch_plan(path)
        ports = {name: (array.dtype, array.shape) for name, array in self._plan.arrays.items()}
        check_ports(self._plan.spec, path, ports)
        gpu = open_gpu(gpu_index(device))
        self.spec, self.precision = self._plan.spec, self._plan.spec.precision
        self.device = f"cuda:{gpu.index}"
        target = best_target(gpu.capability, self._plan.codes)
        if target is None:
            raise ModelError(
                f"{path} has code for compute capability {', '.join(self._plan.codes)}, this GPU "
                f"({gpu.name}) has {gpu.capability}: export it again with `python -m "
                f"export.cuda CHECKPOINT --targets {gpu.capability}`"
            )
        self.provider = f"fused kernels for {target}, {gpu.name}"
        self._kernels: dict[str, tuple[Kernel, Code]] = {}
        with self._opening(gpu):
            self._open(path, target, weights, code)

    @property
    def launches(self) -> tuple[Launch, ...]:
        """What a batch of crops is, in its order; the recording has a kernel for each."""
        return self._plan.launches

    def from_frame(self, frame: np.ndarray, matrices: Sequence[np.ndarray]) -> Outputs:
        """Cut faces out of a frame on the GPU, and run the network; see `FrameBackend`."""
        self._check_open()
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(f"a frame is (H, W, 3) uint8, got {frame.shape} {frame.dtype}")
        batch = self.spec.batch

        def run(start: int) -> list[np.ndarray]:
            with self._gpu.current():
                moved = self._part.stage(frame, matrices[start : start + batch])
                graph = None if moved else self._frame_graph
                if graph is None:
                    graph = self._record_cut()
                self._part.upload(self._stream)
                graph.launch()
                self._stream.synchronize()
            return self._hosts

        return self._in_batches(len(matrices), run)

    def launch_seconds(self, repeats: int = 20) -> list[float]:
        """Tell how long the GPU takes for each launch.

        They are timed in their order, on the crops of the last batch. Each is recorded several
        times in a row and replayed, so what it reads is in the cache, and starting it is part of
        it. A cooperative launch is timed together with the one before it, which sets its counter to
        zero; that one counts as nothing.

        Args:
            repeats: In one recording.

        Returns:
            Seconds, in the order of `launches`.

        Raises:
            RuntimeError: The model has been closed.
        """
        self._check_open()
        seconds = []
        with self._gpu.current():
            self._input.upload(self._stream)
            for number, launch in enumerate(self.launches):
                if number + 1 < len(self.launches) and self.launches[number + 1].cooperative:
                    seconds.append(0.0)
                    continue
                calls = self._calls[number - 1 if launch.cooperative else number : number + 1]
                seconds.append(self._seconds_of(calls, repeats))
        return seconds

    def _seconds_of(self, calls: Sequence[Callable[[], None]], repeats: int) -> float:
        def work() -> None:
            for _ in range(repeats):
                for call in calls:
                    call()

        graph = self._recorded(work)
        try:
            return min(graph.seconds(self._gpu.driver, self._stream) for _ in range(5)) / repeats
        finally:
            graph.free()

    def _open(self, path: Path, target: str, weights: np.ndarray, code: np.ndarray) -> None:
        driver, plan = self._gpu.driver, self._plan
        self._weights = self._allocate(max(1, len(weights)))
        driver.memcpy_htod(self._weights, weights)
        driver.Context.synchronize()  # our stream does not wait for the end of that copy
        self._arena = self._allocate(plan.arena)
        self._stream = self._gpu.stream()
        self._input = self._mirror(INPUT_NAME)
        self._owned.callback(self._input.free)
        self._results = self._all_results()
        self._owned.callback(self._results.free)
        self._part = FramePart(self._gpu, self._mirror(TABLE_NAME))
        self._owned.callback(self._part.free)
        for key, each in plan.codes[target].items():
            binary = code[each.offset : each.offset + each.size].tobytes()
            try:
                kernel = Kernel(binary, each.entry, 32 * each.warps, each.shared)
            except DriverError as error:
                if error.code not in NO_SUCH_CODE:
                    raise DeviceError(
                        f"{path} cannot be opened on {self._gpu.name} ({error})"
                    ) from error
                made = ", ".join(f"{name} {each}" for name, each in plan.versions.items())
                raise DeviceError(
                    f"{path} cannot be opened on {self._gpu.name} ({error}). Its code was made by "
                    f"{made}: a driver for an older CUDA than that does not take it, install a "
                    "newer one"
                ) from error
            self._owned.callback(kernel.free)
            self._kernels[key] = kernel, each
        self._calls = [
            self._call(launch, number > 0) for number, launch in enumerate(plan.launches)
        ]
        self._record()

    def _allocate(self, size: int) -> Any:
        memory = self._gpu.driver.mem_alloc(size)
        self._owned.callback(memory.free)
        return memory

    def _all_results(self) -> Mirror:
        """Mirror the memory that the results lie in, which is one copy instead of several."""
        results = [self._plan.arrays[name] for name in self._plan.outputs]
        start = min(each.offset for each in results)
        size = max(each.offset + each.size for each in results) - start
        whole = Mirror(self._gpu, (size,), np.uint8, int(self._arena) + start)
        self._hosts = []
        for each in results:
            part = whole.host[each.offset - start :][: each.size]
            self._hosts.append(part.view(each.dtype).reshape(each.shape))
        return whole

    def _record_cut(self) -> CudaGraph | Unrecorded:
        if self._frame_graph is not None:
            self._frame_graph.free()
            self._frame_graph = None  # for good, where recording fails
        call = self._call(self._plan.cut, early=False)

        def work() -> None:
            self._part.table.upload(self._stream)
            call()
            self._launch()
            self._download()

        self._frame_graph = self._recorded(work)
        return self._frame_graph

    def _address(self, name: str) -> int:
        if name == FRAME_NAME:
            return self._part.address
        array = self._plan.arrays[name]
        block = self._weights if array.place == "weights" else self._arena
        return int(block) + array.offset

    def _mirror(self, name: str) -> Mirror:
        array = self._plan.arrays[name]
        return Mirror(self._gpu, array.shape, np.dtype(array.dtype), self._address(name))

    def _call(self, launch: Launch, early: bool) -> Callable[[], None]:
        kernel, code = self._kernels[launch.code]
        values = [
            ("i", each) if isinstance(each, int) else ("P", self._address(each))
            for each in launch.arguments
        ]
        values += [("P", 0)] * code.hidden
        if launch.cooperative:
            blocks = min(launch.grid[0], kernel.most(self._gpu.index))
            return partial(kernel.start, (blocks, 1, 1), values, self._stream, together=True)
        early = early and code.waits
        return partial(kernel.start, launch.grid, values, self._stream, early=early)

    def _launch(self) -> None:
        for call in self._calls:
            call()

    def _download(self) -> None:
        self._results.download(self._stream)

    def _free(self) -> None:
        if self._frame_graph is not None:
            self._owned.callback(self._frame_graph.free)
        self._frame_graph, self._calls, self._kernels = None, [], {}  # calls hold the stream
        super()._free()


def best_target(capability: str, targets: Iterable[str]) -> str | None:
    """Choose code that runs: of the same generation, and not newer than the GPU.

    From Hopper on the compiler uses what only one architecture has (``sm_90a``), and code for cards
    does not run on Jetson nor the other way round (CUDA C++ Programming Guide, "Binary
    compatibility"); there it has to be the same.

    Args:
        capability: Compute capability of the GPU, such as ``"8.9"``.
        targets: Those that there is code for.

    Returns:
        The newest that runs; None if none does.
    """

    def version(text: str) -> tuple[int, int]:
        major, _, minor = text.partition(".")
        return int(major), int(minor)

    here, known = version(capability), list(targets)
    if capability in known:
        return capability
    if here >= (9, 0) or capability in _JETSON:
        return None
    cards = [each for each in known if each not in _JETSON]
    able = [each for each in cards if version(each)[0] == here[0] and version(each) <= here]
    return max(able, key=version, default=None)
