"""One detector a thread, one stream a detector."""

import copy
import json
import pickle
import threading

import numpy as np
import pytest
from test_runtime_fixtures import SpotFinder, astronaut, spot

from runtime.detector import Detector
from runtime.errors import InputError

PATIENCE = 20


class SlowFinder(SpotFinder):
    """Stays inside a search until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.go_on = threading.Event(), threading.Event()

    def find(self, frame):
        self.inside.set()
        assert self.go_on.wait(PATIENCE)
        return super().find(frame)


@pytest.mark.parametrize("second", ["call", "track", "batch", "stream", "reset"])
def test_use_from_another_thread_meanwhile_is_an_error(model, second):
    finder = SlowFinder()
    detector = Detector(model, finder=finder)
    results = []
    thread = threading.Thread(target=lambda: results.append(detector.track(spot(100, 120))))
    thread.start()
    assert finder.inside.wait(PATIENCE)
    calls = {
        "call": lambda: detector(spot(100, 120)),
        "track": lambda: detector.track(spot(100, 120)),
        "batch": lambda: list(detector.batch([spot(100, 120)])),
        "stream": lambda: list(detector.stream([spot(100, 120)])),
        "reset": detector.reset,
    }
    with pytest.raises(RuntimeError, match=r"one thread at a time.*detector\.clone\(\)"):
        calls[second]()
    finder.go_on.set()
    thread.join()
    assert len(results[0]) == 1  # the first one is undisturbed
    assert len(detector.track(spot(100, 120))) == 1


@pytest.mark.parametrize("error", [None, ValueError("the application's")])
def test_a_detector_in_use_is_closed_for_the_next_frame(model, error):
    """Also where a block ends by an error, which is then the one that is raised."""
    finder, results = SlowFinder(), []
    detector = Detector(model, finder=finder)
    thread = threading.Thread(target=lambda: results.append(detector.track(spot(100, 120))))

    def block():
        with detector:
            thread.start()
            assert finder.inside.wait(PATIENCE)
            if error is not None:
                raise error

    with pytest.raises(RuntimeError if error is None else ValueError) as caught:
        block()
    assert ("in use in another thread" in str(caught.value)) == (error is None)
    finder.go_on.set()
    thread.join()
    assert len(results[0]) == 1  # the one that was under way
    with pytest.raises(RuntimeError, match="has been closed"):
        detector.track(spot(100, 120))
    detector.close()
    assert detector._backend._closed


def test_a_detector_is_not_copied(model):
    detector = Detector(model, finder=SpotFinder())
    for spread in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=r"open one in each process.*clone\(\)"):
            spread(detector)


def test_one_thread_after_another_is_fine(model):
    detector = Detector(model, finder=SpotFinder())
    seen = []
    for x in (100, 103, 106):
        thread = threading.Thread(target=lambda x=x: seen.append(detector.track(spot(x, 120))))
        thread.start()
        thread.join()
    assert [face.id for result in seen for face in result] == [0, 0, 0]


def test_error_in_a_call_leaves_the_detector_usable(model):
    detector = Detector(model, finder=SpotFinder())
    for call in (detector, detector.track):
        with pytest.raises(InputError):
            call(None)
    assert len(detector(spot(100, 120))) == 1


def test_two_streams_at_once_are_an_error(model):
    detector = Detector(model, finder=SpotFinder())
    first = detector.stream([spot(100, 120)] * 3)
    next(first)
    second = detector.stream([spot(100, 120)] * 3)
    next(second)
    with pytest.raises(RuntimeError, match=r"another stream was begun.*detector\.clone\(\)"):
        next(first)
    assert len(list(second)) == 2


def test_clone_has_the_same_settings_and_a_state_of_its_own(model):
    detector = Detector(
        model,
        threads=1,
        max_faces=3,
        verify_every=7,
        search_every=None,
        min_face=10,
        search_side=640,
    )
    with detector.clone() as other:
        assert repr(other) == repr(detector)
        assert other._settings == detector._settings
        assert other._pipeline.max_faces == 3
        assert other._pipeline.min_face == 10
        assert other._finder._search_side == 640
        assert other._backend is not detector._backend
        assert other._finder is not detector._finder
        (face,) = other.track(astronaut())
    (same,) = detector.track(astronaut())
    np.testing.assert_array_equal(face.landmarks, same.landmarks)


def test_settings_are_plain_values_whatever_numbers_were_given(model):
    given = {
        "threads": np.int32(1),
        "max_faces": np.int64(3),
        "verify_every": np.uint8(7),
        "search_every": np.int16(9),
        "min_face": np.float32(2.5),
        "search_side": np.int64(640),
        "flip_test": np.bool_(True),
    }
    with Detector(model, **given) as detector:
        read = json.loads(json.dumps(detector.options))
        assert read == detector.options
        assert {name: read[name] for name in given} == given
        assert detector._pipeline.min_face == 2.5


def test_clones_in_threads_give_what_one_gives_alone(model):
    frames = [spot(100 + 3 * i, 120 + i) for i in range(20)]
    detector = Detector(model, threads=1, finder=SpotFinder())
    expected = [face.landmarks for result in detector.stream(frames) for face in result]
    got: dict[int, list] = {}

    def work(number: int, mine: Detector) -> None:
        with mine:
            got[number] = [face.landmarks for result in mine.stream(frames) for face in result]

    clones = [detector.clone(finder=SpotFinder()) for _ in range(3)]
    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(clones)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 3
    for landmarks in got.values():
        np.testing.assert_array_equal(landmarks, expected)


def test_clone_of_a_detector_with_an_own_finder(model):
    detector = Detector(model, finder=SpotFinder())
    with pytest.raises(InputError, match=r"has no clone\(\): give the clone a finder"):
        detector.clone()
    mine = SpotFinder()
    assert detector.clone(finder=mine)._finder is mine

    class Cloning(SpotFinder):
        def clone(self) -> "Cloning":
            return Cloning()

    detector = Detector(model, finder=Cloning())
    assert isinstance(detector.clone()._finder, Cloning)
    assert detector.clone()._finder is not detector._finder


def test_a_frame_of_another_video_in_a_stream_is_an_error(model):
    detector = Detector(model, finder=SpotFinder())
    stream = detector.stream([spot(100, 120)] * 4)
    next(stream)
    detector(spot(150, 100))  # by itself, which disturbs nothing
    next(stream)
    detector.track(spot(150, 100))
    with pytest.raises(RuntimeError, match="or a frame tracked"):
        next(stream)
    pictures = detector.stream([spot(100, 120)] * 3, track=False)
    next(pictures)
    detector.track(spot(150, 100))  # which a stream that follows nobody does not mind
    next(pictures)
    next(detector.stream([spot(100, 120)] * 3))
    with pytest.raises(RuntimeError, match="another stream was begun"):
        next(pictures)


def test_numbers_that_are_none_are_named(model):
    detector = Detector(model, finder=SpotFinder())
    for name in ("max_faces", "verify_every", "search_every", "threads"):
        with pytest.raises(TypeError, match=f"{name} must be a whole number(, or None)?, got '2'"):
            Detector(model, **{name: "2"})
    for name in ("max_faces", "verify_every"):
        with pytest.raises(TypeError, match=f"{name} must be a whole number, got None"):
            Detector(model, **{name: None})
    with pytest.raises(TypeError, match="min_face must be a number of pixels, got '5'"):
        Detector(model, min_face="5")
    with pytest.raises(ValueError, match="min_face must be 0 pixels or more, and finite, got inf"):
        Detector(model, min_face=float("inf"))
    with pytest.raises(TypeError, match=r"size must be a whole number, got 1\.5"):
        next(detector.batch([spot(100, 120)], size=1.5))
    with pytest.raises(TypeError, match=r"run takes what open_source gives, got 'short\.mp4'"):
        next(detector.run("short.mp4"))
