"""What all sources have in common."""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np

from runtime.errors import InputError
from runtime.image import Picture
from runtime.results import Result

logger = logging.getLogger(__name__)

MOST_NAMED = 100
"""Most names in `Source.failures`, so that memory stays bounded in runs of weeks."""

FALLBACK_FPS = 25.0
"""Frames a second where a video does not say its own; frames that have no time at all count as
`runtime.results.FRAME_SECONDS` apart."""

_LOGGED = 10


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One frame and where it was.

    Attributes:
        frame: (H, W, 3) uint8, BGR.
        index: 0-based number in the source; frames that were dropped or left out count, so that
            they show as gaps.
        timestamp: Seconds since the start, or None where the source knows no time. Of a video file
            they are the file's own, of a camera or network stream those of arrival.
        decode_ms: What reading and decoding it took, on whichever thread.
        wait_ms: What whoever asked for it waited; the same, unless it was read ahead
            (`runtime.sources.prefetch`).
        name: Its file's name, where the source holds many files.
        captured: When it arrived from a camera or network, on the clock of `time.perf_counter`;
            None for all other sources.
        dropped: Frames of a camera or network that were passed over so far, because a newer one
            had arrived before they were asked for.
        first: Whether another file begins with it, so that no face goes on from the frame before.
    """

    frame: Picture = field(repr=False)
    index: int
    timestamp: float | None
    decode_ms: float
    wait_ms: float
    name: str = ""
    captured: float | None = None
    dropped: int = 0
    first: bool = False

    def placed(self, result: Result) -> Result:
        """Say in a result that is there now where in the stream its frame was; a copy."""
        late = None if self.captured is None else (time.perf_counter() - self.captured) * 1e3
        return replace(
            result,
            timings=replace(result.timings, decode=self.wait_ms, decode_work=self.decode_ms),
            index=self.index,
            timestamp=self.timestamp,
            name=self.name,
            latency_ms=late,
            dropped=self.dropped,
        )


class Source:
    """Frames in order, once. An iterable of `Shot`, and a context manager that closes it.

    Attributes:
        name: What to call it in messages; never holds a password.
        stem: What to call files made from it.
        moving: Whether a frame continues the one before.
        still: Whether it is one single picture.
        many: Whether it holds many files, and shots say which (`Shot.name`).
        live: Whether it is a camera or a network stream, of which only the newest frame counts.
        ahead: Whether reading frames before they are asked for is of use; see
            `runtime.sources.prefetch`.
        fps: Frames a second, or None where it is unknown.
        count: Number of frames as far as known, or None. Of videos whose container does not count
            them it is an estimate, which gets better while they are read.
        failures: Files that could not be read so far, and a live source that was lost; the log
            says why. The first 100 of them.
        skipped: Frames that could not be decoded and were left out so far.
        files: Names and paths of the files that it holds, where these are many.
    """

    name: str
    stem: str
    moving: bool = False
    still: bool = False
    many: bool = False
    live: bool = False
    ahead: bool = False
    fps: float | None
    count: int | None
    failures: list[str]
    skipped: int
    files: Sequence[tuple[str, Path]] = ()

    def __init__(
        self, name: str, stem: str, fps: float | None = None, count: int | None = None
    ) -> None:
        self.name, self.stem, self.fps, self.count = name, stem, fps, count
        self.failures, self.skipped = [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Shot]:
        raise NotImplementedError

    def pace(self) -> float | None:
        """Tell what rate a video made of its frames needs, frames a second; None if unknown."""
        return self.fps

    def close(self) -> None:
        """Let go of file or camera."""

    def _take_after(self, source: "Source") -> None:
        """Be of the same kind as a source that this one reads, and note what it cannot read."""
        self.moving, self.still = source.moving, source.still
        self.many, self.live = source.many, source.live
        self.failures, self.files = source.failures, source.files

    def _fail(self, name: str, reason: object) -> None:
        """Note a file that cannot be read, and say so."""
        logger.warning("left out: %s", reason)
        if len(self.failures) < MOST_NAMED:
            self.failures.append(legible(name))

    def _skip(self, reason: object) -> None:
        """Count a frame that cannot be used, and log it; of very many only some."""
        self.skipped += 1
        if self.skipped <= _LOGGED or str(self.skipped).strip("0") == "1":
            logger.warning("left out: %s (%d so far)", reason, self.skipped)


def in_utf8(path: Path) -> bool:
    """Tell whether OpenCV can take a file's name; on old discs there are others."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def legible(name: str) -> str:
    """Write a file's name so that logs and files can hold it, whatever it is encoded in."""
    return name.encode(errors="backslashreplace").decode()


def stem_of_file(path: Path) -> str:
    """Name the files made from one: the stem, but for ``..mp4``, whose stem is a folder's name."""
    return path.name if path.stem in (".", "..") else path.stem


def check_name(path: Path) -> None:
    """Check that a file's name can be used.

    Raises:
        InputError: It is not in UTF-8.
    """
    if not in_utf8(path):
        raise InputError(f"the name {str(path)!a} is not in UTF-8: rename the file")


def taken(
    frame: np.ndarray, index: int, timestamp: float | None, start: float, name: str = ""
) -> Shot:
    """Make a shot of a frame that has just been read.

    Args:
        frame: (H, W, 3) uint8, BGR.
        index: 0-based number in the source.
        timestamp: Seconds since the start, or None.
        start: When it was asked for, on the clock of `time.perf_counter`.
        name: Its file's name.

    Returns:
        The shot.
    """
    spent = (time.perf_counter() - start) * 1e3
    return Shot(frame, index, timestamp, spent, spent, name)
