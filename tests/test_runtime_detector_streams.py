"""Frames that belong together: streams, and where one video ends and the next begins."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from test_runtime_detector import where
from test_runtime_fixtures import spot, wall

from runtime.detector import Detector
from runtime.signals import Signals
from runtime.sources import open_source


def logit(p: float) -> float:
    return math.log(p / (1 - p))


def write_video(path, frames):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, frames[0].shape[1::-1])
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def test_stream_follows_a_moving_face(model, finder):
    frames = [spot(100 + 3 * i, 90 + 2 * i) for i in range(25)]
    results = list(Detector(model, finder=finder).stream(frames))
    assert [result.index for result in results] == list(range(25))
    for i, result in enumerate(results[1:], 1):
        (face,) = result
        assert face.id == 0
        np.testing.assert_allclose(where(face), [100 + 3 * i, 90 + 2 * i], atol=0.6)
    assert finder.finds == 1


def test_stream_of_every_fourth_frame(model, finder):
    frames = [spot(100 + 2 * i, 90 + i) for i in range(25)]
    results = list(Detector(model, finder=finder).stream(frames, every=4))
    assert [result.index for result in results] == list(range(0, 25, 4))
    for result in results[1:]:
        (face,) = result
        assert face.id == 0
        np.testing.assert_allclose(where(face), [100 + 2 * result.index, 90 + result.index], atol=1)
    alone = list(Detector(model, finder=finder).stream(frames[::4]))
    for here, there in zip(results, alone, strict=True):
        assert [face.aus for face in here] == [face.aus for face in there]
    with pytest.raises(ValueError, match="every must be 1 or more, got 0"):
        next(Detector(model, finder=finder).stream(frames, every=0))


def test_smoothing_heeds_the_frames_that_every_leaves_out(model, finder):
    # Every second of those taken is darker, which the model's AUs are about.
    frames = [spot(100, 90) // (1 + i // 4 % 2) for i in range(40)]
    signals = Signals(smooth="ema")
    with Detector(model, finder=finder, signals=signals) as detector:
        thinned = list(detector.stream(frames, every=4))
        timed = [detector.track(frames[i], i / 30) for i in range(0, 40, 4)]
    changes = 0.0
    for here, there in zip(thinned, timed, strict=True):
        (face,), (other,) = here.faces, there.faces
        assert face.adjusted == pytest.approx(other.adjusted, abs=1e-9)
        changes += abs(face.adjusted["AU06"] - face.aus["AU06"])
    assert changes > 0.01, "or nothing is smoothed here"


def test_tracking_beside_pictures_and_behind_what_was_broken_off(model, finder, tmp_path):
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), spot(100, 90))
    detector = Detector(model, finder=finder)
    stream = detector.stream(tmp_path / "")
    numbers = []
    for result in stream:
        assert result.name == f"{result.index}.png"
        numbers += [detector.track(spot(100, 90)).index for _ in range(2)]
    assert numbers == [0, 1, 2, 3, 4, 5], "pictures are not of the video"
    stream = detector.stream([spot(100, 90)] * 20, every=5)
    assert [next(stream).index for _ in range(2)] == [0, 5]
    stream.close()
    assert detector.track(spot(100, 90)).index == 6


def test_numbers_that_a_run_gives_are_of_its_frames_alone(model, finder):
    detector = Detector(model, finder=finder)

    def number(shot, result):
        assert shot.index == result.index
        return replace(result, faces=tuple(replace(face, id=7) for face in result))

    with open_source([spot(100, 90)] * 3) as shots:
        run = detector.run(shots, number=number)
        assert [face.id for face in next(run)[1]] == [7]
        run.close()
    assert [face.id for face in detector.track(spot(100, 90))] == [0]


def test_signals_know_faces_by_the_numbers_that_a_run_gives(model, finder):
    frames = [spot(100, 90)] * 4 + [spot(100, 90) // 10 * 8] * 4
    detector = Detector(model, finder=finder, signals=Signals(smooth="ema"))
    whole = list(detector.stream(frames))

    def number(_, result):
        return replace(result, faces=tuple(replace(face, id=7) for face in result))

    def joined():
        for result in whole[:4]:
            detector.recall(number(None, result))
        yield from frames[4:]

    with open_source(joined()) as shots:
        behind = [result for _, result in detector.run(shots, number=number)]
    for here, there in zip(behind, whole[4:], strict=True):
        assert here.faces[0].id == 7
        assert here.faces[0].adjusted == pytest.approx(there.faces[0].adjusted, abs=1e-4)
    (first,) = behind[0].faces
    assert first.adjusted["AU06"] > first.aus["AU06"] + 1e-3


def test_stream_of_pictures_takes_each_by_itself(model, finder, tmp_path):
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), spot(100 + 3 * i, 120))
    detector = Detector(model, finder=finder)
    results = list(detector.stream(tmp_path / ""))
    assert [result.name for result in results] == ["0.png", "1.png", "2.png"]
    assert [round(where(result.faces[0])[0]) for result in results] == [100, 103, 106]
    assert finder.finds == 3
    followed = list(detector.stream(tmp_path, track=True))
    assert finder.finds == 4, "only the first is searched, the others follow"
    assert [result.faces[0].id for result in followed] == [0, 0, 0]


def test_each_file_of_several_begins_anew(model, finder, tmp_path):
    clips = [
        write_video(tmp_path / f"{name}.avi", [spot(x, 120), spot(x + 3, 120)])
        for name, x in (("a", 100), ("b", 104))
    ]
    results = list(Detector(model, finder=finder).stream(clips))
    assert [result.faces[0].id for result in results] == [0, 0, 1, 1]
    assert [result.ended for result in results] == [(), (), (0,), ()]
    assert finder.finds == 2, "the second file's face is near the first's, and another's"


def test_a_picture_among_videos_has_no_baseline(model, finder, tmp_path, monkeypatch):
    monkeypatch.setattr("runtime.signals.baseline.REST", 0.01)  # the tiny model says little
    write_video(tmp_path / "a.avi", [spot(100, 120)] * 3)
    cv2.imwrite(str(tmp_path / "b.png"), spot(100, 120))
    write_video(tmp_path / "c.avi", [spot(100, 120)] * 2)
    with Detector(model, finder=finder, signals=Signals(baseline=1)) as detector:
        results = list(detector.stream(tmp_path))
        names = [result.name for result in results]
        assert names == ["a.avi"] * 3 + ["b.png"] + ["c.avi"] * 2
        for result in results:
            (face,) = result
            rest = results[names.index(result.name)].faces[0].aus
            for au, value in face.aus.items():
                taken = 0 if result.name == "b.png" else max(0, logit(rest[au]) - logit(0.01))
                assert logit(face.adjusted[au]) == pytest.approx(logit(value) - taken)
            assert min(rest.values()) > 0.02, "there is something to take off"
        assert (detector.faces_followed, detector.baselines) == (2, 2)
        assert len(list(detector.stream(tmp_path / "b.png"))) == 1
        detector.reset()
        (face,) = detector.track(spot(100, 120))  # of a video that knows no time
        assert face.adjusted != face.aus


def test_single_frames_do_not_disturb_the_track(model, finder):
    detector = Detector(model, finder=finder)
    detector.track(spot(100, 120))
    detector(wall())
    (face,) = detector.track(spot(103, 120))
    assert face.id == 0
    assert finder.finds == 2
    detector.reset()
    detector.track(spot(103, 120))
    assert finder.finds == 3


def test_a_frame_behind_a_stream_begins_a_video_of_its_own(detector):
    frames = [spot(150 + 2 * n, 120) for n in range(4)]
    assert [result.index for result in detector.stream(frames)] == [0, 1, 2, 3]
    looks = [detector.track(frame) for frame in frames]
    assert [look.index for look in looks] == [0, 1, 2, 3], "not 4, 5, 6, 7"
    assert {face.id for look in looks for face in look} == {0}
    assert next(detector.stream(frames)).index == 0
    assert detector.track(frames[1]).index == 1, "a stream that was left is gone on with"
