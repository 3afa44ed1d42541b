"""Whether a JPEG or PNG file is whole.

Some OpenCV builds decode the upper part of a half-copied file and return it without a word, the
rest grey or black. Walking the file's own structure costs a fraction of decoding it.
"""

import zlib

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_END = 0xD9
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


def image_damage(data: bytes) -> str:
    """Say what is missing in an image file.

    Args:
        data: The whole file.

    Returns:
        What is wrong, in words; empty for whole files and for formats other than JPEG and PNG.
    """
    if data.startswith(_PNG):
        return _png_damage(data)
    if data.startswith(_JPEG):
        return _jpeg_damage(data)
    return ""


def _png_damage(data: bytes) -> str:
    at = len(_PNG)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if end > len(data):
            break
        if zlib.crc32(memoryview(data)[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end]):
            return f"checksum of PNG chunk {kind!r} at byte {at} does not match"
        if kind == b"IEND":
            return ""
        at = end
    return f"PNG ends after {len(data)} bytes without its end chunk"


def _jpeg_damage(data: bytes) -> str:
    missing = f"JPEG ends after {len(data)} bytes without its end marker"
    at = 2
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return missing
        marker = data[at + 1]
        if marker == _END:
            return ""
        if marker == 0xFF:  # padding before a marker
            at += 1
        elif marker == 0 or marker in _WITHOUT_LENGTH:
            at += 2
        else:
            # Segments are skipped whole: the thumbnail in one has an end marker of its own. The
            # coded data that follow a scan header are walked by the search for the next 0xFF.
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
