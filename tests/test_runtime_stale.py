"""Videos whose frames OpenCV says it has read, and has not."""

import cv2
import numpy as np
import pytest
from some_videos import READS_INTERLACED, moving_pictures, write_frames

from runtime.commands.interlaced import flagged_interlaced, write_interlaced
from runtime.errors import InputError
from runtime.sources import Video, open_source, stale
from runtime.sources.repeats import Frozen


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
    assert "and a sample of all from" in record.message
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


@pytest.mark.parametrize("lines", [1, 6])
def test_title_cards_are_read(tmp_path, caplog, lines):
    card = np.zeros((480, 640, 3), np.uint8)
    for i in range(lines):
        words = "Participant 12, session 3"
        cv2.putText(card, words, (20, 60 + 60 * i), cv2.FONT_HERSHEY_SIMPLEX, 1, (255,) * 3, 2)
    path = write_frames(tmp_path / "a.mkv", [card] * 12, "FFV1")
    for shot in open_source(path):
        np.testing.assert_array_equal(shot.frame, card)
    assert {record.levelname for record in caplog.records} <= {"WARNING"}


def test_what_moves_between_the_pixels_that_are_compared_is_no_memory(tmp_path, caplog):
    """A pointer on a screen, say, in a code whose packets are neither small nor alike."""
    frames = moving_pictures(1, (640, 480)) * 40
    frames = [frame.copy() for frame in frames]
    for i, frame in enumerate(frames):
        frame[1, 1 + 2 * i] = 255
    path = write_frames(tmp_path / "a.mkv", frames, "FFV1")
    assert len(list(open_source(path))) == 40
    assert not caplog.records


@pytest.mark.parametrize("still", [False, True])
def test_what_lies_on_a_server_is_fetched_for_its_beginning_alone(tmp_path, still):
    frames = moving_pictures(1) * 40 if still else [*moving_pictures(4), *moving_pictures(1) * 40]
    path = str(write_frames(tmp_path / "a.avi", frames))
    opened = []

    def again():
        opened.append(cv2.VideoCapture(path))
        return opened[-1]

    shots = iter(Video(cv2.VideoCapture(path), "http://a/a.avi", "a", None, again=again))
    next(shots)
    before = len(opened)
    assert (before > 0) == still
    assert len(list(shots)) == len(frames) - 1
    assert len(opened) == before


def test_a_moving_video_is_opened_once(tmp_path, monkeypatch):
    path = write_frames(tmp_path / "a.avi", moving_pictures(20))
    source = Video.of_file(path)
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: pytest.fail("opened again"))
    assert len(list(source)) == 20


class Captures:
    """Captures of one video that give the same frame for ever, each capture one of its own.

    Or another at last, if one is given: a frame, or none.
    """

    def __init__(self, frames, packets, *last, after=50):
        self._frames, self._packets, self._last = frames, packets, (*last, after)
        self.given = []

    def __call__(self):
        frame = self._frames[min(len(self.given), len(self._frames) - 1)]
        self.given.append(Capture(frame, iter(self._packets), *self._last))
        return self.given[-1]


class Capture:
    def __init__(self, frame, packets, *last):
        self._frame, self._packets, (*self._last, self._after) = frame, packets, last
        self._raw, self._given, self.released = False, 0, False

    def set(self, what, value):
        assert (what, value) == (cv2.CAP_PROP_FORMAT, -1)
        self._raw = True

    def read(self):
        self._given += 1
        frames = self._last if self._last and self._given > self._after else [self._frame]
        return (False, None) if frames[0] is None else (True, frames[0].copy())

    def grab(self):
        self._packet = next(self._packets, None)
        return self._packet is not None

    def retrieve(self):
        assert self._raw
        return True, np.frombuffer(self._packet, np.uint8)[None]

    def release(self):
        self.released = True


TEXTURE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
BLACK = np.zeros_like(TEXTURE)
SPECK = BLACK.copy()
SPECK[0, 0] = 255
TITLE = BLACK.copy()
TITLE[:, 8] = 255
RED = TITLE * np.uint8([0, 0, 1])
LARGE = np.zeros((480, 640, 3), np.uint8)
MOVING = [np.random.default_rng(i).bytes(900) for i in range(8)]
LONG = np.random.default_rng(9).bytes(20000)
TIME_CODES = [MOVING[0][:500] + b"%02d" % i + MOVING[0][502:] for i in range(8)]


def tape(pictures, sounds):
    """Packets of DV: blocks of 80 bytes, which begin with what they are of, in three bits."""
    start = b"\x1f\x07\x00".ljust(80, b"\xff")
    for picture, sound in zip(pictures, sounds, strict=True):
        parts = ((b"\x9f", picture), (b"\x7f", sound))
        yield start + b"".join(
            kind + data[at : at + 79].ljust(79, b"\0")
            for kind, data in parts
            for at in range(0, len(data), 79)
        )


