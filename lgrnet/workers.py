"""Processes that work for a command, and end with it even when it is killed."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.process import BaseProcess
from threading import Thread, current_thread, main_thread
from typing import ParamSpec, TypeVar

import cv2

MOST = 61
"""Processes at most if no number is given: Windows waits for no more at a time."""

KILLED = (
    "a process was killed, perhaps for want of memory: run the same command again to go on, with "
    "fewer --workers"
)
"""What a command that goes on where it stopped says to a BrokenProcessPool."""


_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")


class Pool(ProcessPoolExecutor):
    """A pool whose block drops the jobs that have not begun where it ends by an exception.

    Shutting down twice, as by hand in a ``with`` block, can undo that: the second call overwrites
    what the first has asked for (`concurrent.futures.process`, `shutdown`).
    """

    def submit(
        self, function: Callable[_Given, _Answer], /, *args: _Given.args, **kwargs: _Given.kwargs
    ) -> Future[_Answer]:
        """Begin a job, in a new process perhaps; see `concurrent.futures.Executor.submit`."""
        with deaf():
            return super().submit(function, *args, **kwargs)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait for the jobs that have begun, and let those that have not be done, or not."""
        try:
            self.shutdown(wait=True, cancel_futures=kind is not None)
        except KeyboardInterrupt:  # nobody would tell the processes any more that they can end
            for process in (self._processes or {}).values():
                process.terminate()
            raise


@contextmanager
def deaf() -> Iterator[None]:
    """Start processes in this block that do not hear Ctrl-C before they call `hear`.

    A terminal sends it to all processes. One that is still importing would answer with a traceback.

    Raises:
        KeyboardInterrupt: Ctrl-C came in the block; it is raised at its end, as those who start
            processes are not made to be interrupted half-way.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # it would hear again on behalf of all
    waiting = []
    # Another thread of this process may hear what is blocked in this one.
    interrupts = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    defers = interrupts and current_thread() is main_thread()
    if defers:
        signal.signal(signal.SIGINT, lambda *_: waiting.append(True))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if defers:
            signal.signal(signal.SIGINT, signal.default_int_handler)
    if waiting:
        raise KeyboardInterrupt


def hear(answer: signal.Handlers) -> None:
    """Hear Ctrl-C in a process that was started in a `deaf` block.

    Args:
        answer: ``SIG_DFL`` to end at once, ``SIG_IGN`` to leave it to the parent.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, answer)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


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
    hear(signal.SIG_DFL)
    Thread(target=_end_with, args=(parent_process(),), daemon=True).start()
    if prepare is not None:
        prepare(*arguments)


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
