"""Whether the pictures of a video are its own, or what happened to lie in memory.

OpenCV 4.13, 4.14 and 5.0 cannot convert frames that are flagged as interlaced, nor those of a few
colour systems (YCgCo, logarithmic). They say that a frame was read all the same and hand out a
buffer that nothing was written to: the last frame that could be converted, or memory as it was
allocated. Such frames are alike byte for byte. So are those of slides and pictures that stand
still; what tells the two apart is that

* another capture of the file has another buffer, with other bytes in it, whereas a picture that
  was decoded is the same each time;
* the packets that the frames are decoded from are as large as those of what moves, and no two are
  alike, whereas a picture that stands still is hardly ever coded anew. Some codes do so all the
  same, such as FFV1, so that this alone is told and refuses no video.
"""

import logging
import zlib
from collections import deque
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from runtime.sources.quoted import quoted
from runtime.sources.repeats import Repeats

logger = logging.getLogger(__name__)

LOOKED_AT = 8
"""Frames, and packets, that are compared where something is suspicious."""

OTHERS = 3
"""Captures, all open at once, whose memory is compared."""

LONG = 16
"""Frames in a row, alike in a sample of their pixels, at which packets are looked at; and again
each time that there are twice as many."""

_STILL = 0.03  # packets that repeat a picture, as a share of the one that brought it
_HEADERS = 100  # bytes of a packet that say nothing of a picture
_LEAST = 0.002  # bytes a pixel, below which a packet tells of no motion
_BLANK = 0.01  # bytes a pixel that a picture of one colour never takes
_SPECKS = 0.0005  # of its pixels may be another, which do not take so many bytes either
_AHEAD = 100  # frames in which what is no memory, such as a black leader, has ended
_DV = b"\x1f\x07\x00"  # how packets of DV begin

Opener = Callable[[], cv2.VideoCapture]
"""Opens the video anew, at its start."""


def conversion_fault(name: str, again: Opener) -> str:
    """Say whether OpenCV converts the first frames of a video; two are decoded where they differ.

    Args:
        name: What to call the video in messages.
        again: Opens it.

    Returns:
        What is wrong and what to do, in words; empty if nothing is. Where that is likely but not
        certain it is a warning in the log.
    """
    return Watch(name, again).begin()


class Watch:
    """Looks at each frame of a video as it comes; costs next to nothing while they differ.

    Args:
        name: What to call the video in messages.
        again: Opens it.
    """

    def __init__(self, name: str, again: Opener) -> None:
        self._name, self._again = name, again
        self._repeats = Repeats()
        self._before: np.ndarray | None = None
        self._packets: cv2.VideoCapture | None = None
        self._passed = 0
        self._told = False

    def begin(self) -> str:
        """Look at the first frames, with other captures; returns what `conversion_fault` does."""
        capture = self._again()
        try:
            return self._look(capture)
        finally:
            capture.release()

    def __call__(self, frame: np.ndarray, index: int) -> None:
        """Look at the next frame; say in the log, once, if it is probably not the file's.

        Args:
            frame: (H, W, 3) uint8, BGR.
            index: Its number.
        """
        run = self._repeats(frame)
        if self._told or run < LONG - 1:
            return
        if not run & (run + 1):  # the next one is looked at
            self._before = frame.copy()
        if self._before is None or run & (run - 1) or not np.array_equal(self._before, frame):
            return
        if _move(self._last_packets(index), frame):
            since = index - run + 1
            self._tell(f"frames {index - 1} and {index}, and a sample of all from {since} on,")

    def close(self) -> None:
        """Let go of the file."""
        if self._packets is not None:
            self._packets.release()

    def _tell(self, which: str) -> None:
        self._told = True
        logger.warning(
            "%s: %s are alike byte for byte, though what they are decoded from is not: if the "
            "picture does not stand still there, OpenCV %s cannot convert it, and these and later "
            "results are wrong; %s",
            *(self._name, which, cv2.__version__, remedy(self._name)),
        )

    def _look(self, capture: cv2.VideoCapture) -> str:
        first = _first_if_repeated(capture)
        if first is None:
            return ""
        packets = _packets(self._again, LOOKED_AT)
        moves = _move(packets, first)
        # Some systems only hand out memory that has been cleared, to each capture.
        coded = max(_news(packets), default=0) / (first.shape[0] * first.shape[1])
        cleared = moves and coded > _BLANK and _is_blank(first) and _stays(capture, first)
        if cleared or not _comes_again(self._again, first):
            return (
                f"OpenCV {cv2.__version__} cannot convert its frames and gives whatever lay in "
                "memory instead; they are interlaced, or of a rare colour system: "
                f"{remedy(self._name)}"
            )
        if moves:
            self._tell("its first frames")
        return ""

    def _last_packets(self, index: int) -> list[bytes]:
        """Read the packets up to that of a frame; each of a file is read once."""
        if self._packets is None:
            self._packets = undecoded(self._again)
        last = deque[bytes](maxlen=LOOKED_AT)
        while self._passed <= index and self._packets.grab():
            self._passed += 1
            if index - self._passed < LOOKED_AT:
                last.append(_packet(self._packets))
        return list(last)


