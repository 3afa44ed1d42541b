"""Video files."""

import itertools
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from runtime.errors import InputError
from runtime.image import check_frame
from runtime.sources import heif
from runtime.sources.base import FALLBACK_FPS, Shot, Source, stem_of_file, taken
from runtime.sources.clock import Clock
from runtime.sources.cut import is_cut, is_edited
from runtime.sources.quoted import quoted
from runtime.sources.shown import AsShown
from runtime.sources.stale import Opener, Watch, undecoded

logger = logging.getLogger(__name__)

COUNTING = {b"ftyp": 4, b"AVI ": 8}
"""Marks, and the bytes that they begin at, of the containers that count their frames: MP4 with its
kin, and AVI. Of others OpenCV makes a count of length and nominal rate, from which videos of
variable rate are far."""

_LISTS = (b"#EXTM3U", b"ffconcat")
"""How texts begin of which FFmpeg plays the files, or addresses, that they name."""

_JPEG = b"\xff\xd8"
"""How pictures begin that follow each other in a file without anything about times."""

_COVER_RATE = 90000.0  # frames a second that FFmpeg says of pictures that are no video

_START = 1024  # bytes that tell what a file is

PACED = 16
"""Frames at the beginning whose rate is looked at."""

FASTEST = 60
"""Frames a second at most that a recording which stands still is played at."""

MOST_OFTEN = 10
"""Upper limit of that rate as a multiple of the mean rate: it bounds how many frames a video gets
that is made of the recording."""

MOST_BAD = 50
"""Frames in a row that may fail to decode before a video counts as ended."""

PATIENCE = 0.5
"""Seconds; what fails after more, on a server, has run into a time limit, as the next would."""


