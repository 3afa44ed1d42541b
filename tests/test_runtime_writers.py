import csv
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from test_runtime_fixtures import MEAN_FACE

from runtime.atomic import PendingFile
from runtime.errors import InputError, OpenCVError
from runtime.results import Face, Result, Timings
from runtime.writers import CsvWriter, VideoWriter, check_writable, write_image

AUS = ("AU06", "AU12")


def face(number: int = 0) -> Face:
    points = (MEAN_FACE + number).astype(np.float32)
    return Face(number, (1.5, 2, 30, 40.25), 0.75, points, {"AU06": 0.25, "AU12": 0.875}, ("AU12",))


def result(index: int, *faces: Face, timestamp: float | None = None, name: str = "") -> Result:
    return Result(faces, Timings(), (64, 48), index, timestamp, name)


def rows(path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_csv(tmp_path):
    path = tmp_path / "new" / "folder" / "a.csv"
    with CsvWriter(path, AUS) as writer:
        writer.write(result(0, face(0), face(3), timestamp=0.0))
        writer.write(result(1, timestamp=0.04))
    one, two, none = rows(path)
    header = list(one)
    assert header[:9] == "frame timestamp face_id success score box_x box_y box_w box_h".split()
    assert header[9:13] == ["AU06", "AU12", "AU06_c", "AU12_c"]
    assert header[13:] == [f"x_{i}" for i in range(49)] + [f"y_{i}" for i in range(49)]
    assert [one[key] for key in header[:13]] == [
        *("0", "0.0000", "0", "1", "0.7500", "1.50", "2.00", "30.00", "40.25"),
        *("0.2500", "0.8750", "0", "1"),
    ]
    assert (one["face_id"], two["face_id"]) == ("0", "3")
    read = [[float(two[f"{axis}_{i}"]) for axis in "xy"] for i in range(49)]
    np.testing.assert_allclose(read, MEAN_FACE + 3, atol=0.006)
    assert none["success"] == "0"
    filled = {key: value for key, value in none.items() if value}
    assert filled == {"frame": "1", "timestamp": "0.0400", "success": "0"}


def test_csv_of_intensities(tmp_path):
    strong = replace(face(), intensities={"AU06": 1.25, "AU12": 4.5})
    with CsvWriter(tmp_path / "a.csv", AUS, with_name=True, with_intensity=True) as writer:
        writer.write(result(0, strong, name="b.png"))
        writer.write(result(1, name="c.png"))
    one, none = rows(tmp_path / "a.csv")
    assert list(one)[11:16] == ["AU06_c", "AU12_c", "AU06_r", "AU12_r", "x_0"]
    assert (one["AU06_r"], one["AU12_r"], one["input"]) == ("1.250", "4.500", "b.png")
    assert (none["success"], none["AU06_r"], none["y_48"], none["input"]) == ("0", "", "", "c.png")


def test_csv_of_a_folder_names_the_files(tmp_path):
    with CsvWriter(tmp_path / "a.csv", AUS, with_name=True) as writer:
        writer.write(result(0, face(), name="b, c.png"))
        writer.write(result(1, name="d.png"))
    assert [row["input"] for row in rows(tmp_path / "a.csv")] == ["b, c.png", "d.png"]
    assert [row["timestamp"] for row in rows(tmp_path / "a.csv")] == ["", ""]


def test_rows_are_on_disk_at_once(tmp_path):
    with CsvWriter(tmp_path / "a.csv", AUS) as writer:
        for i in range(3):
            writer.write(result(i, face()))
            (part,) = tmp_path.glob(".a.*.part.csv")
            assert len(rows(part)) == i + 1
            assert not (tmp_path / "a.csv").exists()


def interrupted(writer, *items, by: type[BaseException]):
    with pytest.raises(by), writer:  # noqa: PT012
        for item in items:
            writer.write(item)
        raise by


def test_ctrl_c_keeps_the_csv(tmp_path):
    interrupted(CsvWriter(tmp_path / "a.csv", AUS), result(0, face()), by=KeyboardInterrupt)
    assert len(rows(tmp_path / "a.csv")) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_failure_keeps_the_old_files(tmp_path):
    for name in ("a.csv", "a.mp4", "a.png"):
        (tmp_path / name).write_text("old")
    interrupted(CsvWriter(tmp_path / "a.csv", AUS), result(0, face()), by=RuntimeError)
    frame = np.zeros((48, 64, 3), np.uint8)
    interrupted(VideoWriter(tmp_path / "a.mp4", 25), frame, by=RuntimeError)
    with pytest.raises(RuntimeError), PendingFile(tmp_path / "a.png") as part:  # noqa: PT012
        part.write_text("new")
        raise RuntimeError
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        name: "old" for name in ("a.csv", "a.mp4", "a.png")
    }


