"""Ctrl-C while a frame is waited for: wherever it comes, the thread that reads ends."""

import gc
import sys
import threading

import pytest
from test_runtime_live import Feed, feed_source, nothing_waits_forever  # noqa: F401 (a fixture)
from test_runtime_prefetch import Counted

from runtime.sources.prefetch import ReadAhead


def interrupted_at(event, shots):
    """Take a frame, and raise as a handler does at some event of the interpreter; whether it was.

    Events are calls, lines and returns of all Python that runs, the standard library's included.
    """
    left = event

    def trace(*_):
        nonlocal left
        left -= 1
        if left < 0:
            sys.settrace(None)
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    gc.disable()  # what it calls would swallow the exception
    sys.settrace(trace)
    try:
        next(shots)
    except KeyboardInterrupt:
        assert left < 0
    finally:
        sys.settrace(before)
        gc.enable()
    return left < 0


def ahead():
    yield ReadAhead(Counted(20))
    yield


def live():
    feed = Feed(0)
    yield feed_source(feed)
    feed.items.put(1)  # which may come before it is waited for, or then
    yield


@pytest.mark.parametrize("make", [ahead, live])
def test_the_thread_ends(make):
    """The second frame is interrupted, so that the thread is there; at each event of it once."""
    event = 0
    while True:
        steps = make()
        with next(steps) as source:
            shots = iter(source)
            next(shots)
            next(steps)
            if not interrupted_at(event, shots):
                break
        assert not [each for each in threading.enumerate() if each.name.startswith("lgrnet-")]
        event += 1
    assert event > 8
