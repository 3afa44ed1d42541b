"""One run at a time for a file, where the system has locks for that."""

import os
import sys
from pathlib import Path

from runtime.errors import InputError

_BEHIND = 2**31 - 2
"""Where Windows locks a byte: its locks keep others from reading, so behind what is written."""


def lock(file: int, path: Path) -> None:
    """Keep other runs from writing the same file, until it is closed.

    Args:
        file: Its descriptor.
        path: Its name.

    Raises:
        InputError: Another run is writing it, or has just finished it.
    """
    if sys.platform == "win32":
        import msvcrt

        os.lseek(file, _BEHIND, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise _busy(path) from error
        except OSError:  # some network file systems have no locks
            return
    else:
        try:
            import fcntl
        except ImportError:  # a system without them
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _busy(path) from error
        except OSError:  # as above
            return
        # Whoever had the lock may have finished the file between its opening here and its locking.
        if not (path.exists() and os.path.samestat(os.fstat(file), os.stat(path))):
            raise InputError(f"another run has just finished {path}: run it again")


def _busy(path: Path) -> InputError:
    return InputError(
        f"another run is writing {path}: wait for it, or write to another place (--out)"
    )
