"""No OpenCV function that a frame takes looks at signals: it crashes where their handler raises.

Those with several forms do so where the first form does not fit: they write its error down, which
lets Python look. So a signal is made to wait while each function is called. Whether its handler ran
within the function or behind it is told by the order of two notes.
"""

import ctypes
import operator
import signal
from functools import partial, wraps

import cv2
import numpy as np
import pytest
from test_runtime_fixtures import astronaut, needs_cascade

from runtime import Detector
from runtime.finders import CascadeFinder
from runtime.finders.grids_opencv import OPENCV_5

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="Windows has none to spare")


class Watch:
    """Which functions were called, and which of them looked."""

    def __init__(self):
        self.done, self.called, self.looked, self._notes = False, set(), set(), []
        # Not `signal.raise_signal`, which has the handler run at once.
        self._send = partial(ctypes.CDLL(None)["raise"], int(signal.SIGUSR1))

    def handle(self, *_):
        self._notes.append("handled")

    def over(self, name, function):
        @wraps(function)
        def watched(*arguments, **options):
            if self.done:  # whoever was imported meanwhile may keep this
                return function(*arguments, **options)
            self._notes.clear()
            steps = (
                self._send,
                partial(function, *arguments, **options),
                partial(self._notes.append, "behind"),
            )
            # In C from the first to the last, so that Python itself has no occasion to look.
            _, result, _ = list(map(operator.call, steps))
            assert sorted(self._notes) == ["behind", "handled"]
            self.called.add(name)
            if self._notes[0] == "handled":
                self.looked.add(name)
            return result

        return watched


class Watched:
    """An object of OpenCV, whose methods are watched."""

    def __init__(self, watch, inner):
        self._watch, self._inner = watch, inner

    def __getattr__(self, name):
        kind = type(self._inner).__name__
        return self._watch.over(f"{kind}.{name}", getattr(self._inner, name))


@pytest.fixture
def watch(monkeypatch):
    watch = Watch()
    before = signal.signal(signal.SIGUSR1, watch.handle)
    for module in (cv2, cv2.dnn):
        for name, found in vars(module).items():
            if callable(found) and not isinstance(found, type) and name[0].islower():
                monkeypatch.setattr(module, name, watch.over(name, found))
    for module, name in ((cv2.dnn, "readNetFromONNX"), (cv2, "CascadeClassifier")):
        if hasattr(module, name):  # OpenCV 5 has no cascades
            make = getattr(module, name)
            monkeypatch.setattr(
                module, name, lambda *given, make=make: Watched(watch, make(*given))
            )
    yield watch
    watch.done = True
    signal.signal(signal.SIGUSR1, before)


def test_those_that_look_are_noticed(watch):
    cv2.norm(np.zeros((4, 4), np.uint8), np.ones((4, 4), np.uint8), cv2.NORM_L1)
    cv2.absdiff(np.zeros((4, 4), np.uint8), np.ones((4, 4), np.uint8))
    assert watch.called == {"norm", "absdiff"}
    assert watch.looked == {"norm"}


def frames():
    """A face, then other pictures with and without it."""
    one = astronaut()
    return [one, one, 255 - one[::-1], one[:, ::-1], np.full_like(one, 90), one]


def test_none_of_the_detector_looks(watch, model):
    with Detector(model) as detector:
        watch.looked.clear()  # the finder's file is read before there is a frame
        for index, frame in enumerate(frames()):
            result = detector.track(frame, index / 25)
            result.plot(frame)
        assert result.faces
    assert {"warpAffine", "calcHist", "putText", "Net.setInput"} <= watch.called
    assert watch.looked == ({"Net.forward"} if OPENCV_5 else set())


@needs_cascade
def test_nor_of_the_cascade(watch):
    assert CascadeFinder().find(astronaut())
    assert any(name.startswith("CascadeClassifier.") for name in watch.called)
    assert watch.looked == set()
