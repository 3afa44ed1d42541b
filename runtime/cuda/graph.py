"""CUDA graphs: work that is recorded once and launched as a whole.

pycuda has none, so the driver's own functions are called (CUDA driver API, "Stream Management" and
"Graph Management"). A network of hundreds of small kernels is launched in microseconds that way,
where launching each of them takes longer than running it.
"""

import ctypes
import sys
from collections.abc import Callable
from typing import Any

from runtime.errors import DeviceError

_RELAXED = 2  # CU_STREAM_CAPTURE_MODE_RELAXED: libraries may allocate while they are recorded


class CudaGraph:
    """What a function put on a stream, to be launched again and again.

    Args:
        stream: A ``pycuda.driver.Stream``.
        work: Puts the work on that stream; is called once, and nothing runs then.

    Raises:
        DeviceError: The driver refuses to record or to instantiate it.
    """

    def __init__(self, stream: Any, work: Callable[[], None]) -> None:
        self._driver = _load_driver()
        self._stream = ctypes.c_void_p(int(stream.handle))
        graph, self._launchable = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuStreamBeginCapture_v2", self._stream, ctypes.c_int(_RELAXED))
        try:
            work()
        finally:
            self._call("cuStreamEndCapture", self._stream, ctypes.byref(graph))
        self._call(
            "cuGraphInstantiateWithFlags",
            *(ctypes.byref(self._launchable), graph, ctypes.c_ulonglong(0)),
        )
        self._call("cuGraphDestroy", graph)

    def launch(self) -> None:
        """Put the recorded work on the stream."""
        self._call("cuGraphLaunch", self._launchable, self._stream)

    def free(self) -> None:
        """Forget the recorded work."""
        self._call("cuGraphExecDestroy", self._launchable)

    def _call(self, function: str, *arguments: Any) -> None:
        code = getattr(self._driver, function)(*arguments)
        if code:
            text = ctypes.c_char_p()
            self._driver.cuGetErrorString(code, ctypes.byref(text))
            said = text.value.decode() if text.value else "unknown"
            raise DeviceError(f"CUDA error {code} in {function}: {said}")


def _load_driver() -> Any:
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        return ctypes.CDLL(name)
    except OSError as error:
        raise DeviceError(f"the NVIDIA driver's library does not load ({error})") from error
