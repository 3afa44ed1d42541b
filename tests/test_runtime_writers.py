import csv
import errno
import os
from dataclasses import replace

import cv2
import numpy as np
import pytest
from some_results import some_face, some_result

from runtime.errors import InputError, OpenCVError, OutputError
from runtime.files.atomic import PendingFile
from runtime.formats import Layout, open_writer
from runtime.outputs.pictures import VideoWriter, check_writable, write_image


def interrupted(writer, *items, by: type[BaseException]):
    with pytest.raises(by), writer:  # noqa: PT012
        for item in items:
            writer.write(item)
        raise by


def test_failure_keeps_the_old_files(tmp_path):
    for name in ("a.mp4", "a.png"):
        (tmp_path / name).write_text("old")
    frame = np.zeros((48, 64, 3), np.uint8)
    interrupted(VideoWriter(tmp_path / "a.mp4", 25), frame, by=RuntimeError)
    for error in (RuntimeError, KeyboardInterrupt):
        for begun in (True, False):
            with pytest.raises(error), PendingFile(tmp_path / "a.png") as part:  # noqa: PT012
                if begun:
                    part.write_text("ne")
                raise error
    assert len(frames_of(tmp_path / "a.partial.mp4")) == 1
    (tmp_path / "a.partial.mp4").unlink()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        name: "old" for name in ("a.mp4", "a.png")
    }


def test_a_name_that_is_taken_by_a_folder_leaves_nothing_behind(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(OSError), PendingFile(tmp_path / "a.png") as part:  # noqa: PT011
        part.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_what_must_outlast_a_power_cut_is_on_the_disc_before_it_has_its_name(tmp_path, monkeypatch):
    target, done = tmp_path / "new" / "a.pt", []

    def fsync(descriptor):
        assert os.pread(descriptor, 10, 0) == b"whole"
        done.append(target.exists())

    monkeypatch.setattr(os, "fsync", fsync)
    with PendingFile(target, durable=True) as part:
        part.write_bytes(b"whole")
    assert done == [False]
    assert target.read_bytes() == b"whole"
    assert list(target.parent.iterdir()) == [target]


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


def test_video_keeps_the_pace_of_its_frames(tmp_path):
    times = [0.0, 0.1, 0.4, 0.41, 0.42, 0.7, 0.0, 0.2, None, 50.0]
    with VideoWriter(tmp_path / "a.mp4", 10) as writer:
        for i, time in enumerate(times):
            writer.write(np.full((48, 64, 3), 20 * i, np.uint8), time)
    shown = [round(frame.mean() / 20) for frame in frames_of(tmp_path / "a.mp4")]
    # Three frames within 20 ms lag until the gap behind them; 0.0 is another file; None has no
    # time, so that no gap is known.
    assert shown == [0, 1, 1, 1, 2, 3, 4, 5, 6, 6, 7, 8, 9]


def test_a_video_that_gets_more_frames_than_it_holds_stays_in_step(tmp_path):
    times = np.arange(41) / 40  # a second of 40 frames, in a video of 10 a second
    with VideoWriter(tmp_path / "a.mp4", 10) as writer:
        for i, time in enumerate(times):
            writer.write(np.full((48, 64, 3), 6 * i, np.uint8), time)
    shown = [frame.mean() / 6 / 40 for frame in frames_of(tmp_path / "a.mp4")]
    assert len(shown) in (11, 12, 13)
    for place, true in enumerate(shown):
        assert 0 <= place / 10 - true + 0.02 <= 0.35, "late by a quarter of a second and a frame"


def test_lags_of_many_videos_do_not_add_up(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 10) as writer:
        for _ in range(8):  # seconds of 40 frames, in a video of 10 a second
            for time in np.arange(40) / 40:
                writer.write(np.zeros((48, 64, 3), np.uint8), time)
    assert len(frames_of(tmp_path / "a.mp4")) in (80, 81, 82, 83)


def test_long_gaps_are_cut(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 10) as writer:
        for i, time in enumerate([0.0, 3600.0, 3600.1, 3600.3]):
            writer.write(np.full((48, 64, 3), 60 * i, np.uint8), time)
    shown = [round(frame.mean() / 60) for frame in frames_of(tmp_path / "a.mp4")]
    assert shown == [0] * 101 + [1, 2, 2, 3]


@pytest.mark.parametrize("fps", [25, 30000 / 1001, 23.976, 10])
@pytest.mark.parametrize("digits", [3, 9])
def test_steady_frames_are_neither_repeated_nor_moved(tmp_path, fps, digits):
    writer = VideoWriter(tmp_path / "a.mp4", fps)
    missing = []
    for i in range(2000):
        missing.append(writer._missing(round(i / fps, digits)))
        writer._frames += 1
    assert set(missing) == {0}


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


def test_video_that_cannot_be_finished(tmp_path, monkeypatch):
    # OpenCV says nothing of a full disc; the file then lacks its index.
    (tmp_path / "a.mp4").write_text("old")
    release = cv2.VideoWriter.release

    class Full:
        def __init__(self, path, *how):
            self._path, self._writer = path, writer_class(path, *how)

        def __getattr__(self, name):
            return getattr(self._writer, name)

        def release(self):
            release(self._writer)
            with open(self._path, "r+b") as file:
                file.truncate(300)

    writer_class = cv2.VideoWriter
    monkeypatch.setattr(cv2, "VideoWriter", Full)
    with (
        pytest.raises(OutputError, match=r"a\.partial\.mp4 could not be finished, the disc may be"),
        VideoWriter(tmp_path / "a.mp4", 10) as writer,
    ):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_text() == "old"


def test_image(tmp_path):
    frame = np.random.default_rng(0).integers(0, 256, (5, 6, 3), np.uint8)
    write_image(tmp_path / "new" / "a.png", frame)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "new" / "a.png")), frame)


