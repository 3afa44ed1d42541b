"""Reading frames ahead in a thread: the next ones are decoded while the network has this one.

Only video files, and lists with videos in them, are read ahead. Of a camera only the newest frame
counts (`runtime.sources.live`); a queue behind it would show every frame that much later. Images
of a folder may be of any size, so that a few of them ahead are no bound on memory. Frames from the
caller's own iterable are made on the caller's thread, as its author expects.
"""

import queue
import time
from collections.abc import Iterator
from dataclasses import replace

from runtime.sources.background import Background
from runtime.sources.base import Shot, Source

DEPTH = 2
"""Frames that lie ready at most. Decoding is many times faster than the network: a second one only
covers the frames that take longer than others, and more would be memory for nothing."""


def read_ahead(source: Source) -> Source:
    """Read a source ahead where that helps.

    Args:
        source: Any source.

    Returns:
        A `ReadAhead` of it if there are videos in it, otherwise the source itself.
    """
    return ReadAhead(source) if source.ahead else source


class ReadAhead(Source):
    """The same frames in the same order, read by a thread of its own.

    The thread starts with the loop. It ends with the frames, or when the loop is left, which waits
    until the frame that is being read is there; the capture is let go of only after that. At most
    ``depth`` frames are ahead of the one that the loop holds, so that depth + 1 are in memory. An
    exception of the source reaches the loop after the frames that came before it.

    Args:
        source: What to read. It belongs to this one from here on: do not read or close it.
        depth: Frames ahead at most.

    Raises:
        ValueError: ``depth`` is below 1.
    """

    def __init__(self, source: Source, depth: int = DEPTH) -> None:
        if depth < 1:
            raise ValueError(f"depth must be 1 or more, got {depth}")
        super().__init__(source.name, source.stem, source.fps, source.count)
        self._take_after(source)
        self._source, self._depth = source, depth
        self._reader: _Reader | None = None

    def __iter__(self) -> Iterator[Shot]:
        if self._reader is not None:
            # Two threads in one capture would tear its frames apart.
            raise RuntimeError(f"the frames of {self.name} are read once: open it again")
        self._reader = reader = _Reader(self._source, self._depth)
        try:
            while True:
                start = time.perf_counter()
                shot = reader.next()
                if shot is None:
                    return
                self.skipped, self.count = self._source.skipped, self._source.count
                yield replace(shot, wait_ms=(time.perf_counter() - start) * 1e3)
                del shot  # or this loop would keep one more frame alive
        finally:
            reader.stop()
            self.skipped, self.count = self._source.skipped, self._source.count

    def pace(self) -> float | None:
        """Tell what rate a video made of its frames needs, as the source knows it."""
        return self._source.pace()

    def close(self) -> None:
        """Stop the thread, then let go of the file."""
        if self._reader is not None:
            self._reader.stop()
        self._source.close()


class _Reader:
    """A thread that reads a source into a queue, only as far ahead as there are free slots."""

    def __init__(self, source: Source, depth: int) -> None:
        self._source = source
        self._slots: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(depth):
            self._free()
        self._queue: queue.SimpleQueue[Shot | BaseException | None] = queue.SimpleQueue()
        self._thread = Background(self._read, "lgrnet-read-ahead", wake=self._free)
        self._thread.start()

    def next(self) -> Shot | None:
        """Wait for the next frame; None after the last one."""
        item = self._queue.get()
        if isinstance(item, BaseException):
            raise item
        self._free()
        return item

    def stop(self) -> None:
        """End the thread and wait for it; harmless when it has ended."""
        self._thread.stop()

    def _free(self) -> None:
        """Let one more frame be read."""
        self._slots.put(None)

    def _read(self) -> None:
        end = None
        try:
            shots = iter(self._source)
            while True:
                # Before reading, not before queueing: a frame in hand is memory as well.
                self._slots.get()
                if self._thread.stopped:
                    break
                shot = next(shots, None)
                if shot is None:
                    break
                self._queue.put(shot)
                del shot
        except BaseException as error:  # whatever it is, the loop must hear of it
            end = error
        self._queue.put(end)
