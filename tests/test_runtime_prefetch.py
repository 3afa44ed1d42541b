import logging
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from some_videos import write_video
from test_runtime_fixtures import SpotFinder, spot

from runtime import cli, sources
from runtime import detector as detector_module
from runtime.detector import Detector
from runtime.errors import InputError
from runtime.sources import Arrays, Camera, Source, open_source, prefetch
from runtime.sources.prefetch import DEPTH, ReadAhead, read_ahead

ROOT = Path(__file__).parents[1]
PATIENCE = 20
"""Seconds after which something that should happen has not."""


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert not readers()


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if "read-ahead" in thread.name]


class Counted(Source):
    """A source of numbered frames that says how far it was read, on which thread, and its end."""

    moving = ahead = True

    def __init__(self, count: int, bad: int | None = None) -> None:
        super().__init__("counted", "counted", count=count)
        self.bad = bad
        self.asked = 0
        self.threads: set[threading.Thread] = set()
        self.closed_while_read: bool | None = None
        self.progress = threading.Condition()

    def __iter__(self):
        for index in range(self.count):
            self.threads.add(threading.current_thread())
            with self.progress:
                self.asked = index + 1
                self.progress.notify()
            if index == self.bad:
                raise InputError(f"frame {index} is torn")
            yield sources.Shot(np.full((2, 2, 3), index, np.uint8), index, index / 10, 3.5, 3.5)

    def close(self) -> None:
        self.closed_while_read = bool(readers())

    def wait_until_asked(self, count: int) -> None:
        with self.progress:
            assert self.progress.wait_for(lambda: self.asked >= count, PATIENCE)


def numbers(shots) -> list[int]:
    return [int(shot.frame[0, 0, 0]) for shot in shots]


@pytest.mark.parametrize("depth", [1, 2, 7])
def test_every_frame_once_and_in_order(depth):
    source = Counted(200)
    with ReadAhead(source, depth) as ahead:
        shots = list(ahead)
    assert numbers(shots) == [shot.index for shot in shots] == list(range(200))
    assert [shot.timestamp for shot in shots] == [i / 10 for i in range(200)]
    assert source.threads.isdisjoint({threading.current_thread()})
    assert source.closed_while_read is False


@pytest.mark.parametrize("depth", [1, 3])
def test_reads_ahead_but_never_further_than_told(depth):
    source = Counted(30)
    with ReadAhead(source, depth) as ahead:
        for shot in ahead:
            # It gets there while this loop does nothing, and no further.
            source.wait_until_asked(min(shot.index + 1 + depth, 30))
            assert source.asked <= shot.index + 1 + depth


def test_nothing_is_read_before_the_loop():
    source = Counted(5)
    with ReadAhead(source):
        assert not readers()
    assert (source.asked, source.closed_while_read) == (0, False)


def test_error_comes_after_the_frames_before_it():
    seen = []
    with (
        ReadAhead(Counted(10, bad=4), depth=2) as ahead,
        pytest.raises(InputError, match="frame 4 is torn"),
    ):
        seen.extend(shot.index for shot in ahead)
    assert seen == [0, 1, 2, 3]


def test_leaving_the_loop_ends_the_thread_before_the_file_is_closed():
    source = Counted(1000)
    with ReadAhead(source) as ahead:
        for shot in ahead:
            if shot.index == 3:
                break
    assert source.closed_while_read is False
    assert source.asked <= 3 + 1 + DEPTH


def test_error_in_the_loop_ends_the_thread():
    source = Counted(1000)
    with pytest.raises(ZeroDivisionError), ReadAhead(source) as ahead:
        [1 / shot.index for shot in ahead]
    assert source.closed_while_read is False


def test_closing_with_a_loop_half_way():
    source = Counted(1000)
    ahead = ReadAhead(source)
    shots = iter(ahead)
    next(shots)
    assert len(readers()) == 1
    ahead.close()
    assert source.closed_while_read is False
    ahead.close()


def test_forgotten_loop_ends_the_thread():
    shots = iter(ReadAhead(Counted(1000)))
    next(shots)
    assert len(readers()) == 1
    del shots
    assert not readers()


def test_frames_are_read_once():
    ahead = ReadAhead(Counted(3))
    assert numbers(ahead) == [0, 1, 2]
    with pytest.raises(RuntimeError, match="frames of counted are read once"):
        list(ahead)


def test_depth_below_one():
    with pytest.raises(ValueError, match="depth must be 1 or more, got 0"):
        ReadAhead(Counted(3), 0)


def test_waiting_is_told_from_decoding(monkeypatch):
    clock = iter([10.0, 10.25, 20.0, 20.5, 30.0])
    monkeypatch.setattr(prefetch.time, "perf_counter", lambda: next(clock))
    shots = list(ReadAhead(Counted(2)))
    assert [shot.wait_ms for shot in shots] == [250, 500]
    assert [shot.decode_ms for shot in shots] == [3.5, 3.5]