def remedy(name: str) -> str:
    """Say what to do with a video whose frames cannot be converted."""
    return (
        f"convert it with ffmpeg -i {quoted(name)} -vf bwdif=send_frame -c:v libx264 -crf 16 "
        "converted.mp4, or use OpenCV 4.12"
    )


def _first_if_repeated(capture: cv2.VideoCapture) -> np.ndarray | None:
    """Read the first frame; None if one of those behind it is another, or there is none."""
    first = _read(capture)
    if first is None:
        return None
    alike = 1
    while alike < LOOKED_AT and (frame := _read(capture)) is not None:
        if not np.array_equal(frame, first):
            return None
        alike += 1
    return first if alike > 1 else None


def _stays(capture: cv2.VideoCapture, first: np.ndarray) -> bool:
    """Tell whether the next frames are still as the first: tapes begin in black that is noisy."""
    for _ in range(_AHEAD):
        frame = _read(capture)
        if frame is None:
            break
        if not np.array_equal(frame, first):
            return False
    return True


def _comes_again(again: Opener, frame: np.ndarray) -> bool:
    """Tell whether other captures give the same first frame; the one that gave it is open."""
    captures = []
    try:
        for _ in range(OTHERS):
            captures.append(again())
            # New memory is mostly zeros, in every capture. What has just been freed is taken first.
            for _ in range(2):
                dirty = np.full(frame.nbytes, 0xA5, np.uint8)
                del dirty
            other = _read(captures[-1])
            if other is not None and not np.array_equal(other, frame):
                return False
    finally:
        for capture in captures:
            capture.release()
    return True


def _move(packets: Sequence[bytes], frame: np.ndarray) -> bool:
    """Tell whether packets hold a new picture each, of the size of a frame."""
    if len(packets) < 2 or len(set(packets)) < len(packets):
        return False
    sizes = sorted(_news(packets))
    least = max(_HEADERS, _STILL * sizes[-1], _LEAST * frame.shape[0] * frame.shape[1])
    return sizes[len(sizes) // 2] > least


def _news(packets: Sequence[bytes]) -> list[int]:
    """Count the bytes of each packet that tell something the one beside it does not.

    A picture that is coded by itself again and again, with a time code, differs in few.
    """
    beside = [*packets[1:], *packets[-2:-1]]
    return [_information(*pair) for pair in zip(packets, beside, strict=False)]


def _information(packet: bytes, beside: bytes) -> int:
    if len(packet) == len(beside):
        a, b = (np.frombuffer(data, np.uint8) for data in (packet, beside))
        packet = (a ^ b).tobytes()
    # Where a rate is constant, packets are filled up to it.
    return len(zlib.compress(packet, 1))


def _is_blank(frame: np.ndarray) -> bool:
    """Tell whether practically all of a frame is of one colour."""
    pixels = frame.reshape(-1, frame.shape[-1])
    common = np.median(pixels[::7], axis=0).astype(np.uint8)
    return bool((pixels != common).any(1).mean() <= _SPECKS)


def _packets(again: Opener, count: int) -> list[bytes]:
    capture = undecoded(again)
    packets: list[bytes] = []
    while len(packets) < count and capture.grab():
        packets.append(_packet(capture))
    capture.release()
    return packets


def _packet(capture: cv2.VideoCapture) -> bytes:
    there, packet = capture.retrieve()
    return _picture(packet.tobytes()) if there else b""


def _picture(packet: bytes) -> bytes:
    """Leave sound and time code out of a packet of DV; its blocks say what they are of."""
    if not packet.startswith(_DV) or len(packet) % 80:
        return packet
    blocks = np.frombuffer(packet, np.uint8).reshape(-1, 80)
    return blocks[blocks[:, 0] >> 5 == 4].tobytes()


def undecoded(again: Opener) -> cv2.VideoCapture:
    """Open a video so that it gives the packets that its frames are decoded from."""
    capture = again()
    capture.set(cv2.CAP_PROP_FORMAT, -1)
    return capture


def _read(capture: cv2.VideoCapture) -> np.ndarray | None:
    try:
        there, frame = capture.read()
    except cv2.error:  # as of damaged files whose frames change their size
        return None
    return frame if there else None
