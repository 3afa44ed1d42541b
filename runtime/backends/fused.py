"""Our own GPU kernels, by pycuda."""

from pathlib import Path
from typing import Any

import numpy as np

from runtime.backends.recorded import RecordedBatch
from runtime.cuda.device import open_gpu
from runtime.cuda.memory import Mirror
from runtime.errors import DeviceError, ModelError
from runtime.launch_plan import Launch, read_launch_plan
from runtime.spec import INPUT_NAME


class FusedBackend(RecordedBatch):
    """A ``.fused`` file; attributes as in `Backend`, errors as in `open_backend`.

    It needs the driver and pycuda, and no other library of NVIDIA's. A batch is one CUDA graph:
    upload, all launches, download.

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
        self._gpu = open_gpu(int(device.partition(":")[2] or 0))
        self.spec, self.precision = self._plan.spec, self._plan.spec.precision
        self.device = f"cuda:{self._gpu.index}"
        target = _best_target(self._gpu.capability, self._plan.codes)
        if target is None:
            raise ModelError(
                f"{path} has code for compute capability {', '.join(self._plan.codes)}, this GPU "
                f"({self._gpu.name}) has {self._gpu.capability}: export it again with `python -m "
                f"export.cuda CHECKPOINT --targets {self._gpu.capability}`"
            )
        self.provider = f"fused kernels for {target}, {self._gpu.name}"
        with self._gpu.current():
            self._open(target, weights, code)

    def _open(self, target: str, weights: np.ndarray, code: np.ndarray) -> None:
        driver, plan = self._gpu.driver, self._plan
        self._weights = driver.mem_alloc(max(1, len(weights)))
        driver.memcpy_htod(self._weights, weights)
        self._arena = driver.mem_alloc(plan.arena)
        self._stream = driver.Stream()
        self._input = self._mirror(INPUT_NAME)
        self._outputs = [self._mirror(name) for name in plan.outputs]
        self._modules = []  # a function lives as long as its module
        functions = {}
        for key, each in plan.codes[target].items():
            module = driver.module_from_buffer(
                code[each.offset : each.offset + each.size].tobytes()
            )
            self._modules.append(module)
            functions[key] = module.get_function(each.entry)
            functions[key].set_attribute(
                driver.function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES, each.shared
            )
        self._calls = [
            self._call(functions[launch.code], plan.codes[target][launch.code], launch)
            for launch in plan.launches
        ]
        self._record()

    def _address(self, name: str) -> int:
        array = self._plan.arrays[name]
        block = self._weights if array.place == "weights" else self._arena
        return int(block) + array.offset

    def _mirror(self, name: str) -> Mirror:
        array = self._plan.arrays[name]
        return Mirror(self._gpu, array.shape, np.dtype(array.dtype), self._address(name))

    def _call(self, function: Any, code: Any, launch: Launch) -> Any:
        kinds = ["i" if isinstance(each, int) else "P" for each in launch.arguments]
        values = [
            each if isinstance(each, int) else self._address(each) for each in launch.arguments
        ]
        function.prepare([*kinds, *"P" * code.hidden])
        block = (32 * code.warps, 1, 1)
        values += [0] * code.hidden
        return lambda: function.prepared_async_call(
            launch.grid, block, self._stream, *values, shared_size=code.shared
        )

    def _launch(self) -> None:
        for call in self._calls:
            call()

    def _release(self) -> None:
        with self._gpu.current():
            self._graph.free()
            self._calls, self._modules = [], []
            for memory in (self._weights, self._arena):
                memory.free()


def _best_target(capability: str, targets: Any) -> str | None:
    """Choose code that runs: of the same generation, and not newer than the GPU."""

    def version(text: str) -> tuple[int, int]:
        major, _, minor = text.partition(".")
        return int(major), int(minor)

    here = version(capability)
    able = [each for each in targets if version(each)[0] == here[0] and version(each) <= here]
    return max(able, key=version, default=None)
