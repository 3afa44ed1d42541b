"""MP4 files built box by box, and damaged ones: what cannot be read is not known, and no error."""

import random
import struct

import numpy as np
import pytest
from some_videos import write_video

from runtime.sources import open_source
from runtime.sources.cut import is_cut, is_edited
from runtime.sources.heif import is_turned
from runtime.sources.mirror import mirror_of
from runtime.sources.mp4 import video_tracks

ASKED = (mirror_of, is_edited, is_cut)
LEAVES = (b"mvhd", b"tkhd", b"mdhd", b"hdlr", b"elst")


@pytest.mark.parametrize("kind", [*LEAVES, b"trak", b"mdia", b"edts", b"moov"])
@pytest.mark.parametrize("size", [*range(8), "long 3", "long 15", "longest"])
def test_a_box_that_is_smaller_than_its_head_is_none(tmp_path, kind, size):
    path = write_video(tmp_path / "a.mp4")
    data = bytearray(path.read_bytes())
    at = data.index(kind) - 4
    if isinstance(size, int):
        struct.pack_into(">I", data, at, size)
    else:
        long = {"long 3": 3, "long 15": 15, "longest": 2**64 - 1}[size]
        struct.pack_into(">I4sQ", data, at, 1, kind, long)
    path.write_bytes(data)
    film, tracks = video_tracks(path)
    found = [film, *(content for track in tracks for content in track.values())]
    assert max(map(len, found)) < len(data) - at
    for ask in ASKED:
        ask(path)
    if kind == b"elst":  # which FFmpeg reads videos without
        open_source(path).close()


def test_damage_anywhere_in_the_boxes_is_no_error(tmp_path):
    path = write_video(tmp_path / "a.mp4")
    whole = path.read_bytes()
    start = whole.index(b"moov") - 4
    numbers = random.Random(0)
    for _ in range(1000):
        data = bytearray(whole)
        for _ in range(numbers.choice([1, 1, 2, 4])):
            at = numbers.randrange(start - 32, len(data))
            data[at] = numbers.choice([0, 1, 2, 4, 7, 8, 16, 255, numbers.randrange(256)])
        path.write_bytes(data)
        for ask in ASKED:
            ask(path)
        is_turned(bytes(data))


def test_boxes_that_are_nested_deep_are_no_error(tmp_path):
    path = tmp_path / "a.mp4"
    inside = b""
    for kind in [b"mdia"] * 3000 + [b"trak", b"moov"]:
        inside = struct.pack(">I4s", 8 + len(inside), kind) + inside
    path.write_bytes(struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + inside)
    assert video_tracks(path) == (b"", [])
    for ask in ASKED:
        assert not ask(path)


def built(kind: bytes, *contents: bytes, long: bool = False) -> bytes:
    inside = b"".join(contents)
    if long:
        return struct.pack(">I4sQ", 1, kind, 16 + len(inside)) + inside
    return struct.pack(">I4s", 8 + len(inside), kind) + inside


def header(version: int, scale: int, length: int) -> bytes:
    """Content of ``mvhd`` and ``mdhd``, as far as their length (8.2.2, 8.4.2)."""
    return struct.pack(">I2III" if version == 0 else ">I2QIQ", version << 24, 7, 8, scale, length)


def built_track(way=(1, 0, 0, 1), version=0, edits=(), length=10.0, handler=b"vide") -> bytes:
    """A track whose clock has 30,000 ticks a second in a film of 600.

    Args:
        edits: Seconds, and the tick of the track that they begin at, -1 for a pause.
    """
    a, b, c, d = (65536 * each for each in way)
    place = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    times = struct.pack(">I5I" if version == 0 else ">I2QIIQ", version << 24, 7, 8, 1, 0, 5)
    elst = struct.pack(">II", version << 24, len(edits)) + b"".join(
        struct.pack(">IiI" if version == 0 else ">QqI", round(600 * seconds), tick, 1 << 16)
        for seconds, tick in edits
    )
    return built(
        b"trak",
        built(b"tkhd", times, bytes(16), place),
        built(b"edts", built(b"elst", elst)),
        built(
            b"mdia",
            built(b"mdhd", header(version, 30000, round(30000 * length))),
            built(b"hdlr", bytes(8), handler, bytes(12)),
        ),
    )


FTYP = built(b"ftyp", b"isom", bytes(4))
SIDEWAYS = (-1, 0, 0, 1)


def film(*tracks: bytes, version: int = 0) -> bytes:
    return built(b"moov", built(b"mvhd", header(version, 600, 6000)), *tracks)


