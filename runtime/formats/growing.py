"""Files that grow frame by frame and stay valid whenever the program is stopped."""

import os
from pathlib import Path
from typing import Self

from runtime.errors import InputError, OutputError
from runtime.files.atomic import drop, make_folder, take_name
from runtime.files.locks import lock


def partial_path(target: str | Path) -> Path:
    """Name the file that grows until the target is whole: ``clip.csv`` → ``clip.partial.csv``."""
    target = Path(target)
    return target.with_name(f"{target.stem}.partial{target.suffix}")


class PartialFile:
    """A file that is written beside its target, in plain sight, and takes its name at the end.

    Unlike `runtime.files.atomic.PendingFile` it outlives errors and kill -9: what was written stays
    under `partial_path`, and an older target stays as it was.

    Attributes:
        target: Where the file will be; its folder is made if need be.
        path: Where it is meanwhile.

    Raises:
        InputError: The target's folder is a file.
    """

    def __init__(self, target: str | Path) -> None:
        self.target = Path(target)
        make_folder(self.target.parent)
        self.path = partial_path(target)

    def finish(self, exception: type[BaseException] | None, worth_keeping: bool) -> None:
        """End a block.

        Args:
            exception: What ended the block. After None or Ctrl-C the file takes its name, after
                anything else it stays where it is.
            worth_keeping: Whether it holds anything; if not, it goes after an error and after
                Ctrl-C, which must not put an empty file in the place of an older one.
        """
        if exception is None or (worth_keeping and issubclass(exception, KeyboardInterrupt)):
            take_name(self.path, self.target, "; --resume then takes over what was done")
        elif not worth_keeping:
            drop(self.path)


class GrowingText:
    """Text that is appended piece by piece, each piece whole or not at all.

    Every piece is handed to the operating system at once, so that kill -9 loses nothing. Where a
    piece does not fit onto the disc, the file is cut back to the end of the one before.

    Args:
        target: The file to write, UTF-8; see `PartialFile`.
        keep: Length of the partial file that is to be continued, bytes; 0 to begin anew.

    Raises:
        InputError: The folder cannot be made, or another run writes this file.
        OutputError: The file cannot be written.
    """

    _file: int | None = None  # its descriptor, while it is open

    def __init__(self, target: str | Path, keep: int = 0) -> None:
        self._partial = PartialFile(target)
        path = self._partial.path
        # A link that somebody has put there would lead to another file.
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        try:
            self._file = os.open(path, flags, 0o666)
        except OSError as error:
            raise OutputError(f"{path} cannot be written ({error.strerror})") from error
        try:
            lock(self._file, path)
            if os.fstat(self._file).st_size < keep:
                raise InputError(f"{path} was changed meanwhile: run it again")
            os.ftruncate(self._file, keep)
        except BaseException:
            os.close(self._file)
            self._file = None  # its number may be another file's soon
            raise
        self._settled = self._end = keep
        self._pieces = int(keep > 0)

    def __del__(self) -> None:
        """Close the file of a writer that nobody finished, which would stay locked."""
        if self._file is not None:
            os.close(self._file)

    @property
    def path(self) -> Path:
        """Where the text is until it is whole."""
        return self._partial.path

    def append(self, text: str, tail: str = "", counts: bool = True) -> None:
        """Write a piece behind those that are there.

        Args:
            text: What stays.
            tail: What follows only for now; the next piece takes its place.
            counts: Whether the piece makes the file worth keeping after an error; a header does
                not.

        Raises:
            OutputError: It does not fit, or the disc fails; the file ends with the last piece.
        """
        file = self._require_open()
        settled, data = text.encode(), (text + tail).encode()
        try:
            os.lseek(file, self._settled, os.SEEK_SET)
            left = memoryview(data)
            while left:
                left = left[os.write(file, left) :]
        except OSError as error:
            self._cut_back(file)
            raise OutputError(
                f"{self.path} cannot be written further ({error.strerror}): what is in it is "
                "valid and stays; make room, then resume the run (--resume)"
            ) from error
        end = self._settled + len(data)
        if end < self._end:
            os.ftruncate(file, end)
        self._settled, self._end = self._settled + len(settled), end
        self._pieces += counts

    def _require_open(self) -> int:
        if self._file is None:  # its number may be another file's by now
            raise ValueError(f"{self._partial.target} is finished: open another writer")
        return self._file

    def _cut_back(self, file: int) -> None:
        try:
            os.ftruncate(file, self._settled)
            self._end = self._settled
        except OSError:  # a disc that is gone; there is nothing to save on it
            pass

    def finish(self, exception: type[BaseException] | None) -> None:
        """Close the file and give it its name, unless an error ended the block."""
        os.close(self._require_open())
        self._file = None
        self._partial.finish(exception, worth_keeping=self._pieces > 0)


class TextWriter:
    """What the writers of text formats share: a context manager around a `GrowingText`."""

    _file: GrowingText

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._file.finish(kind)
