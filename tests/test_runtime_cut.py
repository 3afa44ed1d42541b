"""Which videos have lost their end, and which only say that they are longer than they are."""

import logging
import struct

import pytest
from some_videos import box, moving_pictures, write_frames, write_video

from runtime.sources import open_source
from runtime.sources.cut import is_cut, is_edited


@pytest.mark.parametrize(
    ("name", "code"), [("a.mp4", "mp4v"), ("a.avi", "MJPG"), ("a.mkv", "MJPG"), ("a.wmv", "WMV2")]
)
@pytest.mark.parametrize("missing", [0, 1, 0.1, 0.5, 0.9])
def test_files_that_lack_their_end(tmp_path, name, code, missing):
    data = write_video(tmp_path / name, code=code).read_bytes()
    assert len(data) > 1000
    path = tmp_path / f"cut_{name}"
    path.write_bytes(data[: len(data) - round(missing if missing == 1 else missing * len(data))])
    assert is_cut(path) == (missing > 0)
    assert not is_edited(path)


def test_what_tells_of_no_size_is_not_cut(tmp_path):
    ending = write_video(tmp_path / "a.ts", code="mpg2")
    assert not is_cut(ending)
    live = bytearray(write_video(tmp_path / "a.mkv", code="MJPG").read_bytes())
    at = live.index(b"\x18\x53\x80\x67") + 4
    assert live[at] == 1, "a size of eight bytes"
    live[at : at + 8] = b"\x01" + b"\xff" * 7
    ending.write_bytes(live[:-500])
    assert not is_cut(ending)
    live[at] = 0  # no number begins with it
    ending.write_bytes(live[:-500])
    assert not is_cut(ending)


def test_space_that_was_made_and_never_filled_is_a_missing_end(tmp_path):
    path = tmp_path / "a.mkv"
    data = write_frames(path, moving_pictures(200), "MJPG").read_bytes()
    assert len(data) > 2 << 16
    path.write_bytes(data[: -(1 << 16) - 5] + bytes((1 << 16) + 5))
    assert is_cut(path)


