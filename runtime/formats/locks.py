"""One run at a time for a file, where the system has locks for that."""

import os
from pathlib import Path

from runtime.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
try:
    import msvcrt
except ImportError:  # all others
    msvcrt = None

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
    if fcntl is not None:
        _lock_on_posix(file, path)
    elif msvcrt is not None:
        _lock_on_windows(file, path)


def _lock_on_posix(file: int, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise _busy(path) from error
    except OSError:  # some network file systems have no locks
        return
    # Whoever had the lock may have finished the file between its opening here and its locking.
    if not (path.exists() and os.path.samestat(os.fstat(file), os.stat(path))):
        raise InputError(f"another run has just finished {path}: run it again")


def _lock_on_windows(file: int, path: Path) -> None:
    os.lseek(file, _BEHIND, os.SEEK_SET)
    try:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    except PermissionError as error:
        raise _busy(path) from error
    except OSError:  # as above
        return


def _busy(path: Path) -> InputError:
    return InputError(
        f"another run is writing {path}: wait for it, or write to another place (--out)"
    )
