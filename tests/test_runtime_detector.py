import json
from fractions import Fraction

import numpy as np
import pytest
from some_videos import write_frames
from test_runtime_fixtures import MEAN_FACE, SpotFinder, astronaut, spot, wall, write_model

from runtime import latency
from runtime.align import alignment_matrix, crop_matrix, transform, warp
from runtime.detector import Detector
from runtime.errors import InputError
from runtime.formats import Layout, open_writer
from runtime.image import ShallowFrames
from runtime.signals import Signals


def where(face) -> np.ndarray:
    """The middle of a face as the tiny model means it."""
    return (face.landmarks - MEAN_FACE).mean(0) + 87.5


def test_single_frame(model, finder):
    detector = Detector(model, finder=finder)
    result = detector(spot(150.3, 120.8))
    (face,) = result
    np.testing.assert_allclose(where(face), [150.3, 120.8], atol=0.6)
    assert len(result) == 1
    assert bool(result)
    assert (result.size, result.index, result.timestamp) == ((320, 240), 0, None)
    assert face.score == 0.9
    assert face.landmarks.dtype == np.float32
    assert face.landmarks.shape == (49, 2)
    x, y, w, h = face.box
    assert (face.landmarks > [x, y]).all()
    assert (face.landmarks < [x + w, y + h]).all()


def test_frames_that_lack_their_upper_bits_are_told_once(model, finder, caplog, monkeypatch):
    ten, twelve = (spot(150, 120).astype(np.uint16) << bits for bits in (2, 4))
    whole = twelve << 4
    with_alpha = np.dstack([ten, np.full(ten.shape[:2], 65535, np.uint16)])
    black = np.random.default_rng(0).integers(0, 256, whole.shape, np.uint16)
    for way in (Detector.__call__, Detector.track, lambda d, frame: next(d.batch([frame]))):
        for frame in (ten, twelve, with_alpha, ten.astype(">u2")):
            caplog.clear()
            monkeypatch.setattr("runtime.image.shallow_frames", ShallowFrames())
            with Detector(model, finder=finder) as detector:
                for good in (whole, black, spot(150, 120)):
                    way(detector, good)
                assert not caplog.messages
                for _ in range(2):
                    way(detector, frame)
            (said,) = caplog.messages
            assert f"no value above {frame[..., :3].max()} of 65535" in said
            assert "10 bits, give frame << 6, if it holds 12, frame << 4" in said
    with Detector(model, finder=finder) as detector:
        assert not detector(ten).faces
        assert detector(ten << 6).faces
        assert detector(twelve << 4).faces


@pytest.mark.parametrize("track", [False, True])
def test_one_face_that_is_found_twice_is_one_face(model, finder, track):
    find = finder.find

    def twice(image):
        (face,) = find(image)
        x, y, w, h = face.box
        shifted = face.alignment + np.array([[0, 0, 9], [0, 0, -6]])
        return [type(face)((x, y, w - 1, h - 1), 0.5, shifted), face]

    finder.find = twice
    with Detector(model, finder=finder) as detector:
        (face,) = (detector.track if track else detector)(spot(150, 120))
    assert face.score == 0.9  # the larger one's


@pytest.mark.parametrize("track", [False, True])
def test_intensities_are_named_as_the_aus_are(tmp_path, finder, track):
    model = write_model(tmp_path / "telling.onnx", intensity=True)
    with Detector(model, finder=finder) as detector:
        assert detector.tells_intensity
        (face,) = (detector.track if track else detector)(spot(150, 120))
    assert tuple(face.intensities) == detector.aus
    for key, strength in face.intensities.items():
        assert strength == pytest.approx(5 * face.aus[key], abs=1e-4)
    silent = Detector(write_model(tmp_path / "silent.onnx"), finder=finder)
    assert not silent.tells_intensity
    assert silent(spot(150, 120)).faces[0].intensities == {}


def test_aus_are_those_of_the_realigned_crop(model, finder):
    frame = spot(150, 120)
    # The finder is a little off, in place, scale and angle; aligning again must repair that.
    find = finder.find
    turn = np.array([[1.1, 0.1, -12.0], [-0.1, 1.1, 14.0]])

    def crooked(image):
        (face,) = find(image)
        matrix = turn @ np.vstack([face.alignment, [0, 0, 1]])
        return [type(face)(face.box, face.score, matrix)]

    finder.find = crooked
    seen = []
    detector = Detector(model, finder=finder)
    run = detector._backend.__class__.__call__

    class Spy:
        spec = detector.spec

        def __call__(self, faces):
            seen.append(faces.copy())
            return run(detector._backend, faces)

    detector._pipeline.backend = Spy()
    (face,) = detector(frame)
    first, second = seen

    matrix = crop_matrix(turn @ np.array([[1.0, 0, 99.5 - 150], [0, 1.0, 99.5 - 120], [0, 0, 1]]))
    np.testing.assert_allclose(first[0].astype(int), warp(frame, matrix).astype(int), atol=12)
    grey = first[0].mean(2)
    middle = (np.indices(grey.shape)[::-1] * grey).sum((1, 2)) / grey.sum()
    landmarks = MEAN_FACE + middle - 87.5
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    again = crop_matrix(alignment_matrix(transform(landmarks, inverse)))
    expected = warp(frame, again)
    assert np.abs(second[0].astype(int) - expected).mean() < 0.5
    values = expected.mean((0, 1)) / 255
    np.testing.assert_allclose([face.aus[au] for au in ("AU06", "AU12", "AU25")], values, atol=1e-3)


