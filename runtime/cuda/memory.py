"""An array that lies twice: in pinned memory of the host, and on the GPU."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from runtime.cuda.device import Gpu


class Mirror:
    """A static array on both sides; copies are asynchronous and ordered by their stream.

    Args:
        gpu: Where.
        shape: Of the array.
        dtype: Of its numbers.
        address: Of the GPU's side, where somebody else has allocated it; None to allocate it.

    Attributes:
        host: The host's side, pinned, so that the GPU copies it without the CPU.
        address: Of the GPU's side.
    """

    def __init__(
        self, gpu: Gpu, shape: tuple[int, ...], dtype: DTypeLike, address: int | None = None
    ) -> None:
        self._driver = gpu.driver
        self.host: np.ndarray = gpu.driver.pagelocked_empty(shape, dtype)
        self._own: Any = None
        if address is None:
            self._own = gpu.driver.mem_alloc(self.host.nbytes)
            address = int(self._own)
        self.address = address

    def upload(self, stream: Any, count: int | None = None) -> None:
        """Copy to the GPU: all, or the first `count` of the first axis."""
        self._driver.memcpy_htod_async(self.address, self.host[:count], stream)

    def download(self, stream: Any) -> None:
        """Copy to the host."""
        self._driver.memcpy_dtoh_async(self.host, self.address, stream)

    def free(self) -> None:
        """Give back what was allocated here; the host's side goes with the last who holds it."""
        if self._own is not None:
            self._own.free()
        self._own, self.host = None, np.empty(0, self.host.dtype)
