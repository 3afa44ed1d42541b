"""HEIC pictures, which are refused, and AVIF pictures that lie on their side."""

import struct

import cv2
import numpy as np
import pytest
from heif_files import ftyp, with_properties
from some_videos import moving_pictures, write_video

from runtime.errors import InputError
from runtime.sources import open_source
from runtime.sources.heif import is_turned, upright
from runtime.sources.images import ImageFiles, read_image


@pytest.mark.parametrize("name", ["a.heic", "a.heif", "a.jpg", "a", "a.mp4"])
@pytest.mark.parametrize(
    "start",
    [
        ftyp(b"heic", b"mif1", b"heic"),
        ftyp(b"heix", b"mif1"),
        ftyp(b"mif1", b"mif1", b"heic", b"miaf"),
        ftyp(b"msf1", b"hevc"),
        ftyp(b"mif1", b"heic") + struct.pack(">I4s", 16, b"free") + b"avif",
    ],
)
def test_heic_is_refused_with_what_to_do(tmp_path, name, start):
    path = tmp_path / name
    path.write_bytes(start + bytes(2000))
    with pytest.raises(InputError, match=r"HEIC picture.*heif-convert.*sips"):
        list(open_source(path))


def test_heic_costs_no_other_file(tmp_path, caplog):
    (tmp_path / "a.heic").write_bytes(ftyp(b"heic", b"mif1") + bytes(2000))
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((48, 64, 3), np.uint8))
    assert [shot.name for shot in open_source(tmp_path)] == ["b.png"]
    assert "left out: a.heic" in caplog.text
    source = open_source(str(tmp_path / "*"))
    assert [shot.name for shot in source] == ["b.png"]
    assert source.failures == ["a.heic"]


def test_a_folder_of_heic_alone_says_what_converts_it(tmp_path):
    (tmp_path / "notes.txt").write_text("of a phone")
    (tmp_path / "IMG_1.HEIC").write_bytes(ftyp(b"heic", b"mif1") + bytes(2000))
    for opens in (open_source, ImageFiles):
        with pytest.raises(InputError, match=r"holds no image.*IMG_1\.HEIC is .* heif-convert"):
            opens(tmp_path)
    (tmp_path / "IMG_1.HEIC").rename(tmp_path / ".IMG_1.HEIC")  # as of what copies write for macOS
    for opens in (open_source, ImageFiles):
        with pytest.raises(InputError, match=r"holds no image \("):
            opens(tmp_path)


def test_videos_with_brands_are_videos(tmp_path):
    path = write_video(tmp_path / "a.mp4")
    data = path.read_bytes()
    assert data[4:8] == b"ftyp"
    for major in (b"qt  ", b"isom", b"mp42"):
        path.write_bytes(data[:8] + major + data[12:])
        assert len(list(open_source(path))) == 20


@pytest.mark.parametrize("mirror", [None, 0, 1])
@pytest.mark.parametrize("turn", [None, 0, 1, 2, 3])
def test_avif_is_upright(tmp_path, turn, mirror):
    frame = moving_pictures(1, (64, 48))[0]
    frame[:12, :16] = 255
    try:
        data = cv2.imencode(".avif", frame, [cv2.IMWRITE_AVIF_QUALITY, 95])[1].tobytes()
    except cv2.error:
        pytest.skip("this OpenCV has no AVIF")
    new, expected = [], frame
    if turn is not None:  # by 90 degrees each, anti-clockwise
        new.append(b"irot" + bytes([turn]))
        for _ in range(turn):
            expected = expected.transpose(1, 0, 2)[::-1]
    if mirror is not None:  # 0: top and bottom change places, 1: left and right
        new.append(b"imir" + bytes([mirror]))
        expected = expected[::-1] if mirror == 0 else expected[:, ::-1]
    path = tmp_path / "a.avif"
    path.write_bytes(with_properties(data, *new))
    got = read_image(path)
    assert got.shape == expected.shape
    assert np.abs(got.astype(int) - expected).mean() < 8


