"""Threads that read a source beside the program."""

import atexit
import threading
from collections.abc import Callable


class Background:
    """A thread that works until it is done or told to stop, at the latest when the program ends.

    Args:
        work: What it does; it must look at `stopped` before whatever takes long.
        name: What to call the thread.
        wake: Called to stop it, where the work may be waiting for something else.

    Attributes:
        stopped: Set once it shall end.
        started: Whether it was started.
    """

    def __init__(
        self, work: Callable[[], None], name: str, wake: Callable[[], object] = lambda: None
    ) -> None:
        self.stopped = threading.Event()
        self.started = False
        self._wake = wake
        # A daemon, since a loop that nobody finished must not keep the program from ending; and
        # stopped at exit, since FFmpeg must not be torn down under a thread that is inside it.
        self._thread = threading.Thread(target=work, name=name, daemon=True)

    def start(self) -> None:
        """Start it; once only."""
        self.started = True
        atexit.register(self.stop)
        self._thread.start()

    def stop(self) -> None:
        """End it and wait for that; harmless when it has ended, or never began."""
        self.stopped.set()
        self._wake()
        if self.started:
            self._thread.join()
        atexit.unregister(self.stop)
