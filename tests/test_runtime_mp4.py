"""MP4 files whose boxes are damaged: what cannot be read of them is not known, and no error."""

import random
import struct

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
