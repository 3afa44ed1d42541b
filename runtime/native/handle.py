"""A network that the engine holds for Python: opened, run by one thread at a time, closed once."""

import ctypes
import os
from collections.abc import Callable, Mapping

import numpy as np

from runtime.one_thread import OneThread

_MESSAGE = 500  # bytes


class Handle:
    """A network in the engine.

    Args:
        functions: Of the engine: what opens such a network, and what frees it.
        shape: What decides over its sizes, as the engine has it.
        arrays: Name → weights, float32; the engine reads some of them where they are.
        threads: CPU threads.
        what: What it is, for messages.

    Raises:
        ValueError: The engine does not open it; the message says why.
    """

    def __init__(
        self,
        functions: tuple[Callable[..., int | None], Callable[..., None]],
        shape: ctypes.Structure,
        arrays: Mapping[str, np.ndarray],
        threads: int,
        what: str,
    ) -> None:
        opener, self._free = functions
        self._process, self._alone = os.getpid(), OneThread(what, "open one for each")
        self._arrays = arrays
        count, values = len(arrays), list(arrays.values())
        self._pointer, message = _call(
            opener,
            ctypes.byref(shape),
            (ctypes.c_char_p * count)(*(name.encode() for name in arrays)),
            (ctypes.c_void_p * count)(*(array.ctypes.data for array in values)),
            (ctypes.c_int64 * count)(*(array.size for array in values)),
            count,
            threads,
        )
        if not self._pointer:
            raise ValueError(message)

    def do(self, function: Callable[..., int], *arguments: object) -> None:
        """Call a function of the engine on the network.

        Args:
            function: Which.
            *arguments: What it takes between the network and the message.

        Raises:
            RuntimeError: It fails, or another thread is in the network.
        """
        with self._alone:  # two in one network would write into the same memory
            done, message = _call(function, self._pointer, *arguments)
        if not done:
            raise RuntimeError(f"the native engine could not go on: {message}")

    def close(self) -> None:
        """Free it; closing again does nothing."""
        with self._alone:
            pointer, self._pointer = self._pointer, None
            # A forked child has none of the threads that closing waits for.
            if pointer and os.getpid() == self._process:
                self._free(pointer)

    def __del__(self) -> None:
        if getattr(self, "_pointer", None):
            self.close()


def _call(function: Callable[..., int | None], *arguments: object) -> tuple[int | None, str]:
    """Call a function of the engine; what it returns, and what it says if that is nothing."""
    message = ctypes.create_string_buffer(_MESSAGE)
    returned = function(*arguments, message, _MESSAGE)
    return returned, message.value.decode(errors="replace")
