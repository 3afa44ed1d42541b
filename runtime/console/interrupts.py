"""Ctrl-C and SIGTERM, which end a command where nothing is half done.

A signal's handler runs wherever Python happens to be. An exception from there may leave a row in
one file and not in the other, or a lock of `threading` closed for ever; where OpenCV is looking at
its arguments it crashes the program, or is lost. So while something is done that should be whole, a
signal is only noted; where the program waits, it is raised at once.
"""

import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from types import FrameType, TracebackType
from typing import TypeVar

IMPATIENT = 1.0
"""Seconds after a signal that is only noted from which another one is raised wherever the program
is: it hangs, or somebody thinks so."""

T = TypeVar("T")


class Terminated(KeyboardInterrupt):
    """SIGTERM, as of `timeout`, containers and clusters; it ends a command as Ctrl-C does."""


class Interrupts:
    """The signals that end a command; as a context manager it takes care of them meanwhile.

    What is done about them before `held` and behind it is what Python does by itself: they raise.
    SIGTERM does so once, as those who send it repeat it while files are being finished. In another
    thread than the main one, which gets no signals, nothing is changed; nor for Ctrl-C where it is
    ignored, as in what a script runs in the background.

    Raises:
        KeyboardInterrupt: Ctrl-C.
        Terminated: SIGTERM.
    """

    def __init__(self) -> None:
        self._held = False
        self._asked: type[KeyboardInterrupt] | None = None
        self._since = 0.0
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():  # no other may set handlers
            for number in (signal.SIGINT, signal.SIGTERM):
                before = signal.getsignal(number)
                if number == signal.SIGTERM or before is signal.default_int_handler:
                    self._before[number] = before
                    signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._before:
            number, before = self._before.popitem()
            # None is one that was set from C.
            signal.signal(number, before or signal.SIG_DFL)  # type: ignore[arg-type]
        # A library that a signal breaks off while it loads, as ONNX Runtime, says that it does not
        # load.
        if self._asked is not None and isinstance(error, ImportError):
            raise self._asked from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Only note signals within the block; raise at its end."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        self._raise()

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Raise at once what comes within the block, also in `held`: it may wait for ever."""
        held, self._held = self._held, False
        try:
            yield
        finally:
            self._held = held

    def each(self, items: Iterable[T]) -> Iterator[T]:
        """Give items one by one; waiting for the next one may be interrupted, as in `heeded`.

        Args:
            items: Where they come from.

        Yields:
            Each of them.
        """
        rest = iter(items)
        while True:
            with self.heeded():
                self._raise()
                there = list(islice(rest, 1))
            if not there:
                return
            yield there.pop()  # kept nowhere: a frame is much memory

    def _handle(self, number: int, _: FrameType | None) -> None:
        again, now = self._asked is not None, time.monotonic()
        if self._asked is None:
            self._asked = Terminated if number == signal.SIGTERM else KeyboardInterrupt
            self._since = now
        if self._held:
            at_once = again and now - self._since > IMPATIENT
        else:
            at_once = not again or number == signal.SIGINT
        if at_once:
            self._raise()

    def _raise(self) -> None:
        """Raise what was asked for; again where it was lost, as within a finaliser."""
        if self._asked is not None:
            raise self._asked
