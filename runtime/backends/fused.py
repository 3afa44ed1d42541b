"""Our own GPU kernels, by pycuda."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from runtime.backends.base import Outputs
from runtime.backends.fixed_batch import check_ports
from runtime.backends.recorded import RecordedBatch
from runtime.cuda.cooperative import CooperativeKernel
from runtime.cuda.device import open_gpu
from runtime.cuda.frame import FramePart
from runtime.cuda.graph import CudaGraph
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

    def __init__(self, path: Path, device: str, threads: int) -> None:
        if device == "cpu":
            raise DeviceError(
                f"device 'cpu' was asked for, but {path} is for GPUs: give device cuda or auto, or "
                "an .onnx file"
            )
        self._plan, weights, code = read_launch_plan(path)
        ports = {name: (array.dtype, array.shape) for name, array in self._plan.arrays.items()}
        check_ports(self._plan.spec, path, ports)
        self._gpu = open_gpu(int(device.partition(":")[2] or 0))
        self.spec, self.precision = self._plan.spec, self._plan.spec.precision
        self.device = f"cuda:{self._gpu.index}"
        target = best_target(self._gpu.capability, self._plan.codes)
        if target is None:
            raise ModelError(
                f"{path} has code for compute capability {', '.join(self._plan.codes)}, this GPU "
                f"({self._gpu.name}) has {self._gpu.capability}: export it again with `python -m "
                f"export.cuda CHECKPOINT --targets {self._gpu.capability}`"
            )
        self.provider = f"fused kernels for {target}, {self._gpu.name}"
        with self._gpu.current():
            try:
                self._open(target, weights, code)
            except self._gpu.driver.MemoryError:
                raise  # no fault of the driver's; `Gpu.current` says what it is
            except self._gpu.driver.Error as error:
                made = ", ".join(f"{name} {each}" for name, each in self._plan.versions.items())
                raise DeviceError(
                    f"{path} cannot be opened on {self._gpu.name} ({error}). Its code was made by "
                    f"{made}: a driver for an older CUDA than that does not take it, install a "
                    "newer one"
                ) from error

    def from_frame(self, frame: np.ndarray, matrices: Sequence[np.ndarray]) -> Outputs:
        """Cut faces out of a frame on the GPU, and run the network; see `FrameBackend`."""
        self._check_open()
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(f"a frame is (H, W, 3) uint8, got {frame.shape} {frame.dtype}")
        batch = self.spec.batch

        def run(start: int) -> list[np.ndarray]:
            with self._gpu.current():
                moved = self._part.stage(frame, matrices[start : start + batch])
                if moved or self._frame_graph is None:
                    self._record_cut()
                self._part.upload(self._stream)
                self._frame_graph.launch()
                self._stream.synchronize()
            return [output.host for output in self._outputs]

        return self._in_batches(len(matrices), run)

    def _open(self, target: str, weights: np.ndarray, code: np.ndarray) -> None:
        driver, plan = self._gpu.driver, self._plan
        self._weights = driver.mem_alloc(max(1, len(weights)))
        driver.memcpy_htod(self._weights, weights)
        self._arena = driver.mem_alloc(plan.arena)
        self._stream = driver.Stream()
        self._input = self._mirror(INPUT_NAME)
        self._outputs = [self._mirror(name) for name in plan.outputs]
        self._part = FramePart(self._gpu, self._mirror(TABLE_NAME))
        self._frame_graph: CudaGraph | None = None
        self._modules = []  # a function lives as long as its module
        self._waiting: list[CooperativeKernel] = []
        self._functions: dict[str, tuple[Any, Code]] = {}
        waiting = {launch.code for launch in plan.launches if launch.cooperative}
        for key, each in plan.codes[target].items():
            binary = code[each.offset : each.offset + each.size].tobytes()
            if key in waiting:
                kernel = self._cooperative(binary, each)
                self._waiting.append(kernel)
                self._functions[key] = kernel, each
                continue
            module = driver.module_from_buffer(binary)
            self._modules.append(module)
            function = module.get_function(each.entry)
            function.set_attribute(
                driver.function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES, each.shared
            )
            self._functions[key] = function, each
        self._calls = [self._call(launch) for launch in plan.launches]
        self._record()

    def _cooperative(self, binary: bytes, code: Code) -> CooperativeKernel:
        threads = 32 * code.warps
        return CooperativeKernel(binary, code.entry, threads, code.shared, self._gpu.index)

    def _record_cut(self) -> None:
        if self._frame_graph is not None:
            self._frame_graph.free()
            self._frame_graph = None  # for good, where recording fails
        call = self._call(self._plan.cut)

        def work() -> None:
            self._part.table.upload(self._stream)
            call()
            self._launch()
            self._download()

        self._frame_graph = self._recorded(work)

    def _address(self, name: str) -> int:
        if name == FRAME_NAME:
            return self._part.address
        array = self._plan.arrays[name]
        block = self._weights if array.place == "weights" else self._arena
        return int(block) + array.offset

    def _mirror(self, name: str) -> Mirror:
        array = self._plan.arrays[name]
        return Mirror(self._gpu, array.shape, np.dtype(array.dtype), self._address(name))

    def _call(self, launch: Launch) -> Callable[[], None]:
        function, code = self._functions[launch.code]
        kinds = ["i" if isinstance(each, int) else "P" for each in launch.arguments]
        values = [
            each if isinstance(each, int) else self._address(each) for each in launch.arguments
        ]
        kinds += "P" * code.hidden
        values += [0] * code.hidden
        if launch.cooperative:
            both = list(zip(kinds, values, strict=True))
            return lambda: function.start(launch.grid[0], both, self._stream)
        function.prepare(kinds)
        block = (32 * code.warps, 1, 1)
        return lambda: function.prepared_async_call(
            launch.grid, block, self._stream, *values, shared_size=code.shared
        )

    def _launch(self) -> None:
        for call in self._calls:
            call()

    def _release(self) -> None:
        with self._gpu.current():
            self._graph.free()
            if self._frame_graph is not None:
                self._frame_graph.free()
            self._part.free()
            for kernel in self._waiting:
                kernel.free()
            self._calls, self._functions, self._modules = [], {}, []
            for memory in (self._weights, self._arena):
                memory.free()


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
