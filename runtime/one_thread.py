"""Noticing two threads in one object before they spoil each other's state."""

import threading


class OneThread:
    """A context manager that lets one thread in, and gives another that comes meanwhile an error.

    It never waits: whoever waits for a detector does not get the results that they think.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise RuntimeError(
                "this detector is in use in another thread: it serves one thread at a time, so "
                "give each its own with detector.clone()"
            )

    def __exit__(self, *exception: object) -> None:
        self._lock.release()
