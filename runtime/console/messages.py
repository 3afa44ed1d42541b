"""Messages of the command line: file names in them, whatever they hold, move no terminal."""

import logging
import re
import sys
from typing import TextIO

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    r"""Escape control characters, such as the newline and ESC that names may hold, as ``\n``."""
    return _CONTROLS.sub(lambda found: repr(found[0])[1:-1], text)


def tell(text: str, stream: TextIO | None = None) -> None:
    """Print a message, each of its lines without control characters.

    Args:
        text: The message, with names through `printable` where a line must not end within them.
        stream: Where to; None for standard error.
    """
    target = stream or sys.stderr
    if target is not None:  # None: it is closed; print would take standard output for it
        print("\n".join(map(printable, text.split("\n"))), file=target, flush=True)


class OneLine(logging.Formatter):
    """Writes a log message as one line, whatever names it holds; a traceback stays below it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Format a record's message, see `logging.Formatter.formatMessage`."""
        return printable(super().formatMessage(record))
