"""Stand-ins for pycuda, TensorRT and the driver's graphs, which keep their rules and run in NumPy.

Memory of the fake GPU can be reached by its address only, work is put on a stream and runs when it
is waited for, and what is recorded runs when the graph is launched, not before.
"""

import sys
import weakref
from types import ModuleType, SimpleNamespace

import numpy as np

from runtime.errors import DeviceError


class Gpu:
    """One fake machine: memory by address, and how many of each thing were made."""

    def __init__(self, name="NVIDIA Fake", capability=(8, 6), count=1):
        self.name, self.capability, self.count = name, capability, count
        self.memory: dict[int, bytearray] = {}
        self.pushed, self.allocated = 0, 0
        self.launches = 0
        self.recording: list | None = None
        self.blocked = False  # whether what is recorded forbids work on the default stream
        self.broken = False  # by a fault in a kernel: each further call fails
        self.elsewhere = lambda: None  # what other threads do while an engine is started
        self.streams, self.late = 0, 0  # there are; destroyed while no context was current

    def at(self, address: int) -> memoryview:
        """Return the memory from an address on, to the end of its allocation."""
        (base,) = [base for base, m in self.memory.items() if base <= address < base + len(m)]
        return memoryview(self.memory[base])[address - base :]


class Stream:
    def __init__(self, gpu, flags=0):
        self.gpu, self.waiting, self.handle = gpu, [], 4711
        self.blocking = flags != 1  # CU_STREAM_NON_BLOCKING
        gpu.streams += 1

    def __del__(self):
        self.gpu.streams -= 1
        self.gpu.late += self.gpu.pushed == 0

    def put(self, work):
        (self.waiting if self.gpu.recording is None else self.gpu.recording).append(work)

    def synchronize(self):
        todo, self.waiting = self.waiting, []
        for work in todo:
            work()


class Allocation:
    def __init__(self, gpu, size):
        gpu.allocated += 1
        self.gpu, self.address = gpu, gpu.allocated << 40
        assert gpu.recording is None, "allocated while recording"
        gpu.memory[self.address] = bytearray(size)

    def __int__(self):
        return self.address

    def free(self):
        if self.gpu.broken:
            raise CudaError("cuMemFree failed: an illegal memory access was encountered")
        del self.gpu.memory[self.address]


class CudaError(Exception):
    pass


class CudaMemoryError(CudaError):
    pass


def driver(gpu: Gpu) -> ModuleType:
    """Make a module like ``pycuda.driver`` for a machine."""
    module = ModuleType("pycuda.driver")

    class Context:
        def push(self):
            gpu.pushed += 1

        @staticmethod
        def pop():
            gpu.pushed -= 1

        def detach(self):
            gpu.detached = True

        @staticmethod
        def synchronize():
            gpu.synchronized = True

    class Device:
        def __init__(self, index):
            assert index < gpu.count

        count = staticmethod(lambda: gpu.count)
        name = staticmethod(lambda: gpu.name)
        compute_capability = staticmethod(lambda: gpu.capability)
        retain_primary_context = staticmethod(Context)

    def upload(target, source, stream):
        assert gpu.pushed == 1, "no current context"
        stream.put(lambda: upload_now(target, source))

    def upload_now(target, source):
        if gpu.recording is not None and gpu.blocked:
            raise CudaError("the default stream would depend on one that is recorded (906)")
        gpu.at(int(target))[: source.nbytes] = source.tobytes()

    def download(target, source, stream):
        assert gpu.pushed == 1, "no current context"

        def copy():
            content = gpu.at(int(source))[: target.nbytes]
            target[:] = np.frombuffer(content, target.dtype).reshape(target.shape)

        stream.put(copy)

    class Event:
        """Knows how many launches of graphs there were when it was recorded."""

        def record(self, stream):
            stream.put(lambda: setattr(self, "at", gpu.launches))
            self.stream = stream

        def synchronize(self):
            self.stream.synchronize()

        def time_since(self, start):
            return 0.25 * (self.at - start.at)  # milliseconds

    module.__dict__.update(
        Event=Event,
        init=lambda: None,
        Error=CudaError,
        MemoryError=CudaMemoryError,
        Device=Device,
        Context=Context,
        Stream=lambda flags=0: Stream(gpu, flags),
        pagelocked_empty=lambda shape, dtype: np.empty(shape, dtype),
        mem_alloc=lambda size: Allocation(gpu, size),
        memcpy_htod=upload_now,
        memcpy_htod_async=upload,
        memcpy_dtoh_async=download,
    )
    return module


