"""How a command ends that is stopped, or whose reader has enough: without a traceback."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from runtime.console.closed_pipe import has_gone, redirect_to_nowhere

INTERRUPTED, READER_GONE = 130, 141

KEPT = "interrupted; what was finished is kept"
GOES_ON = "interrupted: run the same command again to go on"

P = ParamSpec("P")


def stoppable(said: str = KEPT) -> Callable[[Callable[P, int]], Callable[P, int]]:
    """Make the function behind a command line end without a traceback.

    Args:
        said: The line that tells of Ctrl-C.

    Returns:
        What makes of a function that returns the exit code one that also returns 130 after Ctrl-C,
        and 141 where the reader of standard output has gone.
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
                print(said, file=sys.stderr)
                return INTERRUPTED
            except BrokenPipeError:
                redirect_to_nowhere(sys.stdout)
                return READER_GONE

        return run

    return decorate


def _flush() -> None:
    """Write what waits in standard output, as Python does at its end.

    Raises:
        BrokenPipeError: Its reader has gone.
    """
    if sys.stdout is None:  # closed, as by >&-
        return
    try:
        sys.stdout.flush()
    except OSError as error:  # a full disc, for one: Python tries once more, and says so
        if has_gone(error):
            raise BrokenPipeError from error
