"""Leaving frames out: one of so many is taken."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from runtime.counts import require_count
from runtime.sources.base import Shot


def every_nth(shots: Iterable[Shot], every: int) -> Iterator[Shot]:
    """Take the first of each ``every`` consecutive frame numbers.

    Of a source that gives all its frames those are the frames 0, ``every``, 2 · ``every`` and so
    on. Where that one is missing, as it could not be decoded, or a camera's was dropped, it is the
    next that came. Of many files with videos among them each begins anew, so that every
    one gives a frame; of pictures alone one of so many is taken.

    Args:
        shots: Frames in order.
        every: Of how many to take one; 1 takes all.

    Yields:
        Those that are taken. Reading times include those of the frames before them that were left
        out, and `Shot.first` tells whether a file has begun since the last.

    Raises:
        TypeError: ``every`` is no whole number.
        ValueError: ``every`` is below 1.
    """
    require_count("every", every)
    last, first, wait_ms, decode_ms = -1, False, 0.0, 0.0
    begin = 0
    for shot in shots:
        if shot.first:
            first, begin, last = True, shot.index, -1
        wait_ms += shot.wait_ms
        decode_ms += shot.decode_ms
        group = (shot.index - begin) // every
        if group != last:
            yield replace(shot, first=first, wait_ms=wait_ms, decode_ms=decode_ms)
            last, first, wait_ms, decode_ms = group, False, 0.0, 0.0
        del shot  # or this loop would keep one more frame alive
