"""Face ids that go on behind a run that was cut off."""

from dataclasses import replace

import pytest
from some_results import some_face, some_result

from runtime.outputs.continued import ContinuedIds
from runtime.tracking.tracker import REMEMBER


def behind(*faces, highest=8, away=0):
    """Ids behind a joint, before which faces were seen so many frames ago."""
    before = {face.id: face for face in faces}
    return ContinuedIds(before, dict.fromkeys(before, away), highest)


def ids(result):
    return [face.id for face in result]


def test_ids_go_on():
    joint = behind(some_face(3, x=100), some_face(7, x=400))
    after = joint.apply(
        some_result(10, some_face(0, x=405), some_face(1, x=95), some_face(2, x=250))
    )
    left = some_face(x=0).box[0]
    assert [face.id for face in after] == [3, 7, 9]
    assert [face.box[0] - left for face in after] == pytest.approx([95, 405, 250], abs=0.01)
    later = joint.apply(some_result(11, some_face(1, x=95), some_face(4, x=500)))
    assert [face.id for face in later] == [3, 10]
    assert after.ended == later.ended == ()


@pytest.mark.parametrize(("common", "same"), [(0.36, True), (0.24, False)])
def test_who_has_moved_on_while_it_was_cut_off(common, same):
    """Boxes of one size side by side, whose overlap is that share of their union."""
    before = some_face(3, x=100)
    moved = before.box[2] * (1 - common) / (1 + common)
    after = behind(before).apply(some_result(10, some_face(0, x=100 + moved)))
    assert ids(after) == [3 if same else 9]
    assert after.ended == ()


def test_of_two_at_one_place_the_nearer_goes_on():
    after = behind(some_face(3, x=100)).apply(
        some_result(10, some_face(0, x=120), some_face(1, x=102))
    )
    left = some_face(x=0).box[0]
    places = {face.id: face.box[0] - left for face in after}
    assert places == pytest.approx({3: 102, 9: 120}, abs=0.01)


def test_of_two_that_were_at_one_place_the_later_one_goes_on():
    there = {3: some_face(3, x=100), 5: some_face(5, x=104)}
    joint = ContinuedIds(there, {3: 0, 5: 20}, highest=8)
    assert ids(joint.apply(some_result(10, some_face(0, x=104)))) == [3]
    assert ids(joint.apply(some_result(11, some_face(0, x=104), some_face(1, x=100)))) == [3, 5]


def test_a_number_that_is_given_again_is_another_face():
    joint = behind(some_face(3, x=100))
    assert ids(joint.apply(some_result(10, some_face(0, x=100)))) == [3]
    gone = joint.apply(replace(some_result(11), ended=(0,)))
    assert gone.ended == (3,)
    assert ids(joint.apply(some_result(12, some_face(0, x=100)))) == [9]


@pytest.mark.parametrize("away", [0, 90])
def test_who_is_not_found_at_once_is_waited_for_as_the_tracker_waits(away):
    joint = behind(some_face(3, x=100), some_face(7, x=400), away=away)
    for frame in range(REMEMBER - away):
        after = joint.apply(some_result(10 + frame, some_face(0, x=95)))
        assert (ids(after), after.ended) == ([3], ())
    over = joint.apply(some_result(200, some_face(0, x=95)))
    assert over.ended == (7,)
    assert ids(joint.apply(some_result(201, some_face(0, x=95), some_face(1, x=400)))) == [3, 9]


def test_who_comes_back_in_time_goes_on():
    joint = behind(some_face(3, x=100))
    assert ids(joint.apply(some_result(10))) == []
    assert ids(joint.apply(some_result(11, some_face(0, x=300)))) == [9]
    assert ids(joint.apply(some_result(12, some_face(0, x=300), some_face(1, x=98)))) == [3, 9]


def test_ids_behind_frames_without_faces():
    assert ids(behind(highest=-1).apply(some_result(0, some_face(5)))) == [0]


@pytest.mark.parametrize("frames", [0, 1, 20])
def test_behind_the_end_of_a_file_nobody_goes_on(frames):
    """The file ends at the joint, or so many frames behind it."""
    joint = behind(some_face(3, x=100), some_face(7, x=400))
    for frame in range(frames):
        assert joint.apply(some_result(10 + frame)).ended == ()
    joint.cut()
    first = joint.apply(some_result(40, some_face(0, x=100)))
    assert ids(first) == [9]
    assert first.ended == (3, 7)
    assert joint.apply(some_result(41, some_face(0, x=100))).ended == ()
