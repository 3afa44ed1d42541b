import cv2
import numpy as np
import pytest
from some_tracks import MIDDLE, far, ids, two
from test_runtime_fixtures import SpotFinder, spot, wall, write_model

from runtime.boxes import alignment_box
from runtime.detector import Detector
from runtime.finders import FoundFace
from runtime.settings import SEARCH_EVERY
from runtime.tracking import track, tracker
from runtime.tracking.scene import View
from runtime.tracking.tracker import MAX_MISSES, REMEMBER, SOON


def test_finder_searches_once_and_confirms_now_and_then(detector, finder):
    for _ in range(21):
        assert ids(detector.track(spot(150, 120))) == [0]
    assert finder.finds == 1
    assert finder.confirms == 1 + 4


def test_face_that_is_a_wall_all_at_once_is_lost_there_and_then(detector, finder):
    # The tiny model, like a real one, puts a mean face on the wall and stays where it is.
    for _ in range(3):
        assert detector.track(spot(150, 120))
    assert detector.track(wall()).faces == ()
    (face,) = detector.track(spot(150, 120))
    assert face.id == 0, "it came back where it was"


def test_a_wall_behind_a_single_frame_of_a_face_is_noticed(detector):
    assert detector.track(spot(150, 120))
    assert detector.track(wall()).faces == ()