class Video(Source):
    """A video file, upright as its rotation says, each frame at the file's own time.

    Where its pixels are not square, frames are as wide as they are shown.

    A frame in the middle that cannot be decoded is left out; a missing end is reported in the log,
    with the frames before it kept.

    Args:
        capture: The video, opened, at its start.
        name: What to call it in messages.
        stem: What to call files made from it.
        path: The file; None for one on a server, which may stall.
        counted: Whether its container counts its frames.
        again: Opens it once more; None where its frames shall not be checked.
        timed: False where it is known to tell no times, though FFmpeg makes some up.
    """

    moving = True
    ahead = True

    def __init__(
        self,
        capture: cv2.VideoCapture,
        name: str,
        stem: str,
        path: Path | None = None,
        counted: bool = True,
        again: Opener | None = None,
        timed: bool = True,
    ) -> None:
        self._capture, self._path, self._again = capture, path, again
        self._shown = AsShown(capture, path)
        fps = capture.get(cv2.CAP_PROP_FPS)
        said = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        count = int(said) if 0 < said < 2**53 else None
        super().__init__(name, stem, fps if 0 < fps < 1000 else None, count)
        self._counted, self._said, self._timed = counted, count, timed
        # Such as it is: of some containers of variable rate it is one of clock ticks.
        self._length = count / fps if count and fps > 0 else None
        self._begun = False
        self._watch: Watch | None = None

    @classmethod
    def of_file(cls, path: Path) -> "Video":
        """Open a file.

        Args:
            path: The file.

        Returns:
            The source.

        Raises:
            InputError: It is empty, or no video that OpenCV can decode.
        """
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty (0 bytes): copy it again from where it came")
        with open(path, "rb") as file:
            start = file.read(_START)
        if heif.is_heic(start):
            raise InputError(heif.how_to_convert(path))
        # FFmpeg would play a text file as a film of its letters.
        capture = cv2.VideoCapture() if _is_text(start) else _open(path)
        if not capture.isOpened():
            raise InputError(
                f"{path} is not an image or video that OpenCV can decode, or it is truncated: try "
                f"to play it, or convert it with ffmpeg -i {quoted(path.absolute())} converted.mp4"
            )
        if capture.get(cv2.CAP_PROP_FPS) == _COVER_RATE and _has_one_picture(path):
            capture.release()
            raise InputError(f"{path} is sound with a cover picture, no video: give the video")
        return cls(
            *(capture, str(path), stem_of_file(path), path, _counts_frames(start)),
            again=lambda: _open(path),
            timed=not start.startswith(_JPEG),
        )

    def __iter__(self) -> Iterator[Shot]:
        if self._begun:
            raise InputError(f"the frames of {self.name} are read once: open it again")
        self._require_open()
        self._begun = True
        shots = self._shots()
        if self._again is None:
            yield from shots
            return
        # The first waits for the second: whether they are the file's own shows where they differ.
        first, late = _first_two(shots)
        self._watch = watch = Watch(self.name, self._again)
        alike = len(first) == 2 and np.array_equal(first[0].frame, first[1].frame)
        if alike and (fault := watch.begin()):
            raise InputError(f"{self.name}: {fault}")
        try:
            held = (first.pop(0) for _ in range(len(first)))  # so that they are kept no longer
            for shot in itertools.chain(held, shots):
                self._require_open()
                if self._path:  # of one on a server it would fetch all a second time
                    watch(shot.frame, shot.index)
                yield shot
            if late:
                raise late
        finally:
            watch.close()

    def _shots(self) -> Iterator[Shot]:
        index = bad = 0
        stalled = False
        last, gap, begin = None, 0.0, 0.0
        rate = self.fps or FALLBACK_FPS
        clock, told = Clock(1 / rate), False
        while True:
            start = time.perf_counter()
            frame = self._read()
            if frame is None:
                bad += 1
                if bad > MOST_BAD or (self._counted and self.count and index + bad > self.count):
                    break
                if self._path is None and time.perf_counter() - start > PATIENCE:
                    logger.warning("%s gives no more frames: its server has stalled", self.name)
                    stalled = True
                    break
                continue
            for number in range(index, index + bad):
                self._skip(f"frame {number} of {self.name} cannot be decoded")
            index, bad = index + bad, 0
            before, last = last, clock(self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3)
            begin = self._begin(last) if before is None else begin
            gap = max(gap, last - (before or 0.0))
            if not told and (clock.guesses or not self._timed):
                told = True
                logger.warning(
                    "%s tells no times: its frames are taken for %g a second; if they are not, "
                    "give a copy that tells them, of ffmpeg -r RATE -i %s with_times.mp4",
                    *(self.name, rate, quoted(self.name)),
                )
            if not self._counted:
                self._estimate(index + 1, last, begin)
            yield taken(check_frame(frame, f"frame {index} of {self.name}"), index, last, start)
            self._require_open()
            index += 1
        if index == self.skipped:
            raise InputError(f"{self.name} holds no frame that OpenCV can decode: copy it again")
        self._end(index, self._ends_early(index, last, gap, begin), stalled)

    def _end(self, frames: int, early: bool, stalled: bool) -> None:
        """Tell what is missing behind the last frame, of so many."""
        if not self._counted:
            self.count = frames
        read = frames - self.skipped
        told = f"{read} of {self._said} frames" if early else f"{read} frames"
        cut, whole = _look_at(self._path, self._counted)
        if early and whole and not cut:
            early = False
            logger.info("%s: %s that its length tells of; the file is whole", self.name, told)
        if early or cut:
            again = "copy the file again if it should be whole"
            if self._path is None:
                again = "its server has stalled or broken off"
            logger.warning(
                "%s ends early: %s could be read, their results are kept; %s",
                *(self.name, told, again),
            )
        # What a server had sent when it stalled may end like a damaged file, without a wait.
        if self._path is None and (early or stalled):
            self.failures.append(self.name)

    def _ends_early(self, frames: int, last: float | None, gap: float, begin: float) -> bool:
        """Tell whether the end is missing, of a file that gave so many frames up to a time.

        Args:
            frames: How many.
            last: Time of the last, seconds.
            gap: Longest time from one to the next, seconds.
            begin: Time in the container at which the first one stands.

        Containers that only know their length, such as Matroska, have their frames counted from it
        and a nominal rate, which those of variable rate are far from. So time must be missing too.
        """
        if not self._said or frames >= self._said - max(1, self._said // 100):
            return False
        length = self._length or self._said / FALLBACK_FPS
        return last is None or begin + last + 2 * gap < 0.99 * length

    def _estimate(self, frames: int, last: float, begin: float) -> None:
        """Correct the number of frames by how many there were so far; arguments as above."""
        if self._length and last > 0:
            length = self._length - begin
            self.count = max(frames, round(length * (frames - 1) / last))

    def pace(self) -> float | None:
        """Tell the rate of the first frames where it is well above the mean rate that a file says.

        Recordings of screens and browsers hold still for seconds, so that their mean rate would
        make a slide show of what moves. So it is where a file says a rate that no frames have, such
        as that of its clock. The first frames are decoded once more for this.
        """
        if self._path is None:
            return self.fps
        capture = _open(self._path)
        times: list[float] = []
        while len(times) < PACED and capture.grab():
            times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3)
        capture.release()
        gaps = np.diff(times)
        gaps = gaps[gaps > 0]
        if not len(gaps):
            return self.fps
        # MPEG-4 does not take every fraction.
        found = 1 / np.median(gaps)
        if not self.fps:
            return float(max(1, round(min(found, FASTEST))))
        rate = float(round(min(found, FASTEST, MOST_OFTEN * self.fps)))
        if self.fps > FASTEST and found < self.fps / 2:
            return max(FALLBACK_FPS, rate)  # what the file says is no rate of its frames
        return rate if rate > 1.1 * self.fps else self.fps

    def close(self) -> None:
        """Let go of the file."""
        self._capture.release()
        if self._watch:
            self._watch.close()

    def _require_open(self) -> None:
        if not self._capture.isOpened():
            raise InputError(f"{self.name} has been closed: open it again")

    def _read(self) -> np.ndarray | None:
        try:
            there, frame = self._capture.read()
        except cv2.error:  # damaged files can change size in the middle
            return None
        return self._shown(frame) if there else None

    def _begin(self, first: float) -> float:
        """Tell where in the container the frame stands that was just read, the first.

        OpenCV counts time from the first frame on; a container's length also has what is before.
        """
        ticks = self._capture.get(cv2.CAP_PROP_PTS)
        begin = ticks / self.fps - first if self.fps and np.isfinite(ticks) else 0.0
        return max(0.0, begin)


