"""Standard error of libraries in C, which no logger of Python's holds back."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_ERROR = 2  # the descriptor, as C sees it


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Drop what is written to standard error meanwhile, of the whole process."""
    kept = os.dup(_ERROR)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, _ERROR)
        yield
    finally:
        os.dup2(kept, _ERROR)
        os.close(nowhere)
        os.close(kept)
