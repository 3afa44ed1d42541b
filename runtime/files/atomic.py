"""Files that appear under their name whole, or not at all."""

import json
import os
import time
from contextlib import suppress
from pathlib import Path

from runtime.errors import InputError

STALE = ".*.part.*"
"""Pattern of the files that a run leaves half written if it is killed."""

SHARED = os.name != "nt"
"""Whether a file can be replaced while another program has it open; Windows refuses."""

_PAUSES = (0.05, 0.2, 0.5, 1.0)  # seconds; virus scanners hold new files for a moment


class PendingFile:
    """A file that is written beside its target and takes the target's name when it is done.

    As a context manager it takes the name at the end of the block. An exception, Ctrl-C too, drops
    what was written and leaves an older target as it was. An error of the system that names no
    file, as that of a full disc, then names the target.

    Args:
        target: Where the file will be; its folder is made if need be.
        durable: Whether it must outlast a power cut, as what takes hours to make again: its bytes
            are on the disc before it takes the name, which costs milliseconds.

    Attributes:
        target: As given.
        path: Where it is meanwhile; it has the target's suffix, as some writers go by it.

    Raises:
        InputError: The target's folder is a file.
    """

    def __init__(self, target: str | Path, durable: bool = False) -> None:
        self.target, self._durable = Path(target), durable
        make_folder(self.target.parent)
        self.path = self.target.with_name(
            f".{self.target.stem}.{os.getpid()}.part{self.target.suffix}"
        )

    def commit(self) -> None:
        """Give the file its name; an older file of that name is replaced in one step."""
        if self._durable:
            with self.path.open("rb+") as file:
                os.fsync(file.fileno())
        take_name(self.path, self.target)

    def discard(self) -> None:
        """Remove what was written, where that can be."""
        drop(self.path)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        if kind is not None:
            self.discard()
            self._name(error)
            return
        try:
            self.commit()
        except (InputError, OSError) as stop:  # such as a folder that has the name
            self.discard()
            self._name(stop)
            raise

    def _name(self, error: BaseException | None) -> None:
        """Let an error of the system name the target, if it names nothing."""
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            error.filename = str(self.target)


def write_json(path: Path, value: object) -> None:
    """Write a JSON file, whole or not at all.

    Args:
        path: The file; its folder is made if need be.
        value: Plain values; None, which becomes null, for what is undefined.

    Raises:
        InputError: The folder is a file.
        OSError: The file cannot be written.
        ValueError: A number is NaN or infinite, which JSON does not have.
    """
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ValueError(f"{path} cannot be written as JSON: {error}") from error
    with PendingFile(path) as part:
        part.write_text(text + "\n", encoding="utf-8")


def take_name(path: Path, target: Path, advice: str = "") -> None:
    """Give a file its name; an older file of that name is replaced in one step.

    Args:
        path: The file.
        target: The name.
        advice: What else to say where that fails, such as what becomes of the file.

    Raises:
        InputError: Another program has the target open, which matters on Windows only.
        OSError: It cannot be replaced.
    """
    for pause in () if SHARED else _PAUSES:
        with suppress(PermissionError):
            os.replace(path, target)
            return
        time.sleep(pause)
    try:
        os.replace(path, target)
    except PermissionError as error:
        if SHARED:
            raise
        raise InputError(
            f"{target} cannot be replaced ({error.strerror}): if another program has it open, such "
            f"as Excel, close it there and run again{advice}"
        ) from error


def drop(path: Path) -> None:
    """Remove a file that is of no use, if it is there.

    A disc that has become read-only, or is gone, takes it along; the error that led here says more
    than a second one would.
    """
    with suppress(OSError):
        path.unlink()


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Args:
        folder: The folder; it may exist.

    Raises:
        InputError: A file is in the way, or it must not be made there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(
            f"output folder {folder} cannot be made, a file is in its place: give another folder"
        ) from error
    except OSError as error:
        raise InputError(
            f"output folder {folder} cannot be made ({error.strerror}): give another folder"
        ) from error
