import zlib

import cv2
import numpy as np
import pytest
from test_runtime_fixtures import astronaut

from runtime.errors import InputError
from runtime.image import ShallowFrames, check_frame
from runtime.sources.images import read_image
from runtime.sources.truncation import image_damage


def encoded(suffix: str, image: np.ndarray | None = None) -> bytes:
    return cv2.imencode(suffix, astronaut() if image is None else image)[1].tobytes()


def test_bgr_passes_untouched():
    frame = astronaut()
    assert check_frame(frame) is frame


def test_views_become_contiguous():
    frame = astronaut()[:, ::-1]
    checked = check_frame(frame)
    assert checked.flags.c_contiguous
    np.testing.assert_array_equal(checked, frame)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1)])
def test_grey_becomes_bgr(shape):
    grey = np.arange(35, dtype=np.uint8).reshape(shape)
    np.testing.assert_array_equal(check_frame(grey), np.repeat(grey.reshape(5, 7, 1), 3, axis=2))


def test_alpha_is_dropped():
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (5, 7, 4), np.uint8)
    np.testing.assert_array_equal(check_frame(frame), frame[..., :3])


@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
def test_sixteen_bits_are_scaled(channels):
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 65536, (5, 7, *channels), np.uint16)
    frame.flat[:2] = 0, 65535
    expected = np.round(frame / 65535 * 255)
    expected = expected.reshape(5, 7, -1)[..., :3]
    checked = check_frame(frame)
    assert checked.dtype == np.uint8
    assert np.abs(checked - np.broadcast_to(expected, (5, 7, 3))).max() <= 0.5
    for order in "<>":  # the same numbers, in either order of bytes
        np.testing.assert_array_equal(check_frame(frame.astype(f"{order}u2")), checked)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ([[1, 2]], "is a list: give a NumPy array"),
        (None, "NoneType"),
        (np.zeros((4, 4, 3), np.float32), r"float32.*frame \* 255"),
        (np.zeros((4, 4, 3), np.int64), "int64: convert it to uint8"),
        (np.zeros((4, 4, 3), bool), "bool"),
        (np.zeros((0, 4, 3), np.uint8), "is empty"),
        (np.zeros(4, np.uint8), r"shape \(4,\)"),
        (np.zeros((2, 4, 4, 3), np.uint8), "give one image"),
        (np.zeros((4, 4, 2), np.uint8), "2 channels"),
        (np.zeros((3, 4, 5), np.uint8), "channels come last"),
        (np.zeros((1, 40000, 3), np.uint8), "40000 × 1: scale it to at most 32766"),
    ],
)
def test_other_frames_are_refused_by_name(frame, message):
    with pytest.raises(InputError, match=message) as caught:
        check_frame(frame, "frame 17")
    assert str(caught.value).startswith("frame 17")


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff"])
def test_lossless_files_come_back_equal(tmp_path, suffix):
    path = tmp_path / f"ümläut{suffix}"
    path.write_bytes(encoded(suffix))
    np.testing.assert_array_equal(read_image(path), astronaut())


@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 3), (8, 9, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_alpha_and_deep_files_become_bgr(tmp_path, shape, dtype):
    path = tmp_path / "x.png"
    path.write_bytes(encoded(".png", np.full(shape, np.iinfo(dtype).max, dtype)))
    image = read_image(path)
    assert image.shape == (8, 9, 3)
    assert image.dtype == np.uint8
    assert (image == 255).all()


def test_exif_turns_the_picture_upright(tmp_path):
    upright = cv2.resize(astronaut(), (200, 120))
    data = encoded(".jpg", cv2.rotate(upright, cv2.ROTATE_90_COUNTERCLOCKWISE))
    tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    exif = b"Exif\0\0" + tiff
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2) + exif
    (tmp_path / "x.jpg").write_bytes(data[:2] + segment + data[2:])
    image = read_image(tmp_path / "x.jpg")
    assert image.shape == upright.shape
    assert np.abs(image.astype(int) - upright).mean() < 8


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.png does not exist"):
        read_image(tmp_path / "no.png")


def test_folder_in_place_of_a_file(tmp_path):
    with pytest.raises(InputError, match="is not a file"):
        read_image(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello, this is text\n" * 20])
def test_not_an_image(tmp_path, content):
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.png is (empty|not an image)"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_truncated_files_are_errors(tmp_path, suffix, share):
    data = encoded(suffix)
    path = tmp_path / f"x{suffix}"
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match="truncated"):
        read_image(path)


@pytest.mark.parametrize("progressive", [0, 1])
def test_jpeg_structure_is_walked(progressive):
    flags = [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive, cv2.IMWRITE_JPEG_RST_INTERVAL, 4]
    data = cv2.imencode(".jpg", astronaut(), flags)[1].tobytes()
    thumbnail = b"\xff\xe1" + (2 + 400).to_bytes(2) + data[:398] + b"\xff\xd9"
    data = data[:2] + thumbnail + data[2:]
    assert image_damage(data) == ""
    assert image_damage(data + b"a phone's trailer") == ""
    for fill in (1, 2, 3):  # before a marker there may be any number of 0xFF
        padding = b"\xff" * fill
        assert image_damage(data[:2] + padding + data[2:-2] + padding + data[-2:]) == ""
    for cut in (1, 2, 100, len(data) // 2, len(data) - 450):
        assert "without its end marker" in image_damage(data[:-cut])
    zeros = data[: len(data) // 2] + bytes(len(data) // 2)
    assert "without its end marker" in image_damage(zeros)


def test_png_structure_is_walked():
    data = encoded(".png")
    assert image_damage(data) == ""
    assert "without its end chunk" in image_damage(data[:-12])
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 1
    assert "checksum" in image_damage(bytes(damaged))
    assert zlib.crc32(b"IEND") == int.from_bytes(data[-4:])


def test_one_pixel_and_a_very_large_picture(tmp_path):
    for shape in [(1, 1, 3), (6000, 8000)]:
        path = tmp_path / "x.png"
        path.write_bytes(encoded(".png", np.zeros(shape, np.uint8)))
        assert read_image(path).shape == (*shape[:2], 3)


@pytest.mark.parametrize(
    ("most", "told"), [(0, 0), (255, 0), (256, 1), (1023, 1), (4095, 1), (4096, 0), (65535, 0)]
)
def test_frames_of_uint16_that_hold_fewer_bits(caplog, most, told):
    look = ShallowFrames().look
    for _ in range(2):
        look(np.full((6, 8), most, np.uint16))
    assert len(caplog.records) == told
