"""One GPU, opened, or the reason why it cannot be."""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from runtime.errors import DeviceError
from runtime.installed import how_to_install

_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING
_FORKED = (
    "CUDA was started before this process was forked, and cannot be used in it: begin such "
    "processes by multiprocessing's 'spawn', and open detectors there"
)


class Gpu:
    """A CUDA device and its primary context, which other libraries of the process share.

    Attributes:
        index: Its number.
        name: Such as ``"NVIDIA H100 80GB HBM3"``.
        capability: Compute capability, such as ``"9.0"``.
        driver: The module ``pycuda.driver``.
    """

    def __init__(self, driver: ModuleType, index: int) -> None:
        self.driver, self.index = driver, index
        self._process = os.getpid()
        device = driver.Device(index)
        self.name: str = device.name()
        self.capability = ".".join(map(str, device.compute_capability()))
        self._context: Any = device.retain_primary_context()

    @property
    def forked(self) -> bool:
        """Whether this is a forked child of the process that opened it, where CUDA does nothing."""
        return os.getpid() != self._process

    def close(self) -> None:
        """Give the primary context back.

        Left to its destructor, pycuda 2026.1 calls what is for other contexts, and warns that it
        failed.
        """
        if not self.forked:
            self._context.detach()

    def stream(self) -> Any:
        """Make a ``pycuda.driver.Stream`` that can be recorded whatever other threads do.

        While a blocking stream is recorded, all work that any thread puts on the default stream
        fails (error 906), as PyTorch's would, and so does the recording (901).
        """
        return self.driver.Stream(_NON_BLOCKING)

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make the context that of this thread for a block.

        Raises:
            DeviceError: CUDA fails in the block, or was started before this process was forked; the
                message says how.
        """
        if self.forked:
            raise DeviceError(_FORKED)
        try:
            self._context.push()
        except self.driver.Error as error:
            raise DeviceError(f"{self.name} cannot be used any more ({error})") from error
        try:
            yield
        except self.driver.MemoryError as error:
            raise DeviceError(
                f"the memory of {self.name} is full ({error}): run fewer faces at a time, or see "
                "with nvidia-smi who holds it"
            ) from error
        except self.driver.Error as error:
            raise DeviceError(f"CUDA failed on {self.name} ({error})") from error
        finally:
            self.driver.Context.pop()


_OPENED: dict[tuple[ModuleType, int], Gpu] = {}
"""GPUs stay open: pycuda gives a primary context back as soon as nobody holds it, and what other
libraries of the process have made in it may be lost then."""


def open_gpu(index: int) -> Gpu:
    """Open a GPU, once in a process.

    Args:
        index: Its number.

    Returns:
        The GPU.

    Raises:
        ImportError: pycuda is not installed.
        DeviceError: There is no NVIDIA driver, or no GPU of that number, or the process was forked
            after CUDA had started; the message says which.
    """
    if any(gpu.forked for gpu in _OPENED.values()):
        raise DeviceError(_FORKED)
    wanted = f"device 'cuda:{index}' was asked for, but"
    try:
        import pycuda.driver as driver
    except ModuleNotFoundError as error:
        raise ImportError(f"pycuda is not installed ({error}): {how_to_install('cuda')}") from error
    except ImportError as error:  # its extension is linked with the driver's library
        raise DeviceError(
            f"{wanted} the NVIDIA driver does not load ({error}): install it, and check nvidia-smi"
        ) from error
    try:
        driver.init()
        count = driver.Device.count()
    except driver.Error as error:
        raise DeviceError(f"{wanted} CUDA does not start ({error}): check nvidia-smi") from error
    if index >= count:
        raise DeviceError(f"{wanted} there are {count} GPUs, numbered from 0: check nvidia-smi")
    try:
        if (driver, index) not in _OPENED:
            _OPENED[driver, index] = gpu = Gpu(driver, index)
            atexit.register(gpu.close)
        return _OPENED[driver, index]
    except driver.Error as error:
        raise DeviceError(f"{wanted} it cannot be used ({error}): check nvidia-smi") from error
