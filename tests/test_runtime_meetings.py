"""Faces that pass each other or behind something keep their numbers."""

import numpy as np
import pytest
from some_tracks import far, ids, two, where
from test_runtime_fixtures import MEAN_FACE, spot, wall

from runtime.boxes import face_box
from runtime.pipeline import Look, Sighting
from runtime.tracking.motion import Motion
from runtime.tracking.track import Track
from runtime.tracking.tracker import LONGEST_MEETING


def test_faces_that_cross_keep_their_numbers(detector):
    first = where(detector.track(far(150, 1130)))
    assert first == {0: pytest.approx(150, abs=2), 1: pytest.approx(1130, abs=2)}
    # While both are in one crop the tiny model sees one bright thing between them.
    for left in range(150, 1131, 14):
        seen = where(detector.track(far(left, 1280 - left)))
    for _ in range(30):
        seen = where(detector.track(far(1130, 150)))
    assert seen == {0: pytest.approx(1130, abs=2), 1: pytest.approx(150, abs=2)}


def test_face_behind_a_pillar_keeps_its_number(detector):
    def behind(x: float) -> np.ndarray:
        frame = far(x, 1100)
        frame[:, 450:550] = 0
        return frame

    assert where(detector.track(behind(150))) == {
        0: pytest.approx(150, abs=2),
        1: pytest.approx(1100, abs=2),
    }
    shown = [len(detector.track(behind(x))) for x in range(156, 600, 6)]
    assert min(shown) == 1
    for x in range(600, 700, 6):
        seen = where(detector.track(behind(x)))
    assert seen == {0: pytest.approx(696, abs=6), 1: pytest.approx(1100, abs=2)}


def dragged(number: int, start: float, step: float) -> Track:
    """A face that went behind something, seen at its edge for some frames, and then for 15 not."""

    def box(i: int) -> tuple[float, float, float, float]:
        return start + step * i, 100.0, 50.0, 50.0

    track = Track(number, None, 0.9, Motion.of_box(box(0)))
    for i in range(1, 40):
        track.predict()
        track.found(None, box(min(i, 32)))
    track.lose()
    for _ in range(15):
        track.await_return((10_000, 10_000))
    return track


def test_motion_from_before_a_drag_is_remembered():
    track = dragged(0, 100, 4)
    there = (100.0 + 4 * 54, 100.0, 50.0, 50.0)
    assert track.motion.distance(there) > 1
    assert track.distance(there) < 0.5
    assert track.distance((100.0 + 4 * 33, 100.0, 50.0, 50.0)) < 0.5  # or it did stop there


def test_who_was_hidden_goes_on_as_before_the_meeting():
    """And not as whoever stood in front, on whom its landmarks were all the while."""

    def box(x: float) -> tuple[float, float, float, float]:
        return x, 100.0, 50.0, 50.0

    track = Track(0, None, 0.9, Motion.of_box(box(100)))
    for i in range(1, 31):
        track.predict()
        track.found(None, box(100 + 4 * i))
    track.course = track.motion.copy()
    for i in range(1, 41):
        track.predict()
        track.found(None, box(220 - 4 * i))
    assert track.distance(box(100 + 4 * 70)) > 2
    track.lose()
    assert track.distance(box(100 + 4 * 70)) < 0.1
    assert track.distance(box(220 - 4 * 40)) > 2
    assert track.course is None


@pytest.mark.parametrize(("off", "stays"), [((-40, 0), 1), ((0, -40), 0), ((-20, 20), 0)])
def test_of_two_on_one_face_the_one_that_stayed_on_its_course_goes_on(detector, off, stays):
    """Of two that are as far off it the older one."""
    frame = spot(300, 120, 640, 240)
    detector.track(frame)
    (there,) = detector._tracker._tracks
    detector._tracker._tracks = tracks = []
    for number, shift in enumerate(off):
        look = Look(there.landmarks + np.array([shift, 0]), np.zeros(3), None)
        tracks.append(Track(number, look, 0.9, Motion.of_box(face_box(look.landmarks))))
    assert where(detector.track(frame)) == {stays: pytest.approx(300, abs=1)}


def test_faces_that_overlap_for_long_are_taken_to_stay_so(detector):
    """Where they were going when they met says nothing any more."""
    for left in range(120, 180, 6):
        detector.track(two(left, 318))
    tracks = detector._tracker._tracks
    assert [track.course is not None for track in tracks] == [True, True]
    for number in range(2 * LONGEST_MEETING):
        assert ids(detector.track(two(180, 318))) == [0, 1]
        if number == LONGEST_MEETING // 2:
            assert tracks[0].course.distance(tracks[0].box) > 0.5
    for track in detector._tracker._tracks:
        assert track.course.distance(track.box) < 0.1


def test_of_two_behind_a_pillar_the_one_that_was_on_its_way_there_comes_out(detector):
    # Both were last seen 100 pixels from each other, and have changed sides since.
    left, right = dragged(0, 100, 4), dragged(1, 460, -4)
    detector._tracker._missing = [left, right]
    middle = MEAN_FACE.mean(0) / 4
    for x, track in ((320 + 25, left), (240 + 25, right)):
        look = Look(MEAN_FACE / 4 + (x, 125) - middle, np.zeros(3), None)
        assert detector._tracker._recognise([Sighting(look, 0.9)], wall(640, 480)) == {0: track}


def leaves_and(comes_back, detector, away=40):
    """One stays; one leaves to the right and, or somebody else, comes from there again."""
    for x in range(600, 1340, 12):
        seen = ids(detector.track(far(150, x)))
    assert seen == [0]
    for _ in range(away):
        seen = ids(detector.track(far(150)))
    assert seen == [0]
    for x in range(1330, 900, -12):
        seen = ids(detector.track(comes_back(far(150, x))))
    return seen


@pytest.mark.parametrize("away", [3, 30, 60])
def test_whoever_leaves_the_frame_and_comes_back_keeps_the_number(detector, away):
    assert ids(detector.track(far(150, 600))) == [0, 1]
    assert leaves_and(lambda frame: frame, detector, away) == [0, 1]


def test_whoever_looks_other_and_comes_from_there_is_somebody_else(detector):
    assert ids(detector.track(far(150, 600))) == [0, 1]

    def before_a_blue_wall(frame):
        return np.maximum(frame, np.array([140, 10, 60], np.uint8))

    assert leaves_and(before_a_blue_wall, detector) == [0, 2]