def _first_two(shots: Iterator[Shot]) -> tuple[list[Shot], InputError | None]:
    """Take two shots, or one and the error that came in place of the second."""
    first: list[Shot] = []
    try:
        for shot in itertools.islice(shots, 2):
            first.append(shot)
    except InputError as error:
        if not first:
            raise
        return first, error
    return first, None


def _open(path: Path) -> cv2.VideoCapture:
    # FFmpeg takes what stands before the first colon of a relative name for a protocol.
    return cv2.VideoCapture(str(path.absolute()))


def _has_one_picture(path: Path) -> bool:
    packets = undecoded(lambda: _open(path))
    one = packets.grab() and not packets.grab()
    packets.release()
    return one


def _look_at(path: Path | None, counted: bool) -> tuple[bool, bool]:
    """Tell of a file whether it is cut, and whether it may have fewer frames than it says.

    A container that counts its frames has fewer than it counts if it is cut, but for its index; so
    it has where an edit leaves some out, and the file is whole.
    """
    if path is None:
        return False, False
    try:
        cut = is_cut(path)
        return (False, not cut and is_edited(path)) if counted else (cut, True)
    except OSError:  # it has gone by now
        return False, False


def _counts_frames(start: bytes) -> bool:
    return any(start[at:].startswith(mark) for mark, at in COUNTING.items())


def _is_text(start: bytes) -> bool:
    if start.startswith(_LISTS):
        return True
    try:
        start.decode("ascii")
    except UnicodeDecodeError:
        return False
    return b"\0" not in start