def test_folder_that_must_not_be_made(tmp_path, monkeypatch):
    def forbidden(self, **how):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "mkdir", forbidden)
    with pytest.raises(InputError, match=r"x cannot be made \(Permission denied\): give another"):
        check_writable(tmp_path / "x")


def test_disc_that_is_read_only(monkeypatch, tmp_path):
    def forbidden(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for name in ("touch", "unlink"):  # removing what is not there is an error there, too
        monkeypatch.setattr(type(tmp_path), name, forbidden)
    with pytest.raises(InputError, match=r"written to \(Read-only file system\): give another"):
        check_writable(tmp_path)


def test_output_folder(tmp_path):
    check_writable(tmp_path / "new" / "folder")
    assert list((tmp_path / "new" / "folder").iterdir()) == []
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="cannot be made, a file is in its place"):
            check_writable(folder)


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("step", [0.7, 1 / 0.7, 2.0, 2.5, 7.0, 10.04, 12.0, 400.0])
def test_frames_that_come_seldom_stay_in_step(tmp_path, step, timed):
    with VideoWriter(tmp_path / "a.mp4", 1 / step) as writer:
        for i in range(5):
            writer.write(np.full((48, 64, 3), 40 * i, np.uint8), i * step if timed else None)
    frames = frames_of(tmp_path / "a.mp4")
    fps = cv2.VideoCapture(str(tmp_path / "a.mp4")).get(cv2.CAP_PROP_FPS)
    assert len(frames) / fps == pytest.approx(5 * step, abs=1 / fps)
    for place, frame in enumerate(frames):
        true = min(place / fps / step, 4.9)
        assert abs(frame.mean() / 40 - true) < 1.1 + 1 / step, (
            "the frame of that time, or next to it"
        )


def test_a_writer_that_is_finished_takes_no_more(tmp_path):
    """Its file's number may be another file's by then."""
    with open_writer("native", tmp_path / "a", Layout(("AU12",))) as writer:
        writer.write(some_result(0, some_face(AU12=0.5)))
    with (tmp_path / "other").open("w"), pytest.raises(ValueError, match="is finished"):
        writer.write(some_result(1, some_face(AU12=0.5)))
    assert not (tmp_path / "other").read_bytes()


@pytest.mark.parametrize("name", ["native", "pyfeat", "parquet"])
def test_results_that_lack_columns_are_told(tmp_path, name):
    layout = Layout(("AU12", "AU25"))
    with (
        pytest.raises(InputError, match="frame 3 does not tell AU25"),
        open_writer(name, tmp_path / "a", layout) as writer,
    ):
        writer.write(some_result(3, some_face(AU12=0.5)))


@pytest.mark.parametrize("name", ["native", "parquet", "openface"])
def test_results_that_lack_intensities_are_told(tmp_path, name):
    said = "frame 3 does not tell the intensity of AU12, AU25, for .* with intensity=False"
    silent = some_face(AU06=0.5, AU12=0.5, AU25=0.1)
    some = replace(silent, intensities={"AU06": 2.5})
    layout = Layout(("AU06", "AU12", "AU25"), intensity=True)
    with (
        pytest.raises(InputError, match=said),
        open_writer(name, tmp_path / "a", layout) as writer,
    ):
        writer.write(some_result(3, replace(silent, intensities=silent.aus), some))


@pytest.mark.parametrize("name", ["events", "vtt"])
def test_a_file_that_comes_twice_begins_anew(tmp_path, name):
    layout = Layout(("AU12",), named=True)
    with open_writer(name, tmp_path / "a", layout) as writer:
        for i, time in enumerate([0.2, 0.4, 0.0, 0.1]):
            face = some_face(i // 2, ("AU12",), AU12=0.9)
            writer.write(some_result(i, face, timestamp=time, name="e.mp4"))
    if name == "events":
        with (tmp_path / "a.events.csv").open(newline="") as file:
            spans = [(float(r["onset"]), float(r["offset"])) for r in csv.DictReader(file)]
        assert spans == [(0.2, 0.4), (0.0, 0.1)]
    else:
        text = (tmp_path / "a.subtitles" / "e.mp4.vtt").read_text()
        assert "00:00:00.000 --> 00:00:00.100" in text
        assert "00:00:00.200" not in text
