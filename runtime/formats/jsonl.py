"""JSON lines: a frame a line, into a file or down a pipe."""

import json
from pathlib import Path
from typing import TextIO

from runtime.console.closed_pipe import has_gone
from runtime.errors import InputError, OutputError
from runtime.formats.columns import Layout
from runtime.formats.growing import GrowingText, TextWriter
from runtime.results import Result


def json_line(result: Result, source: str, ascii_only: bool = False) -> str:
    """Write a frame as one line: ``source`` and what `Result.to_dict` gives."""
    return json.dumps({"source": source, **result.to_dict()}, ensure_ascii=ascii_only) + "\n"


class JsonLinesWriter(TextWriter):
    """Writes a file of JSON lines.

    Args:
        path: The file to write.
        layout: What the results hold.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self._file = GrowingText(path)
        self._source = layout.source

    def write(self, result: Result) -> None:
        """Add one frame, see `runtime.formats.ResultWriter`."""
        self._file.append(json_line(result, self._source))


class JsonLinesPipe:
    """Writes JSON lines to a stream that is open, a line at once, so that the reader can follow.

    Args:
        stream: Where to write, such as standard output; None where it was closed from the start.
        layout: What the results hold.

    Raises:
        InputError: There is no stream.
    """

    def __init__(self, stream: TextIO | None, layout: Layout) -> None:
        if stream is None:
            raise InputError("JSON lines go to standard output (--jsonl), which is closed")
        self._stream, self._source = stream, layout.source

    def write(self, result: Result) -> None:
        """Add one frame.

        Raises:
            BrokenPipeError: Whoever read is gone.
            OutputError: The stream takes no more, such as a file on a full disc.
        """
        try:
            # A pipe need not be UTF-8: on Windows it is not.
            self._stream.write(json_line(result, self._source, ascii_only=True))
            self._stream.flush()
        except OSError as error:
            if has_gone(error):
                raise BrokenPipeError(error.errno, error.strerror) from error
            raise OutputError(
                f"{self._stream.name} takes no more JSON lines ({error.strerror or error})"
            ) from error
