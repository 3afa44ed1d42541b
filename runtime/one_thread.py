"""Noticing two threads in one object before they spoil each other's state."""

import threading


class OneThread:
    """A context manager that lets one thread in, and gives another that comes meanwhile an error.

    It never waits: whoever waits for a detector does not get the results that they think.

    Args:
        what: What it guards, for the message.
        fix: What another thread should do instead, for the message.
    """

    def __init__(self, what: str, fix: str = "give each its own with detector.clone()") -> None:
        self._lock, self._what, self._fix = threading.Lock(), what, fix

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise RuntimeError(
                f"this {self._what} is in use in another thread: it serves one thread at a time, "
                f"so {self._fix}"
            )

    def __exit__(self, *exception: object) -> None:
        self._lock.release()