@pytest.mark.parametrize(
    ("frames", "packets", "said", "logged"),
    [
        ([TEXTURE, TEXTURE], [MOVING[0]] * 8, False, False),  # intra-only, of a still picture
        ([TEXTURE, TEXTURE], [MOVING[0], *(b"skip%d" % i for i in range(7))], False, False),
        ([TEXTURE, TEXTURE], [m[:50] + bytes(850) for m in MOVING], False, False),  # filled up
        ([TEXTURE, TEXTURE], [LONG, *(m[:400] for m in MOVING[1:])], False, False),  # < 3 % of it
        ([TEXTURE, TEXTURE], [LONG, *MOVING[1:]], False, True),
        ([TEXTURE, TEXTURE], MOVING, False, True),
        ([TEXTURE, BLACK], MOVING, True, False),  # of two captures, two pictures
        ([BLACK, BLACK], MOVING, True, False),  # nothing black takes as many bytes
        ([SPECK, SPECK], MOVING, True, False),
        ([TITLE, TITLE], MOVING, False, True),
        ([RED, RED], MOVING, False, True),
        ([BLACK, BLACK], [b"%d" % i for i in range(8)], False, False),
        ([TEXTURE, TEXTURE], TIME_CODES, False, False),
        ([BLACK, BLACK], TIME_CODES, False, False),
        ([BLACK, BLACK], list(tape([MOVING[0]] * 8, MOVING)), False, False),
        ([BLACK, BLACK], list(tape(MOVING, [MOVING[0]] * 8)), True, False),
        ([TEXTURE, TEXTURE], [b"\x1f\x07\x00" + m for m in MOVING], False, True),  # no DV
        ([LARGE, LARGE], MOVING, False, True),  # few bytes a pixel, as black may take
        ([LARGE, LARGE], [m[:500] for m in MOVING], False, False),  # and fewer than any motion
        ([TEXTURE, TEXTURE], [], False, False),  # a reader that gives no packets
    ],
)
def test_what_tells_memory_from_a_still_picture(caplog, frames, packets, said, logged):
    captures = Captures(frames, packets)
    fault = stale.conversion_fault("a.mts", captures)
    assert all(capture.released for capture in captures.given)
    assert ("ffmpeg -i a.mts -vf bwdif" in fault) == bool(fault) == said
    assert ["a.mts: its first frames are alike" in r.message for r in caplog.records] == [
        True
    ] * logged


def test_black_that_ends_is_a_picture(caplog):
    """Noise below black, as at the start of a tape, takes many bytes and is not seen."""
    assert not stale.conversion_fault("a.mkv", Captures([BLACK, BLACK], MOVING, TEXTURE))
    assert "a.mkv: its first frames are alike" in caplog.text


@pytest.mark.parametrize(("after", "looks"), [(1, False), (3, False), (7, False), (8, True)])
def test_where_one_of_eight_frames_differs_nothing_is_wrong(after, looks):
    captures = Captures([TEXTURE, BLACK], MOVING, SPECK, after=after)
    assert bool(stale.conversion_fault("a.mts", captures)) == looks


@pytest.mark.parametrize(("frames", "looks"), [(0, False), (1, False), (2, True)])
def test_one_frame_repeats_nothing(frames, looks):
    captures = Captures([TEXTURE, BLACK], MOVING, None, after=frames)
    assert bool(stale.conversion_fault("a.mts", captures)) == looks


def test_a_small_thing_that_moves_is_seen():
    """Such as a clock in a corner, between the pixels that are looked at first."""
    frozen = Frozen(5)
    frames = np.zeros((20, 480, 640, 3), np.uint8)
    frames[:, 1, 1, 0] = np.arange(20)
    assert not any(map(frozen, frames))
    assert [frozen(frames[0]) for _ in range(8)].count(True) == 1
    other = Frozen(5)
    assert not any(other(frame) for frame in np.stack([frames[0] + 1, frames[0]] * 20))


def test_of_a_real_packet_of_dv_the_picture_is_kept(tmp_path):
    """Of 150 blocks 135 are of the picture (IEC 61834-2), whatever wrote them."""
    path = write_frames(tmp_path / "a.avi", moving_pictures(3, (720, 576)), "dvsd")
    packets = stale._packets(lambda: cv2.VideoCapture(str(path)), 8)
    if not packets:
        pytest.skip("this OpenCV writes no DV")
    assert [len(packet) for packet in packets] == [144000 * 135 // 150] * 3
    assert len(set(packets)) == 3


def times_told(caplog, packets, frames):
    """Give frames to a watch, one by one; returns at which it has something to say, and what."""
    captures = Captures([TEXTURE], packets)
    watch = stale.Watch("a.mts", captures)
    found = []
    for index, frame in enumerate(frames):
        caplog.clear()
        watch(frame, index)
        found += [(index, record.message) for record in caplog.records]
    watch.close()
    assert all(capture.released for capture in captures.given)
    return found


FRESH = [np.random.default_rng(i).bytes(900) for i in range(200)]


def test_a_video_that_stops_is_told_at_the_sixteenth_frame_alike(caplog):
    moving = moving_pictures(20, (64, 48))
    ((index, said),) = times_told(caplog, FRESH, moving + [TEXTURE] * 100)
    assert index == 20 + stale.LONG - 1
    assert said.startswith("a.mts: frames 34 and 35, and a sample of all from 20 on, are alike")


@pytest.mark.parametrize("twin", [None, 7, 8, 14])
def test_the_packets_of_the_last_frames_are_looked_at(caplog, twin):
    """At the sixteenth frame eight of them, and eight at the next of twice as many."""
    packets = list(FRESH)
    if twin is not None:
        packets[twin + 1] = packets[twin]
    ((index, _),) = times_told(caplog, packets, [TEXTURE] * 100)
    assert index == (31 if twin in (8, 14) else 15)


def test_what_moves_where_no_sample_is_taken_is_not_told(caplog):
    frames = [np.zeros((96, 128, 3), np.uint8) for _ in range(40)]
    frames[15][1, 1] = 1
    ((index, _),) = times_told(caplog, FRESH, frames)
    assert index == 31
    for i, frame in enumerate(frames):
        frame[1, 1] = i
    assert not times_told(caplog, FRESH, frames)
