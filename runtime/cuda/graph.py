"""CUDA graphs: work that is recorded once and launched as a whole.

pycuda has none, so the driver's own functions are called (CUDA driver API, "Stream Management" and
"Graph Management"). A network of hundreds of small kernels is launched in microseconds that way,
where launching each of them takes longer than running it.
"""

import ctypes
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from runtime.cuda.driver import call
from runtime.errors import DeviceError

_RELAXED = 2  # CU_STREAM_CAPTURE_MODE_RELAXED: libraries may allocate while they are recorded
_KERNEL = 0  # CU_GRAPH_NODE_TYPE_KERNEL


class CudaGraph:
    """What a function put on a stream, to be launched again and again.

    Args:
        stream: A ``pycuda.driver.Stream``.
        work: Puts the work on that stream; is called once, and nothing runs then.

    Attributes:
        nodes: How many pieces of work were recorded: kernels, copies and others.
        kernels: How many of them are kernels.

    Raises:
        DeviceError: The driver refuses to record or to instantiate it.
    """

    def __init__(self, stream: Any, work: Callable[[], None]) -> None:
        self._stream = ctypes.c_void_p(int(stream.handle))
        graph, self._launchable = ctypes.c_void_p(), ctypes.c_void_p()
        call("cuStreamBeginCapture_v2", self._stream, ctypes.c_int(_RELAXED))
        try:
            work()
        except BaseException:
            with suppress(DeviceError):  # what the work says is the reason
                call("cuStreamEndCapture", self._stream, ctypes.byref(graph))
            raise
        call("cuStreamEndCapture", self._stream, ctypes.byref(graph))
        try:
            self.nodes, self.kernels = _count(graph)
            call(
                "cuGraphInstantiateWithFlags",
                *(ctypes.byref(self._launchable), graph, ctypes.c_ulonglong(0)),
            )
        finally:
            with suppress(DeviceError):  # which would hide the reason
                call("cuGraphDestroy", graph)

    def launch(self) -> None:
        """Put the recorded work on the stream."""
        call("cuGraphLaunch", self._launchable, self._stream)

    def seconds(self, driver: Any, stream: Any) -> float:
        """Run the recorded work, and tell the GPU's own time between two events around it.

        Args:
            driver: The module ``pycuda.driver``.
            stream: That on which it was recorded.
        """
        return _seconds(driver, stream, self.launch)

    def free(self) -> None:
        """Forget the recorded work."""
        call("cuGraphExecDestroy", self._launchable)


class Unrecorded:
    """Work that cannot be recorded: it is put on the stream anew each time. As `CudaGraph`.

    Args:
        work: Puts the work on a stream.
    """

    nodes = kernels = None

    def __init__(self, work: Callable[[], None]) -> None:
        self.launch = work

    def seconds(self, driver: Any, stream: Any) -> float:
        """Run the work, and tell the GPU's own time; see `CudaGraph.seconds`."""
        return _seconds(driver, stream, self.launch)

    def free(self) -> None:
        """Do nothing: nothing is kept."""


def _seconds(driver: Any, stream: Any, launch: Callable[[], None]) -> float:
    start, end = driver.Event(), driver.Event()
    start.record(stream)
    launch()
    end.record(stream)
    end.synchronize()
    return end.time_since(start) * 1e-3


def _count(graph: ctypes.c_void_p) -> tuple[int, int]:
    """Count the nodes of a graph, and the kernels among them."""
    count = ctypes.c_size_t()
    call("cuGraphGetNodes", graph, None, ctypes.byref(count))
    nodes = (ctypes.c_void_p * count.value)()
    if count.value:
        call("cuGraphGetNodes", graph, nodes, ctypes.byref(count))
    kernels = 0
    for node in nodes:
        kind = ctypes.c_int()
        call("cuGraphNodeGetType", ctypes.c_void_p(node), ctypes.byref(kind))
        kernels += kind.value == _KERNEL
    return count.value, kernels
