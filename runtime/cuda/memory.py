"""An array that lies twice: in pinned memory of the host, and on the GPU."""

from typing import Any

import numpy as np

from runtime.cuda.device import Gpu


class Mirror:
    """A static array on both sides; copies are asynchronous and ordered by their stream.

    Attributes:
        host: The host's side, pinned, so that the GPU copies it without the CPU.
        address: Of the GPU's side.
    """

    def __init__(self, gpu: Gpu, shape: tuple[int, ...], dtype: type) -> None:
        self._driver = gpu.driver
        self.host: np.ndarray = gpu.driver.pagelocked_empty(shape, dtype)
        self._device: Any = gpu.driver.mem_alloc(self.host.nbytes)
        self.address = int(self._device)

    def upload(self, stream: Any) -> None:
        """Copy to the GPU."""
        self._driver.memcpy_htod_async(self._device, self.host, stream)

    def download(self, stream: Any) -> None:
        """Copy to the host."""
        self._driver.memcpy_dtoh_async(self.host, self._device, stream)

    def free(self) -> None:
        """Give the GPU's side back; the host's goes with the array."""
        self._device.free()
