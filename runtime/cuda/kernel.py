"""Starting kernels in ways that pycuda does not: early, or only all blocks at once."""

import ctypes
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from runtime.cuda.driver import call
from runtime.errors import DeviceError

_MOST_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
_PROCESSORS = 16  # CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
_COOPERATIVE = 95  # CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH
_TOGETHER = 2  # CU_LAUNCH_ATTRIBUTE_COOPERATIVE
_EARLY = 6  # CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION
_KINDS = {"i": ctypes.c_int32, "P": ctypes.c_uint64}


class _Attribute(ctypes.Structure):
    """`CUlaunchAttribute`, whose value is a union of 64 bytes; all that are used here are ints."""

    _fields_ = (
        ("id", ctypes.c_int),
        ("padding", ctypes.c_char * 4),
        ("value", ctypes.c_int),
        ("rest", ctypes.c_char * 60),
    )


class _Config(ctypes.Structure):
    """`CUlaunchConfig`."""

    _fields_ = (
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared", ctypes.c_uint),
        ("stream", ctypes.c_void_p),
        ("attributes", ctypes.POINTER(_Attribute)),
        ("count", ctypes.c_uint),
    )


class Kernel:
    """A kernel of our own on a GPU, from its machine code.

    Args:
        code: Machine code.
        entry: Name of the kernel in there.
        threads: Of a block.
        shared: Bytes of shared memory of a block.

    Raises:
        DeviceError: A driver function returned an error.
    """

    def __init__(self, code: bytes, entry: str, threads: int, shared: int) -> None:
        self._entry, self._threads, self._shared = entry, threads, shared
        self._module, self._function = ctypes.c_void_p(), ctypes.c_void_p()
        call("cuModuleLoadData", ctypes.byref(self._module), ctypes.c_char_p(code))
        try:
            call(
                "cuModuleGetFunction",
                *(ctypes.byref(self._function), self._module, ctypes.c_char_p(entry.encode())),
            )
            call(
                "cuFuncSetAttribute",
                *(self._function, ctypes.c_int(_MOST_SHARED), ctypes.c_int(shared)),
            )
        except DeviceError:
            with suppress(DeviceError):  # which would hide the reason
                self.free()
            raise

    def start(
        self,
        grid: Sequence[int],
        values: Sequence[tuple[str, int]],
        stream: Any,
        *,
        early: bool = False,
        together: bool = False,
    ) -> None:
        """Put a launch on a stream.

        Args:
            grid: Blocks along three axes.
            values: Arguments: ``"i"`` and a whole number, or ``"P"`` and an address.
            stream: A ``pycuda.driver.Stream``.
            early: Whether it may start while the kernel before it still runs, as it waits for that
                one by itself ("Programmatic Dependent Launch" in the CUDA C++ Programming Guide).
            together: Whether all blocks have to be on the GPU at once; the driver refuses more than
                it holds, see `most`, and starts none while other work leaves room for only some.
        """
        held = [_KINDS[kind](value) for kind, value in values]
        pointers = (ctypes.c_void_p * len(held))(*map(ctypes.addressof, held))
        wanted = [number for number, on in ((_EARLY, early), (_TOGETHER, together)) if on]
        attributes = (_Attribute * max(1, len(wanted)))()
        for attribute, number in zip(attributes, wanted, strict=False):
            attribute.id, attribute.value = number, 1
        config = _Config(
            (ctypes.c_uint * 3)(*grid),
            (ctypes.c_uint * 3)(self._threads, 1, 1),
            *(self._shared, int(stream.handle), attributes, len(wanted)),
        )
        call("cuLaunchKernelEx", ctypes.byref(config), self._function, pointers, None)

    def most(self, index: int) -> int:
        """Tell how many blocks the GPU holds at a time; more could not wait for each other.

        Args:
            index: Number of the GPU whose context is current.

        Raises:
            DeviceError: It cannot start blocks together, or holds none.
        """
        device, blocks = ctypes.c_int(), ctypes.c_int()
        call("cuDeviceGet", ctypes.byref(device), ctypes.c_int(index))
        if not _attribute(_COOPERATIVE, device):
            raise DeviceError(
                f"GPU {index} starts no cooperative kernels, which --recurrence persistent needs: "
                "export with --recurrence steps"
            )
        call(
            "cuOccupancyMaxActiveBlocksPerMultiprocessor",
            *(ctypes.byref(blocks), self._function, ctypes.c_int(self._threads)),
            ctypes.c_size_t(self._shared),
        )
        most = blocks.value * _attribute(_PROCESSORS, device)
        if most < 1:
            raise DeviceError(f"GPU {index} has no room for a block of {self._entry}")
        return most

    def free(self) -> None:
        """Let go of the code."""
        call("cuModuleUnload", self._module)


def _attribute(number: int, device: ctypes.c_int) -> int:
    value = ctypes.c_int()
    call("cuDeviceGetAttribute", ctypes.byref(value), ctypes.c_int(number), device)
    return value.value