def test_face_that_is_lit_otherwise_all_at_once_stays(detector, finder):
    for _ in range(2):
        detector.track(spot(150, 120))
    bright = np.clip(spot(150, 120).astype(int) * 2 // 3 + 60, 0, 255).astype(np.uint8)
    finder.blind = True  # nobody looks, as nothing else is there
    (face,) = detector.track(bright)
    assert (face.id, finder.finds) == (0, 1)


def test_face_that_turns_into_wall_is_lost(detector, finder, monkeypatch):
    monkeypatch.setattr(track, "alike", lambda *_: True)  # little by little
    for _ in range(3):
        assert detector.track(spot(150, 120))
    shown = [len(detector.track(wall())) for _ in range(5 + MAX_MISSES)]
    assert shown[0] == 1
    assert shown[-1] == 0
    assert sum(shown) <= 5 + MAX_MISSES - 1
    assert finder.finds >= 2


def test_one_miss_is_forgiven_and_shows_in_the_score(detector, finder):
    scores = []
    for i in range(12):
        finder.blind = i == 5
        scores.append(detector.track(spot(150, 120)).faces[0].score)
    assert scores[5] == 0
    assert scores[4] == 0.9
    assert scores[6] == 0.8
    assert finder.finds == 1


def test_face_that_jumps_is_found_again_once_the_finder_looks(detector, finder):
    detector.track(spot(150, 240, 640, 480))
    # Black in the old place is a mean face; the jump shows when the finder looks.
    for _ in range(4 + MAX_MISSES):
        (face,) = detector.track(spot(440, 240, 640, 480)).faces
    np.testing.assert_allclose(face.landmarks.mean(0), MIDDLE + np.array((440, 240)), atol=1)


def test_fast_face_is_lost_by_geometry_and_found_on_the_same_frame(detector, finder):
    detector.track(spot(100, 120))
    (face,) = detector.track(spot(160, 120))
    assert finder.finds == 2
    np.testing.assert_allclose(face.landmarks.mean(0), MIDDLE + np.array((160, 120)), atol=1)


def test_number_comes_back_with_the_face(detector):
    assert ids(detector.track(two(150, 480))) == [0, 1]
    for _ in range(12):
        seen = ids(detector.track(two(150, 150)))
    assert seen == [0]
    for _ in range(7):
        seen = ids(detector.track(two(150, 480)))
    assert seen == [0, 1]


def test_a_lost_face_is_looked_for_at_once_soon_and_then_less_and_less_often(tmp_path, finder):
    detector = Detector(
        write_model(tmp_path / "m.onnx", batch=2), finder=finder,
        verify_every=40, search_every=None,
    )  # fmt: skip
    detector.track(two(150, 480))
    searched = []
    for number in range(100):
        before = finder.finds
        detector.track(two(150, 150))
        searched += [number] * (finder.finds - before)
    assert np.diff(searched).tolist()[:3] == [SOON, 2 * SOON, 4 * SOON]


def test_each_loss_is_looked_for_soon(tmp_path, finder):
    """Also while another face has been missing for long."""
    model = write_model(tmp_path / "m.onnx", batch=4)
    detector = Detector(model, finder=finder, verify_every=40, search_every=None)
    assert ids(detector.track(far(150, 640, 1130))) == [0, 1, 2]
    for _ in range(50):
        assert ids(detector.track(far(150, 640))) == [0, 1]
    searched = []
    for number in range(20):
        before = finder.finds
        assert ids(detector.track(far(150))) == [0]
        searched += [number] * (finder.finds - before)
    assert searched == [0, SOON, 3 * SOON]


class SceneByCorner(View):
    """Tells scenes by a single pixel, and faces that stay by their place."""

    def __init__(self, frame):
        self.tells, self.scene = True, frame[0, 0, 0]

    def is_another_scene(self, other):
        return self.scene != other.scene

    def is_same_scene(self, other):
        return self.scene == other.scene

    def is_same_at(self, box, other):
        return box[0] < 300


def test_who_is_missing_behind_a_cut_is_looked_for_as_who_was_just_lost(
    tmp_path, finder, monkeypatch
):
    """Who stays in an inset all the while keeps the tracker from searching every frame."""
    monkeypatch.setattr(tracker, "View", SceneByCorner)
    model = write_model(tmp_path / "m.onnx", batch=2)
    detector = Detector(model, finder=finder, verify_every=40, search_every=None)
    elsewhere = two(150, 150)
    elsewhere[0, 0] = 1
    assert ids(detector.track(two(150, 480))) == [0, 1]
    for _ in range(10):
        assert ids(detector.track(elsewhere)) == [0]
    assert finder.finds == 1, "nobody is missing there"
    searched = []
    for number in range(60):
        before = finder.finds
        detector.track(two(150, 150))
        searched += [number] * (finder.finds - before)
    assert searched[:3] == [0, SOON, 3 * SOON]
    for _ in range(4 * SOON):
        seen = ids(detector.track(two(150, 480)))
    assert seen == [0, 1]


def test_lost_faces_are_forgotten_in_the_end(tmp_path, finder):
    # Without a search for newcomers, or the face would be found again under a new number.
    detector = Detector(
        write_model(tmp_path / "m.onnx"), finder=finder, verify_every=5, search_every=None
    )
    detector.track(two(150, 480))
    ended = []
    for _ in range(REMEMBER + 20):
        ended += detector.track(two(150, 150)).ended
    assert ended == [1]
    finds = finder.finds
    for _ in range(30):
        result = detector.track(two(150, 480))
        assert ids(result) == [0]
        assert result.ended == ()
    assert finder.finds == finds


def test_second_person_is_seen_without_being_asked_for(detector, finder):
    detector.track(two(150, 150))
    for _ in range(SEARCH_EVERY):
        seen = ids(detector.track(two(150, 480)))
    assert seen == [0, 1]
    assert finder.finds == 2


def test_newcomer_far_from_a_lost_face_is_somebody_else(detector):
    detector.track(far(150, 1130))
    for _ in range(15):
        detector.track(far(150))
    for _ in range(12):
        seen = ids(detector.track(far(150, 500)))
    assert seen == [0, 2]


def test_motion_leads_the_alignment(detector, finder):
    for i, x in enumerate(range(150, 1130, 24)):
        (face,) = detector.track(far(x))
        assert face.id == 0
        if i > 5:
            assert detector._tracker._tracks[0].motion.dx == pytest.approx(24, abs=3)
    assert finder.finds == 1 + (i // SEARCH_EVERY)


def test_small_faces_do_not_count_when_told(tmp_path, finder):
    model = write_model(tmp_path / "m.onnx")
    frame = two(150, 480)
    (_, size), _ = (face.box[2:] for face in Detector(model, finder=finder)(frame))
    width = Detector(model, finder=finder)(frame).faces[0].box[2]
    mean = (width + size) / 2
    for least, count in ((0, 2), (mean * 0.9, 2), (mean * 1.4, 0)):
        detector = Detector(model, finder=finder, min_face=least)
        assert len(detector(frame)) == len(detector.track(frame)) == count


def test_the_box_that_is_told_is_what_counts_as_size(tmp_path, finder):
    model, frame = write_model(tmp_path / "m.onnx"), spot(150, 120)
    (face,) = Detector(model, finder=finder)(frame)
    size = (face.box[2] + face.box[3]) / 2
    (found,) = finder.find(frame)
    rough = sum(alignment_box(found.alignment)[2:]) / 2
    assert rough < size - 0.5, "the test would not see which of the two counts"
    for least, count in ((size - 0.5, 1), (size + 0.5, 0)):
        detector = Detector(model, finder=finder, min_face=least)
        assert len(detector(frame)) == len(detector.track(frame)) == count


def test_followed_face_may_become_a_fifth_smaller_than_a_new_one(tmp_path, finder):
    model = write_model(tmp_path / "m.onnx")
    frame = spot(150, 120)
    _, _, width, height = Detector(model, finder=finder)(frame).faces[0].box
    for share, stays in ((0.85, True), (0.75, False)):
        detector = Detector(model, finder=finder)
        assert len(detector.track(frame)) == 1
        detector._pipeline.min_face = (width + height) / 2 / share
        assert [len(detector.track(frame)) for _ in range(3)] == [int(stays)] * 3
        assert len(Detector(model, finder=finder, min_face=detector._pipeline.min_face)(frame)) == 0


def test_faces_are_not_all_verified_on_the_same_frame(detector, finder):
    detector.track(two(150, 480))
    before, looks = finder.confirms, []
    for _ in range(10):
        detector.track(two(150, 480))
        looks.append(finder.confirms - before)
        before = finder.confirms
    assert sum(looks) == 4
    assert max(looks) == 1


def test_all_faces_of_a_frame_go_through_the_network_at_once(detector):
    backend, counts = detector._pipeline.backend, []
    detector._pipeline.backend = lambda faces: counts.append(len(faces)) or backend(faces)
    for _ in range(3):
        assert len(detector.track(two(150, 480))) == 2
    assert counts == [2, 2, 2, 2]  # two looks at what was found, then one a frame


def test_newcomers_are_looked_for_when_asked(tmp_path, finder):
    detector = Detector(write_model(tmp_path / "m.onnx"), finder=finder, search_every=4)
    detector.track(two(150, 150))
    seen = [len(detector.track(two(150, 480))) for _ in range(4)]
    assert seen == [1, 1, 1, 2]


def test_no_more_faces_than_allowed(tmp_path, finder):
    model = write_model(tmp_path / "m.onnx")
    detector = Detector(model, finder=finder, search_every=1, max_faces=1)
    assert [ids(detector.track(two(150, 480))) for _ in range(3)] == [[0]] * 3


def test_no_more_newcomers_than_there_is_room_for(tmp_path, finder):
    model = write_model(tmp_path / "m.onnx", batch=2)
    detector = Detector(model, finder=finder, search_every=3, max_faces=2)
    detector.track(far(150))
    assert [len(detector.track(far(150, 550, 950))) for _ in range(8)][-1] == 2


def test_nobody_looks_for_newcomers_where_there_is_no_room(tmp_path, finder):
    model = write_model(tmp_path / "m.onnx")
    detector = Detector(model, finder=finder, search_every=3, max_faces=1)
    for _ in range(20):
        detector.track(spot(150, 120))
    assert finder.finds == 1


@pytest.mark.parametrize(("away", "number"), [(6, 1), (40, 0)])
def test_the_longer_a_face_is_away_the_farther_off_it_may_come_back(tmp_path, finder, away, number):
    detector = Detector(write_model(tmp_path / "m.onnx"), finder=finder, verify_every=1)
    for _ in range(3):
        detector.track(far(150))
    for _ in range(away):
        assert not detector.track(wall(1280, 240))
    assert ids(detector.track(far(430))) == [number]


def test_tracks_on_one_face_become_one(detector):
    assert ids(detector.track(two(200, 440))) == [0, 1]
    for shift in range(0, 121, 10):
        seen = ids(detector.track(two(200 + shift, 440 - shift)))
    assert seen == [0]


def test_faces_never_share_a_number(detector):
    detector.track(spot(120, 110))
    detector._tracker._tracks.clear()
    assert ids(detector.track(spot(200, 130))) == [1]
    detector.reset()
    assert ids(detector.track(spot(200, 130))) == [0]


def test_find_that_is_no_face_when_aligned_does_not_count(detector, finder):
    finder.confirm = lambda _: None
    assert not detector(spot(150, 120))
    assert not detector.track(spot(150, 120))


def test_larger_finds_that_are_no_face_do_not_take_the_place_of_one(tmp_path, finder):
    """Where one face is asked for."""
    find, confirm = finder.find, finder.confirm
    dark = np.array([[1.0, 0, -300], [0, 1.0, -200]])
    wrong = [FoundFace((300.0, 200.0, 200.0 + n, 200.0 + n), 0.9, dark) for n in range(4)]
    finder.find = lambda frame: wrong + find(frame)
    detector = Detector(write_model(tmp_path / "m.onnx"), finder=finder, max_faces=1)
    assert len(detector(spot(150, 120, 640, 480))) == 1
    assert ids(detector.track(spot(150, 120, 640, 480))) == [0]
    finder.find = lambda frame: wrong[:1] + find(frame)
    finder.confirm = lambda face: confirm(face) or 0.1
    assert len(detector(two(150, 480))) == 1, "one more than was asked for"


def test_what_ends_within_a_face_is_that_face(tmp_path, finder):
    """Nose and mouth, which looked like a face half as large."""
    find = finder.find
    small = np.array([[2.0, 0, 99.5 - 2 * 150], [0, 2.0, 99.5 - 2 * 140]])
    nose = FoundFace((125.0, 115.0, 50.0, 50.0), 0.9, small)
    detector = Detector(write_model(tmp_path / "m.onnx"), finder=finder, search_every=1)
    finder.find = lambda frame: [nose]
    assert len(detector(spot(150, 120))) == 1, "alone it would be taken for one"
    finder.find = lambda frame: [nose, *find(frame)]
    (face,) = detector(spot(150, 120))
    assert face.box[2] > 70
    for _ in range(3):
        assert ids(detector.track(spot(150, 120))) == [0]


def test_changing_size_of_frame(detector):
    detector.track(spot(400, 300, 640, 480))
    assert not detector.track(wall(64, 48))
    assert detector.track(spot(400, 300, 640, 480))


def test_after_a_change_of_size_nobody_is_where_somebody_was(detector):
    assert ids(detector.track(two(150, 480))) == [0, 1]
    assert ids(detector.track(spot(150, 120))) == [2]  # where 0 was, in a frame half as wide
    result = detector.track(two(150, 480))
    assert ids(result) == [3, 4]
    assert result.ended == (2,)
    assert ids(detector.track(two(150, 480))) == [3, 4]


def test_all_faces_that_change_at_once_are_behind_a_cut_even_where_they_meet(detector, finder):
    for _ in range(8):
        assert len(detector.track(two(180, 318))) == 2
    assert all(track.met for track in detector._tracker._tracks)
    assert detector.track(np.zeros((240, 640, 3), np.uint8)).faces == ()


def test_frames_are_numbered_from_the_last_reset(detector):
    assert [detector.track(spot(150, 120)).index for _ in range(3)] == [0, 1, 2]
    detector.reset()
    assert detector.track(spot(150, 120), 7.5).index == 0
    frames = [spot(150, 120)] * 4
    assert [result.index for result in detector.stream(frames, every=2)] == [0, 2]


def test_a_video_is_looked_at_alike_behind_others_and_alone(model, tmp_path):
    """When a face is looked at closely must not depend on how many there were in earlier files."""
    paths = [tmp_path / f"{name}.avi" for name in "abc"]
    for path, frames in zip(paths, (3, 4, 13), strict=True):
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (320, 240))
        for _ in range(frames):
            writer.write(spot(150, 120))
        writer.release()

    def looks(files):
        finder = SpotFinder()
        detector = Detector(model, finder=finder, verify_every=5, search_every=None)
        told = []
        for result in detector.stream([*map(str, files)]):
            told.append((result.name, len(result), finder.finds, finder.confirms))
            finder.finds = finder.confirms = 0
        return [each for each in told if each[0] in ("c.avi", "")]

    alone = [counts for _, *counts in looks(paths[2:])]
    assert len(alone) == 13
    assert len({tuple(counts) for counts in alone}) > 1, "there is nothing to be seen"
    for before in (paths[:1], paths[:2]):
        assert [counts for _, *counts in looks([*before, paths[2]])] == alone
