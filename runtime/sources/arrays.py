"""Frames that the caller has, or makes."""

import time
from collections.abc import Iterable, Iterator, Sized
from typing import Any

import numpy as np

from runtime.errors import InputError
from runtime.image import check_frame
from runtime.sources.base import Shot, Source, taken


class Arrays(Source):
    """Frames that the caller has, or makes while they are asked for.

    The first frame must be good. A bad one after it, such as the None of a grabber that failed
    once, is left out and said in the log.

    Args:
        frames: One frame (H, W[, C]), frames (T, H, W, C), or an iterable of frames.
        strict: Whether a bad frame is an error wherever it comes.

    Attributes:
        strict: As given; may be changed before the first frame.
    """

    def __init__(self, frames: np.ndarray | Iterable[Any], strict: bool = False) -> None:
        self.still = isinstance(frames, np.ndarray) and frames.ndim < 4
        self.moving = not self.still
        self._frames = (frames,) if self.still else frames
        self.strict = strict
        count = len(self._frames) if isinstance(self._frames, Sized) else None
        super().__init__("frames", "frames", count=count)

    def __iter__(self) -> Iterator[Shot]:
        frames = iter(self._frames)
        index = -1
        while True:
            start = time.perf_counter()
            try:
                frame = next(frames)
            except StopIteration:
                if index < 0:
                    raise InputError(
                        "there is no frame: what was given to read from is empty"
                    ) from None
                return
            index += 1
            try:
                frame = check_frame(frame, f"frame {index}")
            except InputError as error:
                if self.strict or index == self.skipped:
                    raise
                self._skip(error)
                continue
            yield taken(frame, index, None, start)
