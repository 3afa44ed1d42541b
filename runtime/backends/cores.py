"""Physical cores of macOS and Windows, which have no ``/sys`` to read them from.

* macOS: ``hw.perflevel0.physicalcpu``, the fast cores of Apple silicon, or ``hw.physicalcpu``, see
  ``man 3 sysctl``;
* Windows: a record a core of ``GetLogicalProcessorInformationEx``, see
  https://learn.microsoft.com/windows/win32/api/sysinfoapi.
"""

import ctypes
import ctypes.util
import struct
import sys
from collections.abc import Callable

_CORE = 0  # RelationProcessorCore
_HEAD = struct.Struct("<II")  # what a record is about, and its length in bytes


def counted_cores() -> int | None:
    """Ask the system; None where it is another one, or does not tell."""
    try:
        if sys.platform == "darwin":
            return _of_macos()
        if sys.platform == "win32":
            return _of_windows(ctypes.windll.kernel32.GetLogicalProcessorInformationEx)
    except (AttributeError, OSError, struct.error):  # a system older than these calls
        pass
    return None


def _of_macos() -> int | None:
    system = ctypes.CDLL(ctypes.util.find_library("c"))
    for name in (b"hw.perflevel0.physicalcpu", b"hw.physicalcpu"):
        count, size = ctypes.c_int(0), ctypes.c_size_t(ctypes.sizeof(ctypes.c_int))
        failed = system.sysctlbyname(name, ctypes.byref(count), ctypes.byref(size), None, 0)
        if not failed and count.value > 0:
            return count.value
    return None


def _of_windows(ask: Callable[..., int]) -> int | None:
    length = ctypes.c_ulong(0)
    ask(_CORE, None, ctypes.byref(length))  # tells how long the answer is
    answer = ctypes.create_string_buffer(length.value)
    if not ask(_CORE, answer, ctypes.byref(length)):
        return None
    return records_of_cores(answer.raw[: length.value]) or None


def records_of_cores(answer: bytes) -> int:
    """Count the cores in Windows' answer.

    Args:
        answer: Records one behind the other, each of which begins with what it is about and its own
            length, 4 bytes each.

    Raises:
        struct.error: It ends within a record's head.
    """
    cores = at = 0
    while at < len(answer):
        about, length = _HEAD.unpack_from(answer, at)
        cores += about == _CORE
        at += max(length, _HEAD.size)
    return cores
