"""What the boxes of an MP4 and its kin say (ISO/IEC 14496-12)."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_LEAVES = (b"mvhd", b"tkhd", b"mdhd", b"hdlr", b"elst")
_HOLDERS = (b"mdia", b"edts")


def video_tracks(path: Path) -> tuple[bytes, list[dict[bytes, bytes]]]:
    """Read what is said of the pictures of a file.

    Args:
        path: A file of any kind.

    Returns:
        The content of ``mvhd``, about all of it, and of each track with pictures that of ``tkhd``,
        ``mdhd``, ``hdlr`` and ``elst``; empty where the file is no MP4, or has no such tracks.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        if file.read(8)[4:] != b"ftyp":
            return b"", []
        for kind, at, end in boxes(file, 0, size):
            if kind == b"moov" and end <= size:
                film = dict(_leaves(file, at, end)).get(b"mvhd", b"")
                places = [(a, b) for name, a, b in boxes(file, at, end) if name == b"trak"]
                tracks = [dict(_leaves(file, a, min(b, end))) for a, b in places]
                return film, [t for t in tracks if t.get(b"hdlr", b"")[8:12] == b"vide"]
    return b"", []


def boxes(file: BinaryIO, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Walk the boxes of a part of a file.

    Args:
        file: Open for reading bytes.
        at: Where the first begins.
        end: Where the part ends.

    Yields:
        Name, first byte inside, and end of each; that of the last may lie behind the part's. A box
        that ends before its inside, as of damaged files, is none, and nothing is told behind it.
    """
    while at + 8 <= end:
        file.seek(at)
        head = file.read(16)
        size, inside = number(head, 0), at + 8
        if size == 1:
            size, inside = number(head, 8, 8), at + 16
        size = size or end - at
        if at + size < inside:
            return
        yield head[4:8], inside, at + size
        at += size


def _leaves(
    file: BinaryIO, start: int, end: int, holders: tuple[bytes, ...] = _HOLDERS
) -> Iterator[tuple[bytes, bytes]]:
    for kind, at, stop in boxes(file, start, end):
        if kind in holders:  # which hold none themselves, or a damaged file could nest them deep
            yield from _leaves(file, at, min(stop, end), ())
        elif kind in _LEAVES:
            file.seek(at)
            yield kind, file.read(min(stop, end) - at)


def number(data: bytes, at: int, width: int = 4) -> int:
    """Read a number, highest byte first."""
    return int.from_bytes(data[at : at + width], "big")
