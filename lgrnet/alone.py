"""One run at a time for a folder: two that write the same data set or training spoil each other."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.errors import InputError
from runtime.files.atomic import STALE, drop, make_folder
from runtime.files.locks import lock

LOCK_NAME = ".lock"
"""A file that is locked, where the system has locks, and removed at the end; a killed run leaves it
behind, unlocked."""


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other runs from writing into a folder meanwhile.

    What a killed run left half written is removed, which only whoever is alone may do.

    Args:
        folder: The folder; made if need be.

    Raises:
        InputError: Another run is writing into it, or it cannot be made.
        OSError: Nothing can be written into it.
    """
    make_folder(folder)
    path = folder / LOCK_NAME
    with path.open("a") as file:
        try:
            lock(file.fileno(), path)
        except InputError as error:
            raise InputError(
                f"another run is writing into {folder}: wait for it, end it, or give another folder"
            ) from error
        try:
            for stale in folder.glob(STALE):
                stale.unlink()
            yield
        finally:
            drop(path)  # while it is locked, so that nobody else has it
