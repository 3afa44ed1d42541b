"""HEIF containers: HEIC pictures, as phones take them, and AVIF (ISO/IEC 23008-12).

OpenCV decodes no HEIC. FFmpeg takes one for a video and gives a tile of it. OpenCV decodes AVIF but
leaves it as it lies in the file, whose properties say how it is to be turned.
"""

import io
from collections.abc import Iterator

import numpy as np

from runtime.sources.mp4 import boxes
from runtime.sources.quoted import quoted

_HEIC = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_AVIF = frozenset({b"avif", b"avis"})
_ANY = frozenset({b"mif1", b"mif2", b"msf1"})  # say nothing of how pictures are coded


def is_heic(start: bytes) -> bool:
    """Tell HEIC from all else by the first bytes of a file, 64 at least."""
    major, others = _brands(start)
    return major in _HEIC or (major in _ANY and not _AVIF & others)


def is_avif(start: bytes) -> bool:
    """Tell AVIF from all else by the first bytes of a file, 64 at least."""
    major, others = _brands(start)
    return major in _AVIF or (major in _ANY and bool(_AVIF & others))


def how_to_convert(path: object) -> str:
    """Say what a HEIC file is and what to do with it."""
    name = quoted(path)
    return (
        f"{path} is a HEIC picture, which OpenCV cannot decode: convert it with heif-convert -q 95 "
        f"{name} picture.jpg (libheif), on macOS sips -s format jpeg {name} --out picture.jpg, "
        "or let the phone save JPEG (iPhone: Settings > Camera > Formats > Most Compatible)"
    )


def upright(image: np.ndarray, data: bytes) -> np.ndarray:
    """Turn and mirror a picture as its file says.

    Args:
        image: (H, W, 3), as it lies in the file.
        data: The whole file, AVIF.

    Returns:
        (H, W, 3) or (W, H, 3).
    """
    for kind, value in _turns(data):
        if kind == b"irot":
            image = np.rot90(image, value & 3)
        else:
            image = image[:, ::-1] if value & 1 else image[::-1]
    return np.ascontiguousarray(image)


def is_turned(data: bytes) -> bool:
    """Tell whether a file says that its picture is to be turned or mirrored."""
    return bool(_turns(data))


def _brands(start: bytes) -> tuple[bytes, frozenset[bytes]]:
    if start[4:8] != b"ftyp":
        return b"", frozenset()
    end = min(int.from_bytes(start[:4], "big"), len(start))
    return start[8:12], frozenset(start[at : at + 4] for at in range(16, end - 3, 4))


def _turns(data: bytes) -> list[tuple[bytes, int]]:
    """List what is to be done to the picture, in order: ``irot`` and ``imir`` with their value."""
    meta = _inner(data, b"meta")[4:]
    primary = _inner(meta, b"pitm")
    wanted = int.from_bytes(primary[4 : 8 if primary[:1] > b"\0" else 6], "big")
    properties = _inner(meta, b"iprp")
    listed = list(_boxes(_inner(properties, b"ipco")))
    found = []
    for number in _associated(_inner(properties, b"ipma"), wanted):
        kind, content = listed[number - 1] if 0 < number <= len(listed) else (b"", b"")
        if kind in (b"irot", b"imir") and content:
            found.append((kind, content[0]))
    return found


def _associated(ipma: bytes, wanted: int) -> list[int]:
    """List the numbers, from 1, of an item's properties."""
    long_item, long_number = ipma[:1] > b"\0", bool(ipma[3:4] and ipma[3] & 1)
    at = 8
    while at < len(ipma):
        size = 4 if long_item else 2
        item, at = int.from_bytes(ipma[at : at + size], "big"), at + size
        count, at = (ipma[at] if at < len(ipma) else 0), at + 1
        step = 2 if long_number else 1
        numbers = [ipma[i : i + step] for i in range(at, at + step * count, step)]
        at += step * count
        if item == wanted:
            mask = 0x7FFF if long_number else 0x7F  # the first bit says how important it is
            return [int.from_bytes(number, "big") & mask for number in numbers]
    return []


def _inner(data: bytes, wanted: bytes) -> bytes:
    return next((content for kind, content in _boxes(data) if kind == wanted), b"")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    for kind, at, end in boxes(io.BytesIO(data), 0, len(data)):
        yield kind, data[at:end]
