"""Processes that work for a command, and end with it even when it is killed."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context, parent_process
from threading import Thread

import cv2

MOST = 61
"""Processes at most if no number is given: Windows waits for no more at a time."""

KILLED = (
    "a process was killed, perhaps for want of memory: run the same command again to go on, with "
    "fewer --workers"
)
"""What a command that goes on where it stopped says to a BrokenProcessPool."""


class Pool(ProcessPoolExecutor):
    """A pool whose block drops the jobs that have not begun where it ends by an exception.

    Shutting down twice, as by hand in a ``with`` block, can undo that: the second call overwrites
    what the first has asked for (`concurrent.futures.process`, `shutdown`).
    """

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        """Wait for the jobs that have begun, and let those that have not be done, or not."""
        self.shutdown(wait=True, cancel_futures=kind is not None)
        return False


def open_pool(
    workers: int | None, prepare: Callable[..., None] | None = None, *arguments: object
) -> Pool:
    """Start processes that use one thread each.

    Args:
        workers: How many; None for one a core, but no more than :data:`MOST`.
        prepare: Called in each process before its first job.
        arguments: What it is called with.

    Returns:
        The pool. Its processes end at once when this one is gone, killed for example.
    """
    return Pool(
        workers or _one_a_core(),
        # spawn: a forked child would inherit the parent's OpenCV and numba threads half-alive
        mp_context=get_context("spawn"),
        initializer=_begin,
        initargs=(prepare, arguments),
    )


def run_jobs(
    function: Callable[..., object], jobs: Sequence[tuple[object, ...]], workers: int | None
) -> Iterator[tuple[int, Future]]:
    """Call a function for each job.

    Args:
        function: What to call; it and the jobs must be picklable.
        jobs: Its arguments, a tuple each.
        workers: Processes; None for one a core, but no more than :data:`MOST`, 0 for none but this
            one.

    Yields:
        A job's place and its finished future, in the order in which they finish. Jobs that have
        not begun are dropped when the caller stops listening.
    """
    if workers == 0:
        for place, job in enumerate(jobs):
            future: Future = Future()
            try:
                future.set_result(function(*job))
            except Exception as error:
                future.set_exception(error)
            yield place, future
        return
    with open_pool(min(workers or _one_a_core(), max(len(jobs), 1))) as pool:
        places = {pool.submit(function, *job): place for place, job in enumerate(jobs)}
        for future in as_completed(places):
            yield places[future], future


def _one_a_core() -> int:
    return min(os.cpu_count() or 1, MOST)


def _begin(prepare: Callable[..., None] | None, arguments: tuple[object, ...]) -> None:
    cv2.setNumThreads(1)  # one process a core already
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # A terminal sends Ctrl-C to the workers as well: they end at once, and say nothing.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    Thread(target=_end_with_parent, daemon=True).start()
    if prepare is not None:
        prepare(*arguments)


def _end_with_parent() -> None:
    parent_process().join()
    os._exit(1)
