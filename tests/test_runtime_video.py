"""Video files: their frames, times and damages."""

import time

import cv2
import numpy as np
import pytest
from some_videos import (
    FakeCapture,
    moving_pictures,
    turned,
    with_durations,
    write_frames,
    write_video,
)

from runtime.errors import InputError
from runtime.sources import Video, open_source, read_ahead


def test_video(tmp_path):
    with open_source(write_video(tmp_path / "a.mp4")) as source:
        assert (source.moving, source.stem, source.count) == (True, "a", 20)
        assert source.fps == pytest.approx(10)
        shots = list(source)
    assert [shot.index for shot in shots] == list(range(20))
    np.testing.assert_allclose([shot.timestamp for shot in shots], np.arange(20) / 10, atol=1e-3)
    np.testing.assert_allclose([shot.frame.mean() for shot in shots], np.arange(20) * 10, atol=4.9)
    assert all(shot.decode_ms > 0 and shot.frame.shape == (48, 64, 3) for shot in shots)
    assert all(shot.wait_ms == shot.decode_ms for shot in shots)


class VariableRate(FakeCapture):
    """A capture of a Matroska file of variable rate: 40 frames in 6 s, which says 30 a second."""

    times = np.linspace(0, 6, 40) ** 1.5 / 6**0.5

    def __init__(self, late=0.0, missing=0.0):
        super().__init__()
        self._late = late
        self._length = 6 + 1 / 15 + late + missing

    def get(self, what):
        said = {cv2.CAP_PROP_FPS: 30.0, cv2.CAP_PROP_FRAME_COUNT: 30.0 * self._length}
        now = self.times[max(self._next - 1, 0)]
        said[cv2.CAP_PROP_POS_MSEC] = 1e3 * now  # FFmpeg's is from the first frame on
        said[cv2.CAP_PROP_PTS] = 30.0 * (now + self._late)
        return said.get(what, 0.0)


@pytest.mark.parametrize("late", [0.0, 3.0])
def test_variable_rate_and_a_late_beginning_are_no_missing_end(caplog, late):
    shots = list(Video(VariableRate(late), "a.mkv", "a"))
    np.testing.assert_allclose([shot.timestamp for shot in shots], VariableRate.times)
    assert caplog.text == ""


@pytest.mark.parametrize("late", [0.0, 3.0])
def test_frames_of_a_container_that_does_not_count_them(tmp_path, monkeypatch, late):
    path = tmp_path / "a.mkv"
    path.write_bytes(b"\x1a\x45\xdf\xa3" + bytes(100))
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: VariableRate(late))
    with open_source(path) as source:
        assert source.count == pytest.approx(30 * (6 + 1 / 15 + late), abs=1)
        counts = [source.count for _ in source]
    for i, count in enumerate(counts[1:], 1):
        played = VariableRate.times[i] / (6 + 1 / 15)  # share of the time, as a player shows it
        assert count == pytest.approx(max(i + 1, i / played), abs=0.01 * count + 1)
    with read_ahead(open_source(path)) as source:
        list(source)
        assert source.count == 40


def test_a_missing_end_shows_in_spite_of_a_late_beginning(caplog):
    assert len(list(Video(VariableRate(3.0, missing=2.0), "a.mkv", "a"))) == 40
    assert "a.mkv ends early: 40 of 332 frames" in caplog.text


