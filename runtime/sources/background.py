"""Threads that read a source beside the program.

What such a thread and the loop share is a flag, a `queue.SimpleQueue`, or one step of a container.
Conditions of `threading`, and what is made of them (events, semaphores, `queue.Queue`), are no
good: Ctrl-C while the loop is entering one leaves its lock closed for ever, and the thread waits.
"""

import atexit
import queue
import threading
from collections.abc import Callable
from contextlib import suppress


class Background:
    """A thread that works until it is done or told to stop, at the latest when the program ends.

    Args:
        work: What it does; it must look at `stopped` before whatever takes long.
        name: What to call the thread.
        wake: Called to stop it, where the work may be waiting for something else than `pause`.

    Attributes:
        stopped: Whether it shall end.
        started: Whether it was started.
    """

    def __init__(
        self, work: Callable[[], None], name: str, wake: Callable[[], object] = lambda: None
    ) -> None:
        self.started = self.stopped = False
        self._wake = wake
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        # A daemon, since a loop that nobody finished must not keep the program from ending; and
        # stopped at exit, since FFmpeg must not be torn down under a thread that is inside it.
        self._thread = threading.Thread(target=work, name=name, daemon=True)

    def start(self) -> None:
        """Start it; once only.

        Raises:
            RuntimeError: The system has no thread left.
        """
        self.started = True
        atexit.register(self.stop)
        try:
            self._thread.start()
        except RuntimeError:
            self.started = False  # there is nothing to wait for
            atexit.unregister(self.stop)
            raise

    def stop(self) -> None:
        """End it and wait for that; harmless when it has ended, or never began."""
        self.stopped = True
        self._bell.put(None)
        self._wake()
        if self.started:
            self._thread.join()
        atexit.unregister(self.stop)

    def pause(self, seconds: float) -> None:
        """Let the work wait, no longer than until it shall end."""
        with suppress(queue.Empty):
            self._bell.get(timeout=seconds)
