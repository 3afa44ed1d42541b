"""Face ids that go on behind a run that was cut off."""

from dataclasses import replace

import pytest
from some_results import some_face, some_result

from runtime.outputs.continued import ContinuedIds


def test_ids_go_on():
    here = (some_face(3, x=100), some_face(7, x=400))
    ids = ContinuedIds(some_result(9, *here), highest=8)
    after = ids.apply(some_result(10, some_face(0, x=405), some_face(1, x=95), some_face(2, x=250)))
    left = some_face(x=0).box[0]
    assert [face.id for face in after] == [3, 7, 9]
    assert [face.box[0] - left for face in after] == pytest.approx([95, 405, 250], abs=0.01)
    later = ids.apply(some_result(11, some_face(1, x=95), some_face(4, x=500)))
    assert [face.id for face in later] == [3, 10]
    assert after.ended == later.ended == ()


@pytest.mark.parametrize(("common", "same"), [(0.36, True), (0.24, False)])
def test_who_has_moved_on_while_it_was_cut_off(common, same):
    """Boxes of one size side by side, whose overlap is that share of their union."""
    before = some_face(3, x=100)
    moved = before.box[2] * (1 - common) / (1 + common)
    ids = ContinuedIds(some_result(9, before), highest=8)
    after = ids.apply(some_result(10, some_face(0, x=100 + moved)))
    assert [face.id for face in after] == [3 if same else 9]
    assert after.ended == (() if same else (3,))


def test_of_two_at_one_place_the_nearer_goes_on():
    ids = ContinuedIds(some_result(9, some_face(3, x=100)), highest=8)
    after = ids.apply(some_result(10, some_face(0, x=120), some_face(1, x=102)))
    left = some_face(x=0).box[0]
    places = {face.id: face.box[0] - left for face in after}
    assert places == pytest.approx({3: 102, 9: 120}, abs=0.01)


def test_a_number_that_is_given_again_is_another_face():
    ids = ContinuedIds(some_result(9, some_face(3, x=100)), highest=8)
    assert [face.id for face in ids.apply(some_result(10, some_face(0, x=100)))] == [3]
    gone = ids.apply(replace(some_result(11), ended=(0,)))
    assert gone.ended == (3,)
    assert [face.id for face in ids.apply(some_result(12, some_face(0, x=100)))] == [9]


def test_who_is_not_there_behind_the_joint_has_ended():
    here = (some_face(3, x=100), some_face(7, x=400))
    ids = ContinuedIds(some_result(9, *here), highest=8)
    after = ids.apply(some_result(10, some_face(0, x=95)))
    assert [face.id for face in after] == [3]
    assert after.ended == (7,)
    assert ids.apply(some_result(11, some_face(0, x=95))).ended == ()


def test_ids_behind_frames_without_faces():
    ids = ContinuedIds(None, highest=-1)
    assert [face.id for face in ids.apply(some_result(0, some_face(5)))] == [0]


def test_behind_the_end_of_a_file_nobody_goes_on():
    ids = ContinuedIds(some_result(9, some_face(3, x=100), some_face(7, x=400)), 8, cut=True)
    first = ids.apply(some_result(10, some_face(0, x=100)))
    assert [face.id for face in first] == [9]
    assert first.ended == (3, 7)
    assert ids.apply(some_result(11, some_face(0, x=100))).ended == ()
