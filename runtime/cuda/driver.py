"""The CUDA driver's own functions, for what pycuda has none for."""

import ctypes
import sys
from functools import cache
from typing import Any

from runtime.errors import DeviceError

NO_SUCH_CODE = frozenset({200, 209, 218, 222})
"""Codes of errors that a driver gives for machine code or PTX that it cannot run: no image, none
for this GPU, PTX that is none, PTX of a newer version."""


class DriverError(DeviceError):
    """A driver function returned an error.

    Attributes:
        code: The driver's number of the error.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def call(function: str, *arguments: Any) -> None:
    """Call a function of the driver (CUDA driver API).

    Args:
        function: Its name, with the version suffix that headers hide, such as
            ``"cuStreamBeginCapture_v2"``.
        *arguments: Of ctypes' types.

    Raises:
        DeviceError: The driver does not load, or does not have the function.
        DriverError: It returned an error.
    """
    driver = _load_driver()
    try:
        entry = getattr(driver, function)
    except AttributeError as error:
        raise DeviceError(f"this NVIDIA driver has no {function}: install a newer one") from error
    code = entry(*arguments)
    if code:
        text = ctypes.c_char_p()
        driver.cuGetErrorString(code, ctypes.byref(text))
        said = text.value.decode() if text.value else "unknown"
        raise DriverError(code, f"CUDA error {code} in {function}: {said}")


@cache
def _load_driver() -> Any:
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        return ctypes.CDLL(name)
    except OSError as error:
        raise DeviceError(f"the NVIDIA driver's library does not load ({error})") from error
