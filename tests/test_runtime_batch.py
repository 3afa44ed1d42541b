"""Many pictures at once."""

import time

import cv2
import numpy as np
import pytest
from test_runtime_fixtures import SpotFinder, spot, wall, write_model

from runtime.detector import Detector
from runtime.errors import InputError
from runtime.sources import Shot, Source, images
from runtime.sources.images import read_image

PICTURES = [
    spot(100, 120),
    wall(),
    np.maximum(spot(150, 240, 640, 480), spot(480, 240, 640, 480)),
    spot(210, 130),
]
FACES = [1, 0, 2, 1]


def detector_of(tmp_path, batch: int) -> Detector:
    return Detector(write_model(tmp_path / f"{batch}.onnx", batch=batch), finder=SpotFinder())


def network_calls(detector) -> list[int]:
    """Note how many faces each call of the graph is given, padding included."""
    backend, calls = detector._backend, []
    run = backend._run
    backend._run = lambda faces: calls.append(len(faces)) or run(faces)
    return calls


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 99])
def test_same_as_one_by_one(tmp_path, batch, size):
    detector = detector_of(tmp_path, batch)
    results = list(detector.batch(PICTURES, size))
    assert [len(result) for result in results] == FACES
    assert [result.index for result in results] == [0, 1, 2, 3]
    for picture, result in zip(PICTURES, results, strict=True):
        alone = detector(picture)
        assert result.size == alone.size == picture.shape[1::-1]
        for face, same in zip(result, alone, strict=True):
            assert (face.id, face.score, face.present) == (same.id, same.score, same.present)
            np.testing.assert_allclose(face.landmarks, same.landmarks, atol=1e-3)
            assert face.aus == pytest.approx(same.aus, abs=1e-6)


def test_faces_of_all_pictures_share_calls(tmp_path):
    detector = detector_of(tmp_path, 4)
    calls = network_calls(detector)
    list(detector.batch(PICTURES, 4))
    assert calls == [4, 4]  # two looks at four faces
    calls.clear()
    for picture in PICTURES:
        detector(picture)
    assert calls == [4] * 6


def test_faces_of_one_frame_share_calls(tmp_path):
    detector = detector_of(tmp_path, 2)
    calls = network_calls(detector)
    for _ in range(3):
        assert len(detector.track(PICTURES[2])) == 2
    assert calls == [2, 2, 2, 2]


def test_no_more_pictures_are_held_than_told(tmp_path):
    asked = []

    def pictures():
        for i in range(20):
            asked.append(i)
            yield spot(100 + i, 120)

    results = detector_of(tmp_path, 1).batch(pictures(), 4)
    next(results)
    assert asked == [0, 1, 2, 3]
    for _ in range(3):
        next(results)
    assert asked == [0, 1, 2, 3]
    next(results)
    assert asked == list(range(8))


def test_bad_frame_is_an_error_so_that_results_stay_in_step(tmp_path):
    results = detector_of(tmp_path, 1).batch([spot(100, 120), None, spot(100, 120)], 1)
    next(results)
    with pytest.raises(InputError, match="frame 1 is a NoneType"):
        next(results)


def test_folder(tmp_path, caplog):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, picture in enumerate(PICTURES):
        cv2.imwrite(str(folder / f"{number}.png"), picture)
    (folder / "1.png").write_bytes(b"junk")
    results = list(detector_of(tmp_path, 1).batch(str(folder / "*.png"), 2))
    assert [(r.index, r.name, len(r)) for r in results] == [
        *((0, "0.png", 1), (2, "2.png", 2), (3, "3.png", 1)),
    ]
    assert "left out" in caplog.text


def test_pictures_are_let_go_of(tmp_path, monkeypatch):
    import weakref

    alive = []

    def read(path):
        picture = read_image(path).view()
        alive.append(weakref.ref(picture.base if picture.base is not None else picture))
        return picture

    monkeypatch.setattr(images, "read_image", read)
    for number in range(12):
        cv2.imwrite(str(tmp_path / f"{number:02}.png"), spot(100, 120))
    most = 0
    for _ in detector_of(tmp_path, 1).batch(tmp_path / "*.png", 3):
        most = max(most, sum(ref() is not None for ref in alive))
    assert len(alive) == 12
    assert most <= 3


def test_what_is_tracked_stays_as_it_is(tmp_path):
    detector = detector_of(tmp_path, 1)
    detector.track(spot(100, 120))
    list(detector.batch(PICTURES))
    (face,) = detector.track(spot(103, 120))
    assert face.id == 0


def test_size_below_one(tmp_path):
    with pytest.raises(ValueError, match="size must be 1 or more, got 0"):
        next(detector_of(tmp_path, 1).batch(PICTURES, 0))


def test_frames_of_a_camera_say_when_they_came(tmp_path, monkeypatch):
    now = time.perf_counter()
    shots = [
        Shot(spot(100, 120), index, index / 10, 1.0, 2.0, captured=now - 1, dropped=index)
        for index in (0, 3)
    ]

    class Camera(Source):
        def __iter__(self):
            return iter(shots)

    monkeypatch.setattr("runtime.detector.open_source", lambda _: Camera("camera 0", "camera0"))
    first, second = detector_of(tmp_path, 1).batch(0)
    assert 1000 <= first.latency_ms <= second.latency_ms < 60_000
    assert (first.dropped, second.dropped) == (0, 3)
    assert (second.index, second.timestamp) == (3, 0.3)
