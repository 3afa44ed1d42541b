"""HEIF files for tests: how they begin, and AVIF pictures that say how they are turned."""

import struct


def ftyp(major: bytes, *others: bytes) -> bytes:
    return struct.pack(">I4s4sI", 16 + 4 * len(others), b"ftyp", major, 0) + b"".join(others)


def with_properties(data: bytes, *new: bytes) -> bytes:
    """Add properties to the picture of an AVIF as OpenCV writes it, which has four."""
    data = bytearray(data)

    def grow(kind: bytes, by: int) -> int:
        at = data.index(kind) - 4
        (size,) = struct.unpack_from(">I", data, at)
        struct.pack_into(">I", data, at, size + by)
        return at + size

    boxes = b"".join(struct.pack(">I4s", 4 + len(n), n[:4]) + n[4:] for n in new)
    numbers = bytes(0x80 | 5 + i for i in range(len(new)))
    for kind in (b"meta", b"iprp"):
        grow(kind, len(boxes) + len(numbers))
    end = grow(b"ipma", len(numbers))
    assert data[end - 5] == 4
    data[end - 5] += len(new)
    data[end:end] = numbers
    end = grow(b"ipco", len(boxes))
    data[end:end] = boxes
    offset = data.index(b"iloc") + 18
    (place,) = struct.unpack_from(">I", data, offset)
    struct.pack_into(">I", data, offset, place + len(boxes) + len(numbers))
    return bytes(data)