def test_video_is_the_same_read_ahead(tmp_path):
    path = write_video(tmp_path / "a.mp4", frames=25)
    with open_source(path) as plain, read_ahead(open_source(path)) as ahead:
        assert isinstance(ahead, ReadAhead)
        for name in ("name", "stem", "moving", "still", "fps", "count"):
            assert getattr(ahead, name) == getattr(plain, name)
        expected, shots = list(plain), list(ahead)
    assert len(shots) == 25
    for one, other in zip(expected, shots, strict=True):
        np.testing.assert_array_equal(one.frame, other.frame)
        assert (one.index, one.timestamp) == (other.index, other.timestamp)
        assert other.decode_ms > 0
    # Frames that lie ready must not be one buffer that the decoder writes over.
    assert len({shot.frame.ctypes.data for shot in shots}) == 25


def test_cut_video_is_reported_when_read_ahead(tmp_path, caplog):
    whole = write_video(tmp_path / "whole.avi", code="MJPG", frames=25).read_bytes()
    path = tmp_path / "cut.avi"
    path.write_bytes(whole[: (whole.index(b"movi") + whole.index(b"idx1")) // 2])
    with caplog.at_level(logging.WARNING):
        count = len(list(read_ahead(open_source(path))))
    assert f"cut.avi ends early: {count} of 25 frames" in caplog.text


def test_only_video_files_are_read_ahead(tmp_path, monkeypatch):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 4), np.uint8))
    for source in (tmp_path, tmp_path / "a.png", np.zeros((4, 4), np.uint8), [np.zeros((4, 4))]):
        with open_source(source) as opened:
            assert read_ahead(opened) is opened
    assert not Camera.ahead


def test_arrays_and_folders_can_be_read_ahead(tmp_path, caplog):
    frames = [np.full((4, 4, 3), i, np.uint8) for i in range(9)]
    assert numbers(ReadAhead(Arrays(iter(frames)))) == list(range(9))
    for i in (0, 2):
        cv2.imwrite(str(tmp_path / f"{i}.png"), frames[i])
    (tmp_path / "1.png").write_text("no image")
    with ReadAhead(open_source(tmp_path)) as ahead:
        assert [(shot.index, shot.name) for shot in ahead] == [(0, "0.png"), (2, "2.png")]
        assert ahead.failures == ["1.png"]


@pytest.fixture
def clip(tmp_path):
    writer = cv2.VideoWriter(
        str(tmp_path / "spot.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (320, 240)
    )
    for i in range(12):
        writer.write(spot(120 + 3 * i, 120))
    writer.release()
    return tmp_path / "spot.avi"


def spy(monkeypatch, module) -> list[Source]:
    """Note what a module reads ahead."""
    opened = []

    def noted(source):
        opened.append(read_ahead(source))
        return opened[-1]

    monkeypatch.setattr(module, "read_ahead", noted)
    return opened


def test_stream_reads_videos_ahead_with_the_same_results(monkeypatch, clip, model):
    opened = spy(monkeypatch, detector_module)
    detector = Detector(model, finder=SpotFinder())
    results = list(detector.stream(clip))
    assert isinstance(opened[0], ReadAhead)
    detector.reset()
    for result, shot in zip(results, open_source(clip), strict=True):
        (face,), (same,) = result, detector.track(shot.frame)
        assert (result.index, result.timestamp) == (shot.index, shot.timestamp)
        np.testing.assert_array_equal(face.landmarks, same.landmarks)
        assert result.timings.decode_work > 0
        assert result.timings.total == pytest.approx(sum(result.timings.values()))


def test_stream_that_is_left_lets_go_of_thread_and_file(monkeypatch, clip, model):
    opened = spy(monkeypatch, detector_module)
    results = Detector(model, finder=SpotFinder()).stream(clip)
    next(results)
    assert len(readers()) == 1
    results.close()
    assert not readers()
    assert not opened[0]._source._capture.isOpened()


def test_command_line_reads_videos_ahead(monkeypatch, tmp_path, clip, model):
    opened = spy(monkeypatch, cli)
    arguments = [clip, "--model", model, "--out", tmp_path / "out", "--no-progress", "--no-video"]
    assert cli.main([*map(str, arguments)]) == 0
    assert isinstance(opened[0], ReadAhead)
    assert len((tmp_path / "out" / "spot.csv").read_text().splitlines()) == 1 + 12


def test_program_ends_although_a_loop_is_not_finished(clip):
    # The loop hangs on a global, so that nothing but the interpreter's end stops it.
    code = (
        f"from runtime.sources.prefetch import *; from runtime import open_source as o\n"
        f"shots = iter(read_ahead(o({str(clip)!r}))); print(next(shots).index)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")