def test_present_are_those_at_or_over_their_thresholds(tmp_path, finder):
    frame = np.full((240, 320, 3), (51, 102, 255), np.uint8)
    finder.find = lambda _: SpotFinder().find(spot(160, 120))
    finder.confirm = lambda _: 1.0
    model = write_model(tmp_path / "m.onnx", thresholds=(0.19, 0.41, 1.0))
    (face,) = Detector(model, finder=finder)(frame)
    assert face.aus == pytest.approx({"AU06": 0.2, "AU12": 0.4, "AU25": 1.0}, abs=1e-4)
    assert face.present == ("AU06", "AU25")


def test_results_are_read_only(model, finder):
    result = Detector(model, finder=finder)(spot(150, 120))
    with pytest.raises(AttributeError):
        result.index = 3
    with pytest.raises(ValueError, match="read-only"):
        result.faces[0].landmarks[0] = 0


def test_no_face_is_an_empty_result(model, finder):
    detector = Detector(model, finder=finder)
    for result in (detector(wall()), detector.track(wall())):
        assert not result
        assert result.faces == ()
        assert "no face" in repr(result)
    assert not Detector(model)(np.full((240, 320, 3), 99, np.uint8))


def test_the_packaged_finder_finds_the_astronaut(model):
    detector = Detector(model)
    (face,) = detector(astronaut())
    np.testing.assert_allclose(face.landmarks[13], [225, 128], atol=12)
    (same,) = detector.track(astronaut())
    np.testing.assert_allclose(same.landmarks, face.landmarks, atol=1)


def align_the_larger(finder, zoom: float) -> None:
    """Have a finder align the larger of two faces by this much nearer: it is that much smaller."""
    find = finder.find

    def zoomed(image):
        small, large = sorted(find(image), key=lambda face: face.box[2])
        middle = np.array([[0, 0, 99.5], [0, 0, 99.5]])
        return [small, type(large)(large.box, 0.9, (large.alignment - middle) * zoom + middle)]

    finder.find = zoomed


def test_largest_faces_come_first(model, finder):
    align_the_larger(finder, 0.8)
    frame = np.maximum(spot(90, 120, 640, 480), 0)
    frame[300:420, 400:520] = 255
    detector = Detector(model, finder=finder)
    assert [round(where(face)[0], -1) for face in detector(frame)] == [460, 90]
    assert len(Detector(model, finder=finder, max_faces=1)(frame)) == 1


def test_largest_faces_are_those_of_the_largest_boxes(model, finder):
    """The finder's own boxes may tell otherwise."""
    frame = np.maximum(spot(300, 300, 1280, 960), 0)
    frame[300:420, 900:1020] = 255
    align_the_larger(finder, 1.25)
    with Detector(model, finder=finder) as detector:
        for faces in (detector(frame), *detector.batch([frame])):
            assert [round(where(face)[0], -1) for face in faces] == [300, 960]
            assert [face.id for face in faces] == [0, 1]
            areas = [face.box[2] * face.box[3] for face in faces]
            assert areas[0] > 1.2 * areas[1]


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 1), (3, 500, 4)])
def test_very_small_frames(model, shape):
    detector = Detector(model)
    assert len(detector(np.zeros(shape, np.uint8))) == len(
        detector.track(np.zeros(shape, np.uint8))
    )


def test_very_large_frame(model, finder):
    frame = np.zeros((6000, 8000, 3), np.uint8)
    frame[3000:3600, 4000:4600] = 200
    big = SpotFinder()
    find = big.find
    big.find = lambda image: (
        find(image)
        and [
            type(find(image)[0])(
                (4000.0, 3000.0, 600.0, 600.0),
                0.9,
                np.array([[0.07, 0, 99.5 - 0.07 * 4299.5], [0, 0.07, 99.5 - 0.07 * 3299.5]]),
            )
        ]
    )
    (face,) = Detector(model, finder=big)(frame)
    matrix = alignment_matrix(face.landmarks)
    np.testing.assert_allclose(transform(np.array([4299.5, 3299.5]), matrix), [99.5, 99.5], atol=1)


@pytest.mark.parametrize("convert", ["grey", "bgra", "deep"])
def test_other_kinds_of_frames(model, finder, convert):
    frame = spot(150, 120)
    other = {
        "grey": frame[..., 0],
        "bgra": np.dstack([frame, frame[..., 0]]),
        "deep": frame.astype(np.uint16) * 257,
    }[convert]
    (face,), (same,) = Detector(model, finder=finder)(frame), Detector(model, finder=finder)(other)
    np.testing.assert_allclose(face.landmarks, same.landmarks, atol=0.05)