def graphs(gpu: Gpu):
    """Make a class like `runtime.cuda.graph.CudaGraph` for a machine."""

    class Graph:
        def __init__(self, stream, work):
            self.stream, gpu.recording, gpu.blocked = stream, [], stream.blocking
            try:
                work()
            finally:
                self.recorded, gpu.recording = gpu.recording, None
            self.nodes = self.kernels = len(self.recorded)

        def launch(self):
            self.stream.put(self.count)
            for work in self.recorded:
                self.stream.put(work)

        def seconds(self, driver, stream):
            self.launch()
            stream.synchronize()
            return 0.00025

        @staticmethod
        def count():
            gpu.launches += 1

        def free(self):
            if gpu.broken:
                raise DeviceError("CUDA error 700 in cuGraphExecDestroy")
            assert self.recorded is not None, "freed before"
            self.recorded = None

    return Graph


def tensorrt(gpu: Gpu, spec, compute, version="1.2.3") -> ModuleType:
    """Make a module like ``tensorrt`` whose every engine computes ``compute(faces)``.

    Args:
        gpu: The machine.
        spec: Of the network.
        compute: Crops → outputs in the order of ``spec.outputs``.
        version: Of the library.
    """
    side, n = spec.crop_size, len(spec.aus)
    shapes = {"face": (spec.batch, side, side, 3), "au_probability": (spec.batch, n)}
    shapes |= {"landmarks": (spec.batch, 49, 2), "au_intensity": (spec.batch, n)}
    names = ("face", *spec.outputs)

    class Execution:
        def __init__(self):
            self.addresses = {}

        def set_tensor_address(self, name, address):
            self.addresses[name] = address

        def execute_async_v3(self, handle):
            assert handle == 4711
            gpu.elsewhere()
            current[0].put(self.run)
            return True

        def run(self):
            faces = np.frombuffer(gpu.memory[self.addresses["face"]], np.uint8)
            for name, value in zip(
                spec.outputs, compute(faces.reshape(shapes["face"])), strict=True
            ):
                memory = gpu.memory[self.addresses[name]]
                memory[:] = np.asarray(value, np.float32).tobytes()

    class Engine:
        num_io_tensors = len(names)
        get_tensor_name = staticmethod(lambda place: names[place])
        get_tensor_shape = staticmethod(lambda name: shapes[name])
        create_execution_context = staticmethod(Execution)

        @staticmethod
        def get_tensor_dtype(name):
            return SimpleNamespace(name="UINT8" if name == "face" else "FLOAT")

    class Runtime:
        def __init__(self, log):
            pass

        def deserialize_cuda_engine(self, content):
            return Engine() if content.startswith(b"engine") else None

    class Logger:
        ERROR = 1

        def __init__(self, level):
            pass

    current = []
    module = ModuleType("tensorrt")
    module.__dict__.update(__version__=version, Runtime=Runtime, Logger=Logger, current=current)
    return module


def install(monkeypatch, gpu: Gpu, library: ModuleType | None, name="tensorrt_rtx") -> None:
    """Put the stand-ins where the runtime looks for the real things."""
    from runtime.backends import recorded

    module = driver(gpu)
    if library is not None:
        # The fake engine has to find the stream by more than its handle.
        def stream(flags=0):
            library.current[:] = [weakref.proxy(made := Stream(gpu, flags))]
            return made

        module.Stream = stream
    package = ModuleType("pycuda")
    package.driver = module
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", module)
    if library is not None:
        monkeypatch.setitem(sys.modules, name, library)
    monkeypatch.setattr(recorded, "CudaGraph", graphs(gpu))