def test_a_cut_matroska_is_told_and_a_longer_sound_is_not(tmp_path, caplog):
    """Matroska tells of a length, which is that of its sound, if that is longer."""
    caplog.set_level(logging.INFO)
    path = tmp_path / "a.mkv"
    data = bytearray(write_video(path, code="MJPG", frames=25).read_bytes())
    assert len(list(open_source(path))) == 25
    assert not caplog.records
    length = data.index(b"\x44\x89\x88") + 3
    (milliseconds,) = struct.unpack_from(">d", data, length)
    struct.pack_into(">d", data, length, 10 * milliseconds)
    path.write_bytes(data)
    assert len(list(open_source(path))) == 25
    (record,) = caplog.records
    assert record.levelname == "INFO"
    assert "25 of 250 frames that its length tells of; the file is whole" in record.message
    caplog.clear()
    path.write_bytes(data[: len(data) // 2])
    read = len(list(open_source(path)))
    assert 5 < read < 20
    assert f"a.mkv ends early: {read} of 250 frames" in caplog.text
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_cut_file_that_tells_no_length_is_told(tmp_path, caplog):
    path = tmp_path / "a.mkv"
    data = bytearray(write_video(path, code="MJPG", frames=25).read_bytes())
    length = data.index(b"\x44\x89\x88")  # of eight bytes; a void of nine has a head of two
    data[length : length + 2] = b"\xec\x89"
    path.write_bytes(data)
    assert len(list(open_source(path))) == 25
    assert not caplog.records
    path.write_bytes(data[: len(data) // 2])
    read = len(list(open_source(path)))
    assert 5 < read < 20
    assert f"a.mkv ends early: {read} frames could be read" in caplog.text


def test_a_file_that_is_gone_by_its_end_is_no_error(tmp_path, caplog):
    path = write_video(tmp_path / "a.mp4")
    shots = iter(open_source(path))
    first = next(shots)
    try:
        path.unlink()
    except PermissionError:
        pytest.skip("this system removes no open file")
    assert len([first, *shots]) == 20
    assert not caplog.records


def riff(kind: bytes, content: bytes, size: int | None = None) -> bytes:
    """A chunk that tells its own size, or another; of an odd one a byte follows."""
    told = len(content) + 4 if size is None else size
    return struct.pack("<4sI4s", b"RIFF", told, kind) + content + bytes(len(content) % 2)


@pytest.mark.parametrize("odd", [0, 1])
def test_large_avi_files_have_several_chunks(tmp_path, odd):
    path = tmp_path / "a.avi"
    data = riff(b"AVI ", b"a" * (300 + odd)) + riff(b"AVIX", b"b" * 200)
    path.write_bytes(data)
    assert not is_cut(path)
    path.write_bytes(data + b"what others append")
    assert not is_cut(path)
    for missing in (1, 150, 200):
        path.write_bytes(data[:-missing])
        assert is_cut(path)
    for size in (0, 0xFFFFFFFF):  # the writer was cut off, and nothing is known
        path.write_bytes(riff(b"AVI ", b"a" * 300, size))
        assert not is_cut(path)


def test_objects_of_asf(tmp_path):
    def made(kind: bytes, content: bytes = b"", size: int | None = None) -> bytes:
        told = len(content) + 24 if size is None else size
        return kind + struct.pack("<Q", told) + content

    path = tmp_path / "a.wmv"
    start = made(bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), b"h" * 100)
    data = start + made(b"e" * 16) + made(b"d" * 16, b"d" * 100)
    path.write_bytes(data)
    assert not is_cut(path)
    path.write_bytes(data[:-1])
    assert is_cut(path)
    for size in (0, 23):  # less than its own head: damaged, and no end is told
        path.write_bytes(start + made(b"e" * 16, size=size) + made(b"d" * 16, b"d" * 100)[:-1])
        assert not is_cut(path)


def test_of_zeros_alone_nothing_is_known(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(bytes(1000))
    assert not is_cut(path)


def with_edit(path, first: int, count: int):
    """Have an MP4 show so many of its frames, from one on, at 10 frames a second."""
    data = bytearray(path.read_bytes())
    film = struct.unpack_from(">I", data, box(data, b"mvhd")[0] + 20)[0]
    scale = struct.unpack_from(">I", data, box(data, b"mdhd")[0] + 20)[0]
    at = data.index(b"elst") + 4
    version, entries = struct.unpack_from(">II", data, at)
    assert (version, entries) == (0, 1)
    struct.pack_into(">II", data, at + 8, film * count // 10, scale * first // 10)
    path.write_bytes(data)
    return path


def test_what_an_edit_leaves_out_is_not_missing(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    path = with_edit(write_video(tmp_path / "a.mp4"), 12, 8)
    assert is_edited(path)
    assert not is_cut(path)
    assert len(list(open_source(path))) == 8
    (record,) = caplog.records
    assert record.levelname == "INFO"
    assert "8 of 20 frames" in record.message
    assert not is_edited(with_edit(path, 0, 20))


def with_index_first(path):
    """Have an MP4 begin with what is said of its frames, as those for the web do."""
    data = bytearray(path.read_bytes())
    start, end = box(data, b"moov")
    index = data[start:end]
    table, _ = box(data, b"stco")
    (count,) = struct.unpack_from(">I", data, table + 12)
    for at in range(table - start + 16, table - start + 16 + 4 * count, 4):
        struct.pack_into(">I", index, at, struct.unpack_from(">I", index, at)[0] + len(index))
    _, first = box(data, b"ftyp")
    path.write_bytes(data[:first] + index + data[first:start] + data[end:])
    return path


@pytest.mark.parametrize("shown", [16, 20])
def test_an_edit_does_not_excuse_a_missing_end(tmp_path, caplog, shown):
    caplog.set_level(logging.INFO)
    path = tmp_path / "a.mp4"
    write_frames(path, moving_pictures(20), "mp4v", 10)
    with_index_first(with_edit(path, 0, shown))
    assert is_edited(path) == (shown < 20)
    assert len(list(open_source(path))) == shown
    assert "WARNING" not in {record.levelname for record in caplog.records}
    caplog.clear()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    read = len(list(open_source(path)))
    assert 2 < read < 16
    assert f"a.mp4 ends early: {read} of 20 frames" in caplog.text


def test_frames_that_are_gone_from_a_whole_file_are_told(tmp_path, caplog):
    path = tmp_path / "a.avi"
    data = bytearray(write_video(path, code="MJPG").read_bytes())
    start, end = data.index(b"movi"), data.index(b"idx1")
    middle = data.index(b"00dc", (start + end) // 2)
    data[middle + 8 : end] = bytes(end - middle - 8)
    path.write_bytes(data)
    read = len(list(open_source(path)))
    assert 5 < read < 15
    assert f"a.avi ends early: {read} of 20 frames" in caplog.text
