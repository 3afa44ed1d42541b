"""How a command ends that is stopped, or whose reader has enough: without a traceback."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from runtime.console.closed_pipe import has_gone, redirect_to_nowhere
from runtime.console.messages import tell

CANNOT_WRITE, INTERRUPTED, READER_GONE = 3, 130, 141

KEPT = "interrupted; what was finished is kept"
GOES_ON = "interrupted: run the same command again to go on"

P = ParamSpec("P")


class _UnwritableError(Exception):
    """What waited in standard output cannot be written."""


def stoppable(said: str = KEPT) -> Callable[[Callable[P, int]], Callable[P, int]]:
    """Make the function behind a command line end without a traceback.

    Args:
        said: The line that tells of Ctrl-C.

    Returns:
        What makes of a function that returns the exit code one that also returns 130 after Ctrl-C,
        141 where the reader of standard output has gone, and 3 where that cannot be written for
        another reason, such as a full disc.
    """

    def decorate(main: Callable[P, int]) -> Callable[P, int]:
        @wraps(main)
        def run(*args: P.args, **kwargs: P.kwargs) -> int:
            try:
                try:
                    code = main(*args, **kwargs)
                except SystemExit:  # as after --help
                    _flush()
                    raise
                _flush()
                return code
            except KeyboardInterrupt:
                try:
                    _flush()
                except (BrokenPipeError, _UnwritableError):  # Ctrl-C ends the reader as well
                    redirect_to_nowhere(sys.stdout)
                tell(said)
                return INTERRUPTED
            except BrokenPipeError:
                redirect_to_nowhere(sys.stdout)
                return READER_GONE
            except _UnwritableError as error:
                redirect_to_nowhere(sys.stdout)
                tell(f"error: standard output cannot be written ({error})")
                return CANNOT_WRITE

        return run

    return decorate


def _flush() -> None:
    """Write what waits in standard output, which Python does not always try again at its end.

    Raises:
        BrokenPipeError: Its reader has gone.
        _UnwritableError: It cannot be written for another reason.
    """
    if sys.stdout is None:  # closed, as by >&-
        return
    try:
        sys.stdout.flush()
    except OSError as error:
        if has_gone(error):
            raise BrokenPipeError from error
        raise _UnwritableError(error.strerror) from error
