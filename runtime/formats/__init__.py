"""Results as files: one file a format, behind one interface.

Every writer is a context manager with ``write(result)``, holds one frame in memory, and hands it
to the operating system at once (Parquet: 16,000 rows together). Until the end its file is
called ``NAME.partial.SUFFIX``; see `growing` for what stays after errors and kill -9.
"""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from runtime.errors import InputError
from runtime.formats.columns import Layout
from runtime.formats.events import EventsWriter
from runtime.formats.jsonl import JsonLinesWriter
from runtime.formats.native import NativeWriter
from runtime.formats.openface import OpenFaceWriter
from runtime.formats.parquet import ParquetWriter
from runtime.formats.pyfeat import PyFeatWriter
from runtime.formats.subtitles import SUBTITLES, SrtWriter, VttWriter
from runtime.results import Result

__all__ = ["FORMATS", "Layout", "ResultWriter", "open_writer", "output_path"]


class ResultWriter(Protocol):
    """What writes results to a file; a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...

    def write(self, result: Result) -> None:
        """Add one frame.

        Args:
            result: The frame's result; frames come in order.

        Raises:
            OutputError: It cannot be written.
        """
        ...


FORMATS: dict[str, tuple[str, Callable[[Path, Layout], ResultWriter]]] = {
    "native": (".csv", NativeWriter),
    "openface": (".openface.csv", OpenFaceWriter),
    "pyfeat": (".pyfeat.csv", PyFeatWriter),
    "parquet": (".parquet", ParquetWriter),
    "jsonl": (".jsonl", JsonLinesWriter),
    "events": (".events.csv", EventsWriter),
    "vtt": (".vtt", VttWriter),
    "srt": (".srt", SrtWriter),
}
"""Name → suffix of the file, and what writes it."""

TIMED = SUBTITLES | {"events"}
"""Formats about when something happens, which make no sense without timestamps."""


def output_path(base: str | Path, name: str) -> Path:
    """Name the file of a format: ``output_path("out/clip", "vtt")`` is ``out/clip.vtt``."""
    return Path(f"{base}{FORMATS[name][0]}")


def open_writer(name: str, base: str | Path, layout: Layout) -> ResultWriter:
    """Open a writer.

    Args:
        name: A key of `FORMATS`.
        base: Path of the file without its suffix.
        layout: What the results hold.

    Returns:
        The writer, to be used as a context manager.

    Raises:
        InputError: The format is unknown, or the folder cannot be made.
        OutputError: The file cannot be written.
        ImportError: The format's library is not installed.
    """
    if name not in FORMATS:
        raise InputError(f"format {name!r} is unknown: give {', '.join(FORMATS)}")
    return FORMATS[name][1](output_path(base, name), layout)
