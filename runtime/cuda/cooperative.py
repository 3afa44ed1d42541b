"""Kernels whose blocks wait for each other, which pycuda does not start."""

import ctypes
from typing import Any

from runtime.cuda.driver import call
from runtime.errors import DeviceError

_MOST_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
_PROCESSORS = 16  # CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
_COOPERATIVE = 95  # CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH


class CooperativeKernel:
    """A kernel that is started with as many blocks as the GPU holds at a time, or fewer.

    More would wait for ever: the driver's `cuLaunchCooperativeKernel` refuses them, and starts none
    while other work leaves room for only some.

    Args:
        code: Machine code.
        entry: Name of the kernel in there.
        threads: Of a block.
        shared: Bytes of shared memory of a block.
        index: Number of the GPU whose context is current.

    Attributes:
        most: Blocks that the GPU holds at a time.

    Raises:
        DeviceError: The GPU cannot do it, or the driver says no.
    """

    def __init__(self, code: bytes, entry: str, threads: int, shared: int, index: int) -> None:
        self._threads, self._shared = threads, shared
        device = ctypes.c_int()
        call("cuDeviceGet", ctypes.byref(device), ctypes.c_int(index))
        if not _attribute(_COOPERATIVE, device):
            raise DeviceError(
                f"GPU {index} starts no cooperative kernels, which --recurrence persistent needs: "
                "export with --recurrence steps"
            )
        self._module, self._function = ctypes.c_void_p(), ctypes.c_void_p()
        call("cuModuleLoadData", ctypes.byref(self._module), ctypes.c_char_p(code))
        call(
            "cuModuleGetFunction",
            *(ctypes.byref(self._function), self._module, ctypes.c_char_p(entry.encode())),
        )
        call("cuFuncSetAttribute", self._function, ctypes.c_int(_MOST_SHARED), ctypes.c_int(shared))
        blocks = ctypes.c_int()
        call(
            "cuOccupancyMaxActiveBlocksPerMultiprocessor",
            *(ctypes.byref(blocks), self._function, ctypes.c_int(threads)),
            ctypes.c_size_t(shared),
        )
        self.most = blocks.value * _attribute(_PROCESSORS, device)
        if self.most < 1:
            raise DeviceError(f"GPU {index} has no room for a block of {entry}")

    def start(self, blocks: int, values: list[tuple[str, int]], stream: Any) -> None:
        """Put a launch on a stream.

        Args:
            blocks: At most so many; `most` where that is less.
            values: Arguments: ``"i"`` and a whole number, or ``"P"`` and an address.
            stream: A ``pycuda.driver.Stream``.
        """
        kinds = {"i": ctypes.c_int32, "P": ctypes.c_uint64}
        held = [kinds[kind](value) for kind, value in values]
        pointers = (ctypes.c_void_p * len(held))(*map(ctypes.addressof, held))
        dimensions = (min(blocks, self.most), 1, 1, self._threads, 1, 1, self._shared)
        call(
            "cuLaunchCooperativeKernel",
            *(self._function, *map(ctypes.c_uint, dimensions)),
            *(ctypes.c_void_p(int(stream.handle)), pointers),
        )

    def free(self) -> None:
        """Let go of the code."""
        call("cuModuleUnload", self._module)


def _attribute(number: int, device: ctypes.c_int) -> int:
    value = ctypes.c_int()
    call("cuDeviceGetAttribute", ctypes.byref(value), ctypes.c_int(number), device)
    return value.value
