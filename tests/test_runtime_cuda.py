"""Calls of the CUDA driver, against a driver that is made up and keeps its argument order."""

import ctypes
import struct
import sys
from types import ModuleType, SimpleNamespace

import fake_cuda
import numpy as np
import pytest

from runtime.cuda import device, driver
from runtime.cuda.graph import CudaGraph
from runtime.cuda.kernel import Kernel
from runtime.cuda.memory import Mirror
from runtime.errors import DeviceError

STREAM = SimpleNamespace(handle=0x1234_5678_9ABC)


class Driver:
    """What `libcuda.so.1` would be; notes the calls, and fails at one of them if told to."""

    def __init__(self, fails=None, blocks=4, cooperative=1):
        self.calls, self.fails = [], fails
        self.blocks, self.cooperative = blocks, cooperative
        self.nodes = [(11, 1), (12, 0), (13, 0), (14, 1)]  # handle, kind: 0 is a kernel

    def __getattr__(self, name):
        if not name.startswith("cu") or name == "cuNoSuchThing":
            raise AttributeError(name)

        def function(*arguments):
            self.calls.append(name)
            if name == self.fails:
                return 999
            return getattr(self, f"_{name}", lambda *_: 0)(*arguments) or 0

        return function

    def cuGetErrorString(self, code, text):
        text._obj.value = b"the driver's reason"

    def _cuStreamBeginCapture_v2(self, stream, mode):
        assert (stream.value, mode.value) == (STREAM.handle, 2)

    def _cuStreamEndCapture(self, stream, graph):
        assert stream.value == STREAM.handle
        graph._obj.value = 77

    def _cuGraphGetNodes(self, graph, nodes, count):
        assert graph.value == 77
        if nodes is not None:
            assert count._obj.value == len(self.nodes)
            nodes[:] = [handle for handle, _ in self.nodes]
        count._obj.value = len(self.nodes)

    def _cuGraphNodeGetType(self, node, kind):
        kind._obj.value = dict(self.nodes)[node.value]

    def _cuGraphInstantiateWithFlags(self, made, graph, flags):
        assert (graph.value, flags.value) == (77, 0)
        made._obj.value = 88

    def _cuGraphLaunch(self, made, stream):
        assert (made.value, stream.value) == (88, STREAM.handle)

    def _cuDeviceGet(self, device, number):
        device._obj.value = 100 + number.value

    def _cuDeviceGetAttribute(self, value, attribute, device):
        assert device.value == 102
        value._obj.value = {16: 132, 95: self.cooperative}[attribute.value]

    def _cuModuleLoadData(self, module, code):
        assert ctypes.string_at(code, 4) == b"\x7fELF"
        module._obj.value = 55

    def _cuModuleGetFunction(self, function, module, name):
        assert (module.value, name.value) == (55, b"recur")
        function._obj.value = 66

    def _cuFuncSetAttribute(self, function, attribute, value):
        assert (function.value, attribute.value, value.value) == (66, 8, 70_000)

    def _cuOccupancyMaxActiveBlocksPerMultiprocessor(self, blocks, function, threads, shared):
        assert (function.value, threads.value, shared.value) == (66, 128, 70_000)
        blocks._obj.value = self.blocks

    def _cuLaunchKernelEx(self, config, function, values, extra):
        """Read what the driver would, at the places where its header has them."""
        assert (function.value, extra) == (66, None)
        assert (values._length_, ctypes.sizeof(config._obj)) == (3, 56)
        memory = bytes(config._obj)
        dimensions = struct.unpack_from("7I", memory)
        stream, attributes, count = struct.unpack_from("QQI", memory, 32)
        assert stream == STREAM.handle
        kept = ctypes.string_at(attributes, 72 * count)
        flags = [struct.unpack_from("i4xi", kept, 72 * each) for each in range(count)]
        first = ctypes.cast(values[0], ctypes.POINTER(ctypes.c_uint64))[0]
        second = ctypes.cast(values[1], ctypes.POINTER(ctypes.c_int32))[0]
        self.started = list(dimensions), flags, first, second


@pytest.fixture
def use(monkeypatch):
    def use(**options):
        made = Driver(**options)
        monkeypatch.setattr(driver, "_load_driver", lambda: made)
        return made

    return use