@pytest.mark.parametrize("frame", [None, np.zeros((4, 4, 3)), np.zeros((0, 0, 3), np.uint8)])
def test_no_frame_at_all(model, finder, frame):
    detector = Detector(model, finder=finder)
    for call in (detector, detector.track):
        with pytest.raises(InputError, match="frame is"):
            call(frame)


def test_time_is_booked_on_what_took_it(model, finder, monkeypatch):
    """A clock that only the face finder and the network move: 3 s and 7 s a call."""
    detector = Detector(model, finder=finder)
    now, asked = [100.0], []
    find, network = finder.find, type(detector._backend)

    def slow_find(frame):
        now[0] += 3
        return find(frame)

    answer = network.__call__

    def slow_answer(backend, faces):
        now[0] += 7
        asked.append(len(faces))
        return answer(backend, faces)

    monkeypatch.setattr(latency.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(finder, "find", slow_find)
    monkeypatch.setattr(network, "__call__", slow_answer)
    for look in (detector, detector.track, detector.track):
        before, finds = now[0], finder.finds
        asked.clear()
        timings = look(spot(100, 120)).timings
        assert timings.network == pytest.approx(7000 * len(asked))
        assert timings.find == pytest.approx(3000 * (finder.finds - finds))
        assert timings.total == pytest.approx(1e3 * (now[0] - before))
        assert timings.align == timings.post == timings.decode == 0
    assert asked, "the network is asked in every frame"


def test_phases_add_up(model, finder):
    for result in Detector(model, finder=finder).stream([spot(100, 120)] * 2):
        timings = result.timings
        assert list(timings) == ["decode", "find", "align", "network", "post"]
        assert timings.total == pytest.approx(sum(timings.values()))
        assert timings["network"] > 0
        assert all(value >= 0 for value in timings.values())


@pytest.mark.parametrize(
    "time", [float("nan"), float("inf"), "soon", 10**400], ids=lambda x: f"{x}"[:4]
)
def test_a_time_that_is_none_is_refused(model, finder, time):
    with pytest.raises(InputError, match=f"timestamp must be in seconds, got {time!r}"):
        Detector(model, finder=finder).track(spot(100, 120), time)


def warnings_of(caplog) -> list[str]:
    said = [one.getMessage() for one in caplog.records if one.name == "runtime.timestamps"]
    caplog.clear()
    return said


def test_times_that_do_not_go_on_are_told_once(model, finder, caplog):
    def follow(*times):
        for x, time in enumerate(times):
            detector.track(spot(100 + x % 9, 120), time)
        return warnings_of(caplog)

    whole_seconds = [n // 60 for n in range(180)]
    with Detector(model, finder=finder) as detector:
        assert not follow(*whole_seconds, 4.5, None, 1.0, None, *[None] * 120, 0.5)
        detector.reset()
        assert not follow(*[0.0] * 99)
        (said,) = follow(*[0.0] * 60)
        assert "100 frames in a row are at 0 seconds" in said
        detector.reset()
        assert not follow(0.0, 0.25, 0.5)
        (said,) = follow(0.25, 0.125, 0.0)
        assert "frame 3 is at 0.25 seconds, and the one before it at 0.5" in said
        detector.reset()
        assert not follow(0.0, 0.25)


def test_times_of_sources_are_not_told(model, finder, caplog, tmp_path):
    frames = [spot(100, 120), spot(104, 120)]
    videos = [write_frames(tmp_path / f"{name}.avi", frames) for name in "ab"]
    with Detector(model, finder=finder) as detector:
        for track in (None, True):  # the times of the second video begin at 0 again
            assert len(list(detector.stream(videos, track=track))) == 4
        for result in detector.stream(videos):
            if result.index == 3:
                break
        detector.track(frames[0], 0.0)  # the program's first time
    assert not warnings_of(caplog)


@pytest.mark.parametrize("kind", [Fraction, np.float32, np.int64, np.uint32, np.uint64])
def test_times_of_any_kind_are_those_of_floats(model, finder, kind, tmp_path):
    def followed(times):
        signals = Signals("one-euro")
        with Detector(model, finder=finder, signals=signals) as detector:
            return [detector.track(spot(100 + 9 * x, 120), t) for x, t in enumerate(times)]

    times = (5, 6, 4, 8)  # a clock that goes back, which wraps in unsigned numbers
    expected, results = followed(map(float, times)), followed(map(kind, times))
    for one, other in zip(expected, results, strict=True):
        assert type(other.timestamp) is float
        assert other.faces[0].adjusted == one.faces[0].adjusted
        assert json.loads(other.to_json())["timestamp"] == one.timestamp
    with open_writer("srt", tmp_path / "clip", Layout(("AU06", "AU12"))) as writer:
        for result in results[:2]:
            writer.write(result)