def meta_of(wanted, items, listed, wide_item, wide_number) -> bytes:
    """An AVIF without its pictures; numbers of items have 2 or 4 bytes, of properties 1 or 2.

    Args:
        wanted: Which item is the picture.
        items: Number of an item → those of its properties, from 1, 0 for none.
        listed: The properties: kind and content.
    """

    def box(kind, *parts):
        return struct.pack(">I4s", 8 + sum(map(len, parts)), kind) + b"".join(parts)

    item, number = "I" if wide_item else "H", "H" if wide_number else "B"
    needed = 0x8000 if wide_number else 0x80
    theirs = b"".join(
        struct.pack(f">{item}B{len(each)}{number}", who, len(each), *(needed | n for n in each))
        for who, each in items.items()
    )
    return ftyp(b"avif", b"mif1") + box(
        b"meta",
        bytes(4),
        box(b"pitm", struct.pack(f">I{item}", wide_item << 24, wanted)),
        box(
            b"iprp",
            box(b"ipco", *(box(kind, content) for kind, content in listed)),
            box(b"ipma", struct.pack(">II", wide_item << 24 | wide_number, len(items)), theirs),
        ),
    )


@pytest.mark.parametrize("wide_item", [False, True])
@pytest.mark.parametrize("wide_number", [False, True])
def test_of_several_items_the_picture_is_turned_as_it_says(wide_item, wide_number):
    picture = 70000 if wide_item else 7
    many = [(b"pixi", b"\3")] * (200 if wide_number else 20)
    listed = [(b"irot", b"\2"), *many, (b"irot", b"\1"), (b"imir", b"\1"), (b"irot", b"\3")]
    turn, mirror = len(many) + 2, len(many) + 3
    items = {1: [1, 2], 2: [], picture: [0, 2, turn, mirror], 9: [1]}
    data = meta_of(picture, items, listed, wide_item, wide_number)
    frame = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    expected = frame.transpose(1, 0, 2)[::-1][:, ::-1]
    assert is_turned(data)
    np.testing.assert_array_equal(upright(frame, data), expected)
    for properties in ([], [0], [2, 3], [len(listed) + 1]):
        plain = meta_of(picture, items | {picture: properties}, listed, wide_item, wide_number)
        assert not is_turned(plain)
    assert not is_turned(meta_of(3, items, listed, wide_item, wide_number)), "of an item without"


@pytest.mark.parametrize("brands", [(b"avif",), (b"miaf", b"avif"), (b"avif", b"miaf")])
@pytest.mark.parametrize("major", [b"avif", b"mif1"])
def test_avif_that_its_first_brand_does_not_tell(tmp_path, major, brands):
    frame = moving_pictures(1, (64, 48))[0]
    try:
        data = cv2.imencode(".avif", frame, [cv2.IMWRITE_AVIF_QUALITY, 95])[1].tobytes()
    except cv2.error:
        pytest.skip("this OpenCV has no AVIF")
    (size,) = struct.unpack_from(">I", data)
    start = ftyp(major, *brands)
    start += struct.pack(">I4s", size - len(start), b"free").ljust(size - len(start), b"\0")
    path = tmp_path / "a.avif"
    path.write_bytes(start + with_properties(data, b"irot\1")[size:])
    got = read_image(path)
    assert np.abs(got.astype(int) - frame.transpose(1, 0, 2)[::-1]).mean() < 8


@pytest.mark.parametrize("share", np.linspace(0.05, 0.95, 10))
def test_avif_that_is_cut_is_an_error(tmp_path, share):
    try:
        data = cv2.imencode(".avif", moving_pictures(1)[0])[1].tobytes()
    except cv2.error:
        pytest.skip("this OpenCV has no AVIF")
    path = tmp_path / "a.avif"
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError):
        read_image(path)


def test_several_pictures_in_a_file_are_told(tmp_path, caplog):
    frames = moving_pictures(2)
    cv2.imwritemulti(str(tmp_path / "pages.tif"), frames)
    cv2.imwrite(str(tmp_path / "one.tif"), frames[0])
    np.testing.assert_array_equal(read_image(tmp_path / "one.tif"), frames[0])
    assert not caplog.records
    np.testing.assert_array_equal(read_image(tmp_path / "pages.tif"), frames[0])
    assert "pages.tif holds 2 pictures or pages: only the first is read" in caplog.text


def test_fractions_are_refused(tmp_path, caplog):
    (tmp_path / "a.exr").write_bytes(b"\x76\x2f\x31\x01" + bytes(100))
    with pytest.raises(InputError, match=r"a\.exr holds fractions \(OpenEXR\)"):
        list(open_source(tmp_path / "a.exr"))
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((48, 64, 3), np.uint8))
    source = open_source(tmp_path)
    assert [shot.name for shot in source] == ["b.png"]
    assert "left out" in caplog.text
    assert source.failures == ["a.exr"]