def test_video_that_ends_early_keeps_what_there_is(tmp_path, caplog):
    whole = write_video(tmp_path / "whole.avi", code="MJPG", frames=25).read_bytes()
    path = tmp_path / "cut.avi"
    path.write_bytes(whole[: (whole.index(b"movi") + whole.index(b"idx1")) // 2])
    shots = list(open_source(path))
    assert 5 < len(shots) < 25
    assert f"cut.avi ends early: {len(shots)} of 25 frames" in caplog.text


def test_whole_video_says_nothing(tmp_path, caplog):
    assert len(list(open_source(write_video(tmp_path / "a.avi", code="MJPG")))) == 20
    assert not caplog.records


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_video_without_its_index(tmp_path, share):
    data = write_video(tmp_path / "a.mp4").read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=r"cut\.mp4 is (empty|not an image or video.*truncated)"):
        open_source(path)


def test_a_video_is_read_once(tmp_path):
    with open_source(write_video(tmp_path / "clip.avi")) as source:
        assert len(list(source)) > 0
        with pytest.raises(InputError, match=r"clip\.avi are read once: open it again"):
            list(source)


def damage(path, number: int):
    """Overwrite one frame of a Motion JPEG AVI."""
    data = bytearray(path.read_bytes())
    end, starts = data.index(b"idx1"), []
    at = data.find(b"00dc", data.index(b"movi"))
    while 0 <= at < end:
        starts.append(at)
        at = data.find(b"00dc", at + 4)
    start, stop = starts[number] + 8, starts[number + 1]
    data[start:stop] = bytes(stop - start)
    path.write_bytes(data)
    return path


def test_bad_frame_in_the_middle_of_a_video(tmp_path, caplog):
    source = open_source(damage(write_video(tmp_path / "a.avi", code="MJPG"), 7))
    shots = list(source)
    assert [shot.index for shot in shots] == [i for i in range(20) if i != 7]
    np.testing.assert_allclose(
        [s.frame.mean() for s in shots], [10 * s.index for s in shots], atol=3
    )
    assert shots[7].timestamp == pytest.approx(0.8)
    assert source.skipped == 1
    assert [record.message for record in caplog.records] == [
        f"left out: frame 7 of {tmp_path / 'a.avi'} cannot be decoded (1 so far)"
    ]


def test_portrait_video_of_a_phone_is_upright(tmp_path):
    path = tmp_path / "phone.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (64, 48))
    lying = np.zeros((48, 64, 3), np.uint8)
    lying[:, :16] = 255  # what the sensor has at its left is at the top
    for _ in range(3):
        writer.write(lying)
    writer.release()
    shots = list(open_source(turned(path)))
    assert [shot.frame.shape for shot in shots] == [(64, 48, 3)] * 3
    np.testing.assert_allclose(shots[0].frame[:12].mean(), 255, atol=8)
    np.testing.assert_allclose(shots[0].frame[20:].mean(), 0, atol=8)


def test_variable_frame_rate_has_the_true_times(tmp_path):
    path = with_durations(write_video(tmp_path / "a.mp4"), [(5, 0.1), (5, 0.4), (10, 0.02)])
    shots = list(open_source(path))
    expected = np.cumsum([0] + [0.1] * 5 + [0.4] * 5 + [0.02] * 9)
    assert len(shots) == 20
    np.testing.assert_allclose([shot.timestamp for shot in shots], expected, atol=2e-3)
    np.testing.assert_allclose([shot.frame.mean() for shot in shots], np.arange(20) * 10, atol=4.9)


def timeless(path):
    source = open_source(path)
    capture = source._capture

    class Timeless:
        read, release, isOpened = capture.read, capture.release, capture.isOpened

        def get(self, what: int) -> float:
            return 0.0 if what == cv2.CAP_PROP_POS_MSEC else capture.get(what)

    source._capture = Timeless()
    return source


def test_video_without_times_has_those_of_its_rate(tmp_path):
    source = timeless(write_video(tmp_path / "a.avi", code="MJPG", frames=4))
    np.testing.assert_allclose([shot.timestamp for shot in source], [0, 0.1, 0.2, 0.3])


def test_bare_motion_jpeg_tells_no_times(tmp_path, caplog):
    path = tmp_path / "a.mjpeg"
    frames = [cv2.imencode(".jpg", np.full((48, 64, 3), 12 * i, np.uint8))[1] for i in range(5)]
    path.write_bytes(b"".join(each.tobytes() for each in frames))
    assert len(list(open_source(path))) == 5
    assert caplog.text.count("a.mjpeg tells no times: its frames are taken for 25 a second") == 1


@pytest.mark.parametrize(("fps", "told"), [(5, 1), (20, 0)])
def test_a_video_that_tells_no_times_is_named_once(tmp_path, caplog, fps, told):
    source = timeless(write_video(tmp_path / "a.avi", code="MJPG", fps=fps))
    assert len(list(source)) == 20
    assert caplog.text.count("a.avi tells no times: its frames are taken for 5 a second") == told
    assert caplog.text.count("tells no times") == told


@pytest.mark.parametrize("code", ["mp4v", "MJPG"])
def test_container_of_rubbish(tmp_path, code):
    path = write_video(tmp_path / f"a.{'mp4' if code == 'mp4v' else 'avi'}", code=code)
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat" if code == "mp4v" else b"movi") + 4
    end = data.index(b"moov" if code == "mp4v" else b"idx1") - 4
    data[start:end] = np.random.default_rng(0).bytes(end - start)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.(mp4|avi) (holds no frame|is not an image or video)"):
        list(open_source(path))


@pytest.mark.parametrize("name", ["10:15.mp4", "data:a.mp4", "x:y:z.mp4"])
def test_a_colon_in_a_name_is_no_protocol(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / name)
    with open_source(name) as source:
        assert len(list(source)) == 20
        assert source.pace() == 10
    assert [shot.name for shot in open_source(".")] == [name] * 20


def test_a_stalled_server_ends_its_video(caplog):
    class Stalled(VariableRate):
        reads = 0

        def read(self):
            self.reads += 1
            if self._next < 12:
                return super().read()
            time.sleep(0.6)
            return False, None

    capture = Stalled()
    source = Video(capture, "http://host/a.mkv", "a")
    assert len(list(source)) == 12
    assert capture.reads == 13, "one that timed out is not followed by more"
    assert "its server has stalled" in caplog.text
    assert "ends early: 12 of" in caplog.text
    assert source.failures == ["http://host/a.mkv"]


def test_a_server_that_stalled_in_a_frame_has_failed(caplog):
    """FFmpeg waits, gives the frame that was cut, and then nothing at once."""

    class Stalled(VariableRate):
        def read(self):
            if self._next < 12:
                return super().read()
            return False, None

    source = Video(Stalled(), "http://host/a.mkv", "a")
    assert len(list(source)) == 12
    assert "its server has stalled or broken off" in caplog.text
    assert source.failures == ["http://host/a.mkv"]


def test_frames_are_given_once(tmp_path):
    with Video.of_file(write_video(tmp_path / "a.mp4")) as source:
        next(iter(source))
        with pytest.raises(InputError, match="are read once: open it again"):
            next(iter(source))


@pytest.mark.parametrize("begun", [False, True])
def test_a_closed_video_says_so(tmp_path, caplog, begun):
    source = Video.of_file(write_video(tmp_path / "a.mp4"))
    shots = iter(source)
    if begun:
        next(shots)
    source.close()
    with pytest.raises(InputError, match=r"a\.mp4 has been closed: open it again"):
        next(shots)
    assert not caplog.records


@pytest.mark.parametrize("end", ["closed", "left", "all read"])
def test_a_video_lets_go_of_its_packets_too(tmp_path, monkeypatch, end):
    """They are looked at where a picture stands still; somebody may hold the loop on."""
    captures, real = [], cv2.VideoCapture
    monkeypatch.setattr(cv2, "VideoCapture", lambda *a: captures.append(real(*a)) or captures[-1])
    source = open_source(write_frames(tmp_path / "a.avi", moving_pictures(1) * 40))
    shots = iter(source)
    for _ in range(20):
        next(shots)
    assert sum(capture.isOpened() for capture in captures) == 2
    if end == "closed":
        source.close()
        assert not any(capture.isOpened() for capture in captures)
        return
    if end == "left":
        shots.close()
    else:
        assert len(list(shots)) == 20
    assert sum(capture.isOpened() for capture in captures) <= 1, "its own until it is closed"


@pytest.mark.parametrize("bad", [1, 2, 3])
def test_a_bad_frame_costs_none_before_it(bad):
    class Odd(VariableRate):
        def read(self):
            there, frame = super().read()
            return there, np.zeros((10, 40000, 3), np.uint8) if self._next == bad + 1 else frame

    source = Video(Odd(), "a.mkv", "a", again=Odd)
    shots = iter(source)
    assert [next(shots).index for _ in range(bad)] == list(range(bad))
    with pytest.raises(InputError, match=f"frame {bad} of a.mkv"):
        next(shots)


@pytest.mark.parametrize("suffix", [".mjpeg", ".mjpg"])
def test_bare_motion_jpeg_is_a_video(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    for i in range(5):
        _, data = cv2.imencode(".jpg", np.full((48, 64, 3), 10 * i, np.uint8))
        with path.open("ab") as file:
            file.write(data.tobytes())
    assert len(list(open_source(path))) == 5