@pytest.mark.parametrize("version", [0, 1])
def test_what_is_said_in_numbers_of_either_width(tmp_path, version):
    path = tmp_path / "a.mp4"
    edits = [(2.0, -1), (4.0, 0)]
    path.write_bytes(FTYP + film(built_track(SIDEWAYS, version, edits), version=version))
    told, (track,) = video_tracks(path)
    assert told == header(version, 600, 6000)
    assert track[b"mdhd"] == header(version, 30000, 300000)
    frame = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    np.testing.assert_array_equal(mirror_of(path)(frame), frame[:, ::-1])
    assert is_edited(path)
    assert not is_cut(path)


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize(
    ("edits", "leaves_out"),
    [
        ([], False),
        ([(10, 0)], False),
        ([(9.95, 0)], False),  # by rounding
        ([(9.8, 0)], True),
        ([(5, 0), (5, 150000)], False),
        ([(5, 0), (4, 150000)], True),
        ([(6, -1), (10, 0)], False),  # a pause shows nothing of the track
        ([(6, -1), (6, 0)], True),
        ([(6, -1)], False),  # nothing is said of the pictures
    ],
)
def test_edits_that_leave_pictures_out(tmp_path, edits, leaves_out, version):
    path = tmp_path / "a.mp4"
    path.write_bytes(FTYP + film(built_track(version=version, edits=edits), version=version))
    assert is_edited(path) == leaves_out
    # Whichever track of pictures it is; that of a sound does not count.
    whole = built_track(edits=[(10, 0)])
    path.write_bytes(FTYP + film(whole, built_track(version=version, edits=edits)))
    assert is_edited(path) == leaves_out
    sound = built_track(version=version, edits=edits, handler=b"soun")
    path.write_bytes(FTYP + film(sound, whole))
    assert not is_edited(path)


def test_the_first_track_of_pictures_is_the_one_that_is_shown(tmp_path):
    path = tmp_path / "a.mp4"
    others = [built_track((0, 1, 1, 0), handler=kind) for kind in (b"soun", b"subt")]
    path.write_bytes(FTYP + film(*others, built_track(SIDEWAYS), built_track()))
    frame = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    np.testing.assert_array_equal(mirror_of(path)(frame), frame[:, ::-1])


def test_boxes_of_64_bits_and_one_to_the_end(tmp_path):
    path = tmp_path / "a.mp4"
    pictures = built(b"mdat", bytes(1000), long=True)
    index = film(built_track(SIDEWAYS))
    path.write_bytes(FTYP + pictures + index)
    assert len(video_tracks(path)[1]) == 1
    assert not is_cut(path)
    path.write_bytes(FTYP + index + pictures)
    assert not is_cut(path)
    path.write_bytes((FTYP + index + pictures)[:-1])
    assert is_cut(path)
    path.write_bytes(FTYP + pictures + bytes(4) + index[4:])  # of no size: as far as the file goes
    assert len(video_tracks(path)[1]) == 1
    assert not is_cut(path)
    long_index = struct.pack(">I4sQ", 1, b"moov", 8 + len(index)) + index[8:]
    path.write_bytes(FTYP + pictures + long_index)
    assert video_tracks(path)[0] == header(0, 600, 6000)
    path.write_bytes(FTYP + bytes(4) + built(b"mdat", bytes(1000))[4:] + index)
    assert video_tracks(path) == (b"", [])
    assert not is_cut(path)


def test_where_a_file_may_end(tmp_path):
    path = tmp_path / "a.mp4"
    index = film(built_track(SIDEWAYS))
    for end in (b"", built(b"free"), built(b"free", bytes(9))):
        path.write_bytes(FTYP + index + end)
        assert not is_cut(path)
        assert mirror_of(path)
    path.write_bytes(FTYP + index + built(b"mdat", bytes(9))[:8])  # right behind a head
    assert is_cut(path)
    path.write_bytes((FTYP + index)[:-1])
    assert is_cut(path)
    assert video_tracks(path) == (b"", []), "no index is read by half"


def test_nothing_is_read_from_behind_the_box_that_it_lies_in(tmp_path):
    path = tmp_path / "a.mp4"
    part = built_track(SIDEWAYS)
    end = built(b"tkhd", bytes(84))
    longer = struct.pack(">I", len(part) + len(end)) + part[4:]
    path.write_bytes(FTYP + film(longer) + end)
    _, (track,) = video_tracks(path)
    assert any(track[b"tkhd"])
    assert mirror_of(path)
    # Nor from behind a track, where a box in it says that it is longer.
    at = part.index(b"mdia") - 4
    media = struct.pack(">I", len(part) - at + len(end)) + part[at + 4 :]
    path.write_bytes(FTYP + film(part[:at] + media, end))
    _, (track,) = video_tracks(path)
    assert any(track[b"tkhd"])
