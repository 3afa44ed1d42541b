"""How far answers move where nothing about a face has."""

import json

import cv2
import numpy as np
import pytest
from test_runtime_fixtures import SpotFinder, spot

from benchmarks.agreement import Curves, curves_of
from benchmarks.noise_floor import CHANGES, COLUMNS, EVERY_SECOND, _compared, main, measure
from runtime.detector import Detector


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "spot.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (320, 240))
    for x in range(110, 170, 6):
        writer.write(spot(x, 120))
    writer.release()
    return path


def test_each_change_is_what_it_is_called():
    frame = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    shapes = {name: change(frame).shape for name, change in CHANGES.items()}
    assert shapes["half the size"] == (20, 30, 3)
    assert shapes["twice the size"] == (80, 120, 3)
    np.testing.assert_array_equal(CHANGES["mirrored"](frame), frame[:, ::-1])
    (compressed,) = (change(frame) for name, change in CHANGES.items() if "JPEG" in name)
    assert compressed.shape == frame.shape
    assert 0 < np.abs(compressed.astype(int) - frame).mean() < 80


def test_what_a_clip_says_changed_is_what_the_detector_says_of_it(model, clip):
    detector = Detector(model, finder=SpotFinder())
    rows = {row["change"]: row for row in measure(detector, clip)}
    assert set(rows) == {*CHANGES, EVERY_SECOND}
    assert {name: row["frames"] for name, row in rows.items()} == {
        **dict.fromkeys(CHANGES, 10), EVERY_SECOND: 5
    }  # fmt: skip
    capture, frames = cv2.VideoCapture(str(clip)), []
    while (read := capture.read())[0]:
        frames.append(read[1])
    plain, mirrored = (
        np.array([
            [*other.track(change(frame)).faces[0].aus.values()] for frame in frames
        ])
        for other, change in (
            (Detector(model, finder=SpotFinder()), lambda frame: frame),
            (Detector(model, finder=SpotFinder()), lambda frame: frame[:, ::-1].copy()),
        )
    )  # fmt: skip
    row = rows["mirrored"]
    assert row["mean_difference"] == pytest.approx(np.abs(plain - mirrored).mean(), abs=1e-6)
    moved = np.abs(plain.mean(0) - mirrored.mean(0))
    assert row["mean_of_clip"] == pytest.approx(moved.mean(), abs=1e-6)
    each = [au["mean_of_clip"] for au in row["aus"].values()]
    assert each == pytest.approx(moved.tolist(), abs=1e-6)
    other = Detector(model, finder=SpotFinder())
    half = np.array([[*other.track(frame).faces[0].aus.values()] for frame in frames[::2]])
    row = rows[EVERY_SECOND]
    assert row["mean_difference"] == pytest.approx(np.abs(plain[::2] - half).mean(), abs=1e-6)
    shifted = np.abs(plain[1::2] - half).mean()
    assert row["mean_difference"] != pytest.approx(shifted, rel=0.05), "of frames that move"


def test_means_are_of_frames_with_a_face_in_both():
    one, other = np.full((2, 3, 2), np.nan)
    one[:2], other[1:] = [[0.2, 0.6], [0.4, 0.6]], [[0.7, 0.6], [0.9, 0.1]]
    first, second = (Curves("a", ("AU01", "AU12"), each, (0.5, 0.5)) for each in (one, other))
    row = _compared(first, second)
    assert row["mean_of_clip"] == pytest.approx((0.3 + 0) / 2)
    said = [cell({**row, "clip": "c", "change": "d"}) for _, _, cell in COLUMNS[-3:]]
    assert said == ["AU01 100", "0.150", "AU01 0.30"]
    nowhere = first._replace(probability=np.full((3, 2), np.nan))
    assert _compared(first, nowhere)["mean_of_clip"] is None
    assert [cell(_compared(first, nowhere)) for _, _, cell in COLUMNS[-3:]] == ["", "", ""]


def test_command(tmp_path, model, clip, capsys, monkeypatch):
    monkeypatch.setattr("runtime.detector.open_finder", lambda *_: SpotFinder())
    record = tmp_path / "floor.json"
    assert main([str(clip), "--model", str(model), "--json", str(record)]) == 0
    rows = json.loads(record.read_text())["rows"]
    assert [row["clip"] for row in rows] == ["spot.avi"] * 5
    assert "| spot.avi | mirrored | 10 |" in capsys.readouterr().out
    command = [str(clip), "--model", str(model), "--json", str(record), "--flip-test"]
    assert main(command) == 0
    said = json.loads(record.read_text())
    assert "flip test" in said["detector"]
    assert len(said["rows"]) == 5
    assert main([str(tmp_path / "none.avi"), "--model", str(model)]) == 2
    assert "none.avi" in capsys.readouterr().err


def test_a_frame_without_a_face_says_nothing(model):
    detector = Detector(model, finder=SpotFinder())
    found = curves_of(
        detector, [detector(spot(150, 120)), detector(np.zeros((240, 320, 3), np.uint8))]
    )
    assert np.isnan(found.probability[:, 0]).tolist() == [False, True]
