"""What is left to do when whoever read our output has gone."""

import errno
import os
from typing import TextIO


def has_gone(error: OSError) -> bool:
    """Tell whether an error in writing means that the reader has gone; Windows calls it EINVAL."""
    return isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)


def redirect_to_nowhere(stream: TextIO | None) -> None:
    """Let a stream whose reader has gone swallow what comes: Python would complain at its end."""
    if stream is not None:  # None: it is closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
