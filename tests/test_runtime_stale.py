"""Videos whose frames OpenCV says it has read, and has not."""

import cv2
import numpy as np
import pytest
from some_videos import READS_INTERLACED, moving_pictures, write_frames

from runtime.commands.interlaced import flagged_interlaced, write_interlaced
from runtime.errors import InputError
from runtime.sources import Video, open_source, stale


def test_interlaced_frames_are_right_or_refused(tmp_path, caplog):
    frames = moving_pictures(20)
    path = write_interlaced(tmp_path / "tape.mpg", frames)
    source = open_source(path)
    if READS_INTERLACED:
        for shot, frame in zip(source, frames, strict=True):
            assert np.abs(shot.frame.astype(int) - frame).mean() < 8
        return
    with pytest.raises(InputError, match=r"tape\.mpg: OpenCV .*interlaced.*ffmpeg -i .*bwdif"):
        next(iter(source))
    # In a folder it costs no other file.
    write_frames(tmp_path / "good.avi", frames)
    folder = open_source(tmp_path)
    assert {shot.name for shot in folder} == {"good.avi"}
    assert folder.failures == ["tape.mpg"]


def test_an_interlaced_video_that_begins_in_black(tmp_path):
    frames = [np.zeros_like(frame) for frame in moving_pictures(20)] + moving_pictures(20)
    path = write_interlaced(tmp_path / "tape.mpg", frames)
    if READS_INTERLACED:
        assert len(list(open_source(path))) == 40
        return
    with pytest.raises(InputError, match=r"tape\.mpg: OpenCV"):
        next(iter(open_source(path)))


@pytest.mark.skipif(READS_INTERLACED, reason="this OpenCV reads interlaced frames")
def test_a_video_that_becomes_interlaced_is_told(tmp_path, caplog):
    path = write_frames(tmp_path / "a.mpg", moving_pictures(40), "mpg2")
    data = path.read_bytes()
    (tmp_path / "twice.mpg").write_bytes(data + data)
    (tmp_path / "mixed.mpg").write_bytes(data + flagged_interlaced(data))
    assert len(list(open_source(tmp_path / "twice.mpg"))) > 60
    assert not caplog.records
    assert len(list(open_source(tmp_path / "mixed.mpg"))) > 60
    (record,) = caplog.records
    assert "mixed.mpg: frames" in record.message
    assert "are alike byte for byte" in record.message


@pytest.mark.parametrize(
    ("name", "code"),
    [("a.avi", "MJPG"), ("a.avi", "HFYU"), ("a.mp4", "mp4v"), ("a.mpg", "mpg2"), ("a.avi", "I420")],
)
@pytest.mark.parametrize("moving", [False, True])
def test_pictures_that_stand_still_are_read(tmp_path, caplog, name, code, moving):
    frames = moving_pictures(40) if moving else moving_pictures(1) * 40
    path = write_frames(tmp_path / name, frames, code)
    for shot, frame in zip(open_source(path), frames, strict=True):
        assert np.abs(shot.frame.astype(int) - frame).mean() < 8
    assert not caplog.records


def test_a_lossless_code_that_adapts_is_read_with_a_word(tmp_path, caplog):
    """Of FFV1, packets of one picture are neither small nor alike."""
    path = write_frames(tmp_path / "a.mkv", moving_pictures(1) * 20, "FFV1")
    assert len(list(open_source(path))) == 20
    assert ["a.mkv: its first frames are alike" in r.message for r in caplog.records] == [True]


def test_what_moves_between_the_pixels_that_are_compared_is_no_memory(tmp_path, caplog):
    """A pointer on a screen, say, in a code whose packets are neither small nor alike."""
    frames = moving_pictures(1, (640, 480)) * 40
    frames = [frame.copy() for frame in frames]
    for i, frame in enumerate(frames):
        frame[1, 1 + 2 * i] = 255
    path = write_frames(tmp_path / "a.mkv", frames, "FFV1")
    assert len(list(open_source(path))) == 40
    assert not caplog.records


def test_a_moving_video_is_opened_once(tmp_path, monkeypatch):
    path = write_frames(tmp_path / "a.avi", moving_pictures(20))
    source = Video.of_file(path)
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: pytest.fail("opened again"))
    assert len(list(source)) == 20


class Captures:
    """Captures of one video that give the same frame for ever, each capture one of its own."""

    def __init__(self, frames, packets):
        self._frames, self._packets = frames, packets
        self._opened = 0

    def __call__(self):
        frame = self._frames[min(self._opened, len(self._frames) - 1)]
        self._opened += 1
        return Capture(frame, iter(self._packets))


class Capture:
    def __init__(self, frame, packets):
        self._frame, self._packets = frame, packets
        self._raw = False

    def set(self, what, value):
        assert (what, value) == (cv2.CAP_PROP_FORMAT, -1)
        self._raw = True

    def read(self):
        return True, self._frame.copy()

    def grab(self):
        self._packet = next(self._packets, None)
        return self._packet is not None

    def retrieve(self):
        assert self._raw
        return True, np.frombuffer(self._packet, np.uint8)[None]

    def release(self):
        pass


TEXTURE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
BLACK = np.zeros_like(TEXTURE)
MOVING = [np.random.default_rng(i).bytes(900) for i in range(8)]


@pytest.mark.parametrize(
    ("frames", "packets", "said", "logged"),
    [
        ([TEXTURE, TEXTURE], [MOVING[0]] * 8, False, False),  # intra-only, of a still picture
        ([TEXTURE, TEXTURE], [MOVING[0], *(b"skip%d" % i for i in range(7))], False, False),
        ([TEXTURE, TEXTURE], [m[:50] + bytes(850) for m in MOVING], False, False),  # filled up
        ([TEXTURE, TEXTURE], MOVING, False, True),
        ([TEXTURE, BLACK], MOVING, True, False),  # of two captures, two pictures
        ([BLACK, BLACK], MOVING, True, False),  # nothing black takes as many bytes
        ([BLACK, BLACK], [b"%d" % i for i in range(8)], False, False),
        ([TEXTURE, TEXTURE], [], False, False),  # a reader that gives no packets
    ],
)
def test_what_tells_memory_from_a_still_picture(caplog, frames, packets, said, logged):
    fault = stale.conversion_fault("a.mts", Captures(frames, packets))
    assert ("ffmpeg -i a.mts -vf bwdif" in fault) == bool(fault) == said
    assert ["a.mts: its first frames are alike" in r.message for r in caplog.records] == [
        True
    ] * logged