def test_a_graph_is_recorded_counted_launched_and_forgotten(use):
    made = use()
    work = []
    graph = CudaGraph(STREAM, lambda: work.append(list(made.calls)))
    assert work == [["cuStreamBeginCapture_v2"]], "the work is put there while it is recorded"
    assert (graph.nodes, graph.kernels) == (4, 2)
    assert made.calls[-2:] == ["cuGraphInstantiateWithFlags", "cuGraphDestroy"]
    graph.launch()
    graph.free()
    assert made.calls[-2:] == ["cuGraphLaunch", "cuGraphExecDestroy"]


def test_a_recording_that_fails_is_ended_and_says_its_own_reason(use):
    made = use(fails="cuStreamEndCapture")

    def work():
        raise ValueError("the work's reason")

    with pytest.raises(ValueError, match="the work's reason"):
        CudaGraph(STREAM, work)
    assert made.calls == ["cuStreamBeginCapture_v2", "cuStreamEndCapture"]


@pytest.mark.parametrize(
    "fails", ["cuStreamBeginCapture_v2", "cuStreamEndCapture", "cuGraphLaunch"]
)
def test_what_the_driver_says_is_said(use, fails):
    use(fails=fails)
    with pytest.raises(DeviceError, match=rf"CUDA error 999 in {fails}: the driver's reason"):
        CudaGraph(STREAM, lambda: None).launch()


@pytest.mark.parametrize("fails", ["cuGraphGetNodes", "cuGraphInstantiateWithFlags"])
def test_a_recording_that_cannot_be_used_is_forgotten(use, fails):
    made = use(fails=fails)
    with pytest.raises(driver.DriverError, match=f"in {fails}") as told:
        CudaGraph(STREAM, lambda: None)
    assert told.value.code == 999
    assert made.calls[-1] == "cuGraphDestroy"


@pytest.mark.parametrize("fails", ["cuModuleGetFunction", "cuFuncSetAttribute"])
def test_a_kernel_that_cannot_be_used_is_unloaded(use, fails):
    made = use(fails=fails)
    with pytest.raises(DeviceError, match=f"in {fails}"):
        kernel()
    assert made.calls[-1] == "cuModuleUnload"


def test_an_old_driver(use):
    use()
    with pytest.raises(DeviceError, match="has no cuNoSuchThing: install a newer one"):
        driver.call("cuNoSuchThing")


def kernel():
    return Kernel(b"\x7fELF\0and more", "recur", 128, 70_000)


@pytest.mark.parametrize(
    ("how", "flags"), [({}, []), ({"early": True}, [(6, 1)]), ({"together": True}, [(2, 1)])]
)
def test_a_kernel_is_started(use, how, flags):
    made = use()
    recur = kernel()
    recur.start((64, 3, 2), [("P", 2**40 + 5), ("i", -7), ("P", 0)], STREAM, **how)
    assert made.started == ([64, 3, 2, 128, 1, 1, 70_000], flags, 2**40 + 5, -7)
    recur.free()
    assert made.calls[-1] == "cuModuleUnload"


def test_how_many_blocks_a_gpu_holds(use):
    use()
    assert kernel().most(2) == 4 * 132


def test_gpus_that_cannot(use):
    use(cooperative=0)
    with pytest.raises(DeviceError, match=r"starts no cooperative kernels.*--recurrence steps"):
        kernel().most(2)
    use(blocks=0)
    with pytest.raises(DeviceError, match="has no room for a block of recur"):
        kernel().most(2)


def test_a_gpu_is_opened_once(monkeypatch):
    made, closed, gpu = [], [], fake_cuda.Gpu()
    monkeypatch.setattr(device.atexit, "register", closed.append)
    module = fake_cuda.driver(gpu)
    kept = module.Device.retain_primary_context
    module.Device.retain_primary_context = staticmethod(lambda: made.append(1) or kept())
    package = ModuleType("pycuda")
    package.driver = module
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", module)
    assert device.open_gpu(0) is device.open_gpu(0)
    assert made == [1]
    (closing,) = closed
    closing()
    assert gpu.detached


def test_a_part_of_a_mirror_is_uploaded():
    gpu = fake_cuda.Gpu()
    module = fake_cuda.driver(gpu)
    opened = device.Gpu(module, 0)
    with opened.current():
        stream = module.Stream()
        mirror = Mirror(opened, (8,), np.uint8)
        mirror.host[:] = range(1, 9)
        mirror.upload(stream, 3)
        stream.synchronize()
        assert list(gpu.memory[mirror.address]) == [1, 2, 3, 0, 0, 0, 0, 0]
        mirror.free()
    assert not gpu.memory
