"""The rate of videos that are made of recordings which stand still for seconds."""

import logging
import struct

import cv2
import numpy as np
import pytest
from some_videos import FakeCapture, with_durations, write_video

from runtime.errors import InputError
from runtime.outputs.pictures import VideoWriter
from runtime.sources import open_source, read_ahead


def test_a_recording_that_stands_still_is_played_at_the_rate_at_which_it_moves(tmp_path):
    runs = [(12, 0.04), (1, 8.0), (12, 0.04)]
    path = with_durations(write_video(tmp_path / "a.mp4", 25, 25), runs)
    with open_source(path) as source:
        assert source.fps < 5, "the mean rate, which FFmpeg tells"
        assert source.pace() == pytest.approx(25, rel=0.01)
        assert read_ahead(source).pace() == source.pace()
        assert len(list(source)) == 25, "it is still to be read"
    with open_source(write_video(tmp_path / "b.mp4", 20, 30)) as source:
        assert source.pace() == source.fps
    for gap, still, rate in ((0.013, 4.0, 58), (0.013, 2.0, 60), (0.04, 60.0, 4)):
        runs = [(12, gap), (1, still), (12, gap)]  # rates that MPEG-4 has, and few enough frames
        path = with_durations(write_video(tmp_path / "c.mp4", 25, 25), runs)
        with open_source(path) as source, VideoWriter(tmp_path / "d.mp4", source.pace()) as video:
            assert source.pace() == pytest.approx(rate, abs=1)
            assert source.pace() == int(source.pace())
            video.write(np.zeros((48, 64, 3), np.uint8), 0.0)


def test_many_videos_are_played_at_the_rate_of_the_fastest(tmp_path):
    for name, fps in (("a", 25), ("b", 60), ("c", 30)):
        write_video(tmp_path / f"{name}.mp4", 20, fps)
    (tmp_path / "d.mp4").write_bytes(b"no video")
    for source in (tmp_path, str(tmp_path / "*.mp4"), [tmp_path / "b.mp4", tmp_path / "a.mp4"]):
        with open_source(source) as shots:
            assert shots.pace() == pytest.approx(60)
            assert read_ahead(shots).pace() == shots.pace()
            assert len(list(shots)) in (40, 60), "they are still to be read"
    write_video(tmp_path / "e.mp4", 20, 240)
    with open_source(tmp_path) as shots:
        assert shots.pace() == 60
    with open_source([tmp_path / "e.mp4", tmp_path / "e.mp4"]) as shots:
        assert shots.pace() == pytest.approx(240)


class ClockAsRate(FakeCapture):
    """A capture of a WMV of variable rate: 40 frames, 22 a second and then few."""

    times = np.concatenate([np.arange(30) / 22, 2 + np.arange(10)])

    def get(self, what):
        said = {cv2.CAP_PROP_FPS: 1000.0, cv2.CAP_PROP_FRAME_COUNT: 1000.0 * 11.2}
        said[cv2.CAP_PROP_POS_MSEC] = 1e3 * self.times[max(self._next - 1, 0)]
        return said.get(what, 0.0)


def test_a_rate_that_is_none_of_frames(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    path = tmp_path / "a.wmv"
    path.write_bytes(bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(100))
    monkeypatch.setattr(cv2, "VideoCapture", ClockAsRate)
    with open_source(path) as source:
        assert source.fps is None
        assert source.pace() == 22
        counts = [source.count for _ in source]
    assert not caplog.records, "its length is 11.2 s, whatever its rate"
    for i, count in enumerate(counts[1:], 1):
        assert count == pytest.approx(max(i + 1, 11.2 * i / ClockAsRate.times[i]), abs=1)


def test_frames_that_come_every_three_seconds_have_a_rate_that_files_take(tmp_path, monkeypatch):
    path = tmp_path / "a.wmv"
    path.write_bytes(bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(100))
    monkeypatch.setattr(cv2, "VideoCapture", ClockAsRate)
    monkeypatch.setattr(ClockAsRate, "times", 3.0 * np.arange(40))
    with open_source(path) as source:
        assert source.pace() == 1


class NinetyThousand(FakeCapture):
    """A capture of a video whose rate, it says, is that of covers."""

    def get(self, what):
        return 90000.0 if what == cv2.CAP_PROP_FPS else 0.0


def test_several_pictures_at_the_rate_of_a_cover_are_a_video(tmp_path, monkeypatch):
    path = tmp_path / "a.mkv"
    path.write_bytes(bytes([0x1A, 0x45, 0xDF, 0xA3]) + bytes(100))
    monkeypatch.setattr(cv2, "VideoCapture", NinetyThousand)
    assert len(list(open_source(path))) == 40


def test_sound_with_a_cover_is_no_video(tmp_path):
    jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    apic = b"\0image/jpeg\0\3\0" + jpeg
    frame = b"APIC" + struct.pack(">I", len(apic)) + b"\0\0" + apic
    size = bytes(len(frame) >> 7 * i & 0x7F for i in (3, 2, 1, 0))
    silence = (b"\xff\xfb\x90\x00" + bytes(413)) * 40  # MPEG-1 layer 3, 128 kbit/s, 44.1 kHz
    path = tmp_path / "song.mp3"
    path.write_bytes(b"ID3\3\0\0" + size + frame + silence)
    assert cv2.VideoCapture(str(path)).read()[0], "OpenCV takes the cover for a video"
    with pytest.raises(InputError, match=r"song\.mp3 is sound with a cover picture, no video"):
        open_source(path)


@pytest.mark.parametrize("frames", [1, 2])
def test_a_video_of_one_frame_is_a_video(tmp_path, frames):
    assert len(list(open_source(write_video(tmp_path / "a.mp4", frames)))) == frames