def frames_of(path) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (step := capture.read())[0]:
        frames.append(step[1])
    return frames


def test_video(tmp_path):
    path = tmp_path / "new" / "a.mp4"
    with VideoWriter(path, 10) as writer:
        for i in range(12):
            writer.write(np.full((48, 64, 3), 20 * i, np.uint8))
    frames = frames_of(path)
    assert len(frames) == 12
    np.testing.assert_allclose([frame.mean() for frame in frames], 20 * np.arange(12), atol=6)
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS) == pytest.approx(10)


def test_ctrl_c_keeps_the_video(tmp_path):
    frame = np.zeros((48, 64, 3), np.uint8)
    interrupted(VideoWriter(tmp_path / "a.mp4", 25), frame, frame, by=KeyboardInterrupt)
    assert len(frames_of(tmp_path / "a.mp4")) == 2


def test_frames_of_other_sizes_are_fitted(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 10) as writer:
        writer.write(np.full((48, 64, 3), 200, np.uint8))
        writer.write(np.full((96, 32, 3), 200, np.uint8))
    _, tall = frames_of(tmp_path / "a.mp4")
    assert tall.shape == (48, 64, 3)
    assert tall[:, 28:36].mean() > 180
    assert tall[:, :16].mean() < 20


def test_no_frames_make_no_video_and_harm_none(tmp_path):
    (tmp_path / "a.mp4").write_text("old")
    with VideoWriter(tmp_path / "a.mp4", 10):
        pass
    assert (tmp_path / "a.mp4").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_impossible_video(tmp_path):
    with (
        pytest.raises(OpenCVError, match="cannot write a video of 1 × 1"),
        VideoWriter(tmp_path / "a.mp4", 10) as writer,
    ):
        writer.write(np.zeros((1, 1, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_image(tmp_path):
    frame = np.random.default_rng(0).integers(0, 256, (5, 6, 3), np.uint8)
    write_image(tmp_path / "new" / "a.png", frame)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "new" / "a.png")), frame)


def test_output_folder(tmp_path):
    check_writable(tmp_path / "new" / "folder")
    assert list((tmp_path / "new" / "folder").iterdir()) == []
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="cannot be made, a file is in its place"):
            check_writable(folder)


def test_results_as_plain_values():
    strong = replace(face(3), intensities={"AU06": 1.25, "AU12": 4.5})
    shown = result(7, face(), strong, timestamp=0.5, name="é.png")
    line = shown.to_json()
    assert "\n" not in line
    read = json.loads(line)
    assert read == shown.to_dict()
    assert (read["index"], read["timestamp"], read["name"], read["size"]) == (
        *(7, 0.5, "é.png", [64, 48]),
    )
    assert read["timings"] == {"decode": 0, "find": 0, "align": 0, "network": 0, "post": 0}
    plain, telling = read["faces"]
    assert plain["aus"] == {"AU06": 0.25, "AU12": 0.875}
    assert (plain["present"], plain["intensities"]) == (["AU12"], {})
    assert telling["intensities"] == {"AU06": 1.25, "AU12": 4.5}
    assert telling["box"] == [1.5, 2, 30, 40.25]
    np.testing.assert_allclose(telling["landmarks"], MEAN_FACE + 3, atol=0.006)
