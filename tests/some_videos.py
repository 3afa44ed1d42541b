"""Small videos for tests, and containers whose times are set by hand."""

import struct

import cv2
import numpy as np

READS_INTERLACED = tuple(map(int, cv2.__version__.split(".")[:2])) < (4, 13)
"""Whether OpenCV converts frames that are flagged as interlaced."""

BOXES = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


class FakeCapture:
    """A capture of 40 frames, whose grey is their number from 1; a subclass tells more."""

    def __init__(self, *_):
        self._next = 0

    def grab(self):
        self._next += 1
        return self._next <= 40

    def read(self):
        return self.grab(), np.full((48, 64, 3), self._next, np.uint8)

    def set(self, *_):
        return True

    def isOpened(self):
        return True

    def release(self):
        pass


def write_video(path, frames: int = 20, fps: float = 10, code: str = "mp4v"):
    """A video whose frame i has the grey value 10 · i."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), fps, (64, 48))
    for i in range(frames):
        writer.write(np.full((48, 64, 3), 10 * i, np.uint8))
    writer.release()
    return path


def boxes(data: bytes, start: int, end: int):
    """Name, first byte and last byte of the boxes of an MP4 (ISO/IEC 14496-12), depth first."""
    while start < end:
        size, name = struct.unpack_from(">I4s", data, start)
        yield name, start, start + size
        if name in BOXES:
            yield from boxes(data, start + 8, start + size)
        start += size


def box(data: bytes, wanted: bytes) -> tuple[int, int]:
    return next((a, b) for name, a, b in boxes(data, 0, len(data)) if name == wanted)


def with_durations(path, runs: list[tuple[int, float]]):
    """Give an MP4 a variable frame rate: runs of frames, each with its seconds."""
    data = bytearray(path.read_bytes())
    scale = struct.unpack_from(">I", data, box(data, b"mdhd")[0] + 20)[0]
    start, end = box(data, b"stts")
    table = b"".join(struct.pack(">II", count, round(scale * s)) for count, s in runs)
    new = struct.pack(">I4sII", 16 + len(table), b"stts", 0, len(runs)) + table
    grown = len(new) - (end - start)
    total = sum(count * s for count, s in runs)
    for name, at, stop in list(boxes(data, 0, len(data))):
        if name in BOXES and at < start < stop:  # all that it lies in grow with it
            struct.pack_into(">I", data, at, stop - at + grown)
        elif name == b"mdhd":
            struct.pack_into(">I", data, at + 24, round(scale * total))
        elif name == b"edts":
            data[at + 4 : at + 8] = b"free"  # an edit would cut to the old length
    data[start:end] = new
    assert box(data, b"mdat")[0] < start  # or the frames' places would have to move as well
    path.write_bytes(data)
    return path


def placed(path, a: int, b: int, c: int, d: int):
    """Say in an MP4 that what is stored at (x, y) is to be shown at (ax + cy, bx + dy)."""
    data = bytearray(path.read_bytes())
    matrix = box(data, b"tkhd")[0] + 48
    assert struct.unpack_from(">9i", data, matrix) == (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    a, b, c, d = (round(65536 * value) for value in (a, b, c, d))
    struct.pack_into(">9i", data, matrix, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def turned(path):
    """Say in an MP4 that its pictures are to be shown turned by 90 degrees, clockwise."""
    return placed(path, 0, 1, -1, 0)


def with_pixels_of_16_to_11(path):
    """Say in an MP4 of MPEG-4 that its pixels are wider than high (ISO/IEC 14496-2, 6.3.3)."""
    data = bytearray(path.read_bytes())
    at = data.find(b"\0\0\1\x20")
    assert at >= 0
    while at >= 0:
        # 17 bits lie between the start code and the four of aspect_ratio_info.
        (bits,) = struct.unpack_from(">I", data, at + 4)
        struct.pack_into(">I", data, at + 4, bits & ~(0xF << 11) | 4 << 11)
        at = data.find(b"\0\0\1\x20", at + 4)
    path.write_bytes(data)
    return path


def moving_pictures(count: int, size=(96, 64)) -> list[np.ndarray]:
    """A window that moves over a smooth pattern of colours."""
    width, height = size
    coarse = np.random.default_rng(0).integers(30, 220, (10, 14, 3), dtype=np.uint8)
    wide = (width + 2 * count, height + count)
    pattern = cv2.resize(coarse, wide, interpolation=cv2.INTER_CUBIC)
    return [pattern[i : i + height, 2 * i : 2 * i + width].copy() for i in range(count)]


def write_frames(path, frames, code: str = "MJPG", fps: float = 25):
    """A video of these frames."""
    size = frames[0].shape[1], frames[0].shape[0]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), fps, size)
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path
