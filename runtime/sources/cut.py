"""Whether the end of a video's file is missing, by the sizes that its container tells of.

How many frames a container tells of proves little: those that only know a length also count what
follows the picture, such as longer sound, and edit lists leave frames out that are there.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from runtime.sources.mp4 import boxes, number, video_tracks

_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067
_TAIL = 1 << 16  # bytes
_SHOWN = 0.99  # share of a track


def is_cut(path: Path) -> bool:
    """Tell whether a file ends before its container does, or in zeros that nobody wrote over.

    Args:
        path: MP4 and its kin, Matroska, AVI or ASF; of others nothing is known.

    Returns:
        True if it does. False if it does not, or nothing is known.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = file.read(16)
        file.seek(max(0, size - _TAIL))
        if size > _TAIL and not any(file.read(_TAIL)):
            return True  # what had space made for it and never came
        if start[4:8] == b"ftyp":
            parts = boxes(file, 0, size)
        elif start[:4] == b"RIFF":
            parts = _chunks(file, size)
        elif start == _ASF:
            parts = _objects(file, size)
        elif int.from_bytes(start[:4], "big") == _EBML:
            parts = _elements(file, size)
        else:
            return False
        return any(end > size for _, _, end in parts)


def is_edited(path: Path) -> bool:
    """Tell whether the edit list of an MP4 leaves out a part of the pictures that it holds.

    Args:
        path: A file of any kind.

    Returns:
        True if it does.
    """
    film, tracks = video_tracks(path)
    return any(_leaves_out(film, track) for track in tracks)


def _leaves_out(film: bytes, track: dict[bytes, bytes]) -> bool:
    edits, media = track.get(b"elst", b""), track.get(b"mdhd", b"")
    if not edits:
        return False
    step, width = (20, 8) if edits[0] else (12, 4)
    starts = range(8, 8 + step * min(number(edits, 4), len(edits)), step)
    # What begins at -1 is a pause.
    pause = b"\xff" * width
    shown = [number(edits, at, width) for at in starts if edits[at + width :][:width] != pause]
    film_second, _ = _clock(film)
    second, length = _clock(media)
    return 0 < sum(shown) * second < _SHOWN * length * film_second


def _clock(header: bytes) -> tuple[int, int]:
    """Read a header's ticks a second and its duration in them."""
    wide = header[:1] == b"\1"
    if wide:
        return number(header, 20), number(header, 24, 8)
    return number(header, 12), number(header, 16)


def _chunks(file: BinaryIO, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Find the RIFF chunks of an AVI, of which large ones have several."""
    at = 0
    while at + 8 <= end:
        file.seek(at)
        head = file.read(8)
        size = int.from_bytes(head[4:], "little")
        # Writers that were cut off themselves have left 0 or all ones.
        if head[:4] != b"RIFF" or size in (0, 0xFFFFFFFF):
            return
        yield head[:4], at + 8, at + 8 + size
        at += 8 + size + size % 2


def _objects(file: BinaryIO, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Find the objects of an ASF file, such as WMV."""
    at = 0
    while at + 24 <= end:
        file.seek(at)
        head = file.read(24)
        size = int.from_bytes(head[16:], "little")
        if size < 24:
            return
        yield head[:16], at + 24, at + size
        at += size


def _elements(file: BinaryIO, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Find header and segment of a Matroska file (RFC 8794)."""
    at = 0
    for wanted in (_EBML, _SEGMENT):
        file.seek(at)
        head = file.read(12)
        if number(head, 0) != wanted or len(head) < 5 or not head[4]:
            return
        width = 9 - head[4].bit_length()
        size = number(head, 4, width) & ((1 << 7 * width) - 1)
        if size == (1 << 7 * width) - 1:  # unknown, as of what is sent live
            return
        yield head[:4], at + 4 + width, at + 4 + width + size
        at += 4 + width + size
