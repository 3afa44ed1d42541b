"""Runs for a long time and sees whether anything grows: ``python -m benchmarks.soak --minutes 30``.

Several threads, each with a detector of its own (`Detector.clone`), play clips again and again at
full speed, as files and as frames of an iterator. The memory of the process is sampled, frames are
counted against those that the files hold, and a straight line is laid through the memory of the
second half: what it rises by is what a leak would show.
"""

import argparse
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from benchmarks.machine import describe_machine
from benchmarks.memory import resident_megabytes
from benchmarks.record import write_record
from runtime import Detector, open_source
from runtime.errors import InputError

logger = logging.getLogger(__name__)

FORMAT = "lgrnet-soak-1"

DEMO = Path(__file__).parents[1] / "runtime" / "demo" / "clip.mp4"


@dataclass
class Player:
    """One thread: a source that is played again and again.

    Attributes:
        name: What is played, and how.
        detector: Its own.
        clip: The video.
        as_frames: Whether its frames are handed in by an iterator, one endless stream.
        expected: Frames that should have come out so far.
        frames: Frames that came out.
        faces: Faces in them.
        passes: Times that the clip was played to its end.
        error: What stopped it too early.
        slowest: Milliseconds of the slowest frame.
    """

    name: str
    detector: Detector
    clip: Path
    as_frames: bool
    expected: int = 0
    frames: int = 0
    faces: int = 0
    passes: int = 0
    error: str = ""
    slowest: float = 0.0
    spent: float = field(default=0.0, repr=False)

    def play(self, stop: threading.Event) -> None:
        """Play until told to stop; each pass to its end."""
        try:
            if self.as_frames:
                self._count(self.detector.stream(self._endless(stop)))
            else:
                while not stop.is_set():
                    self.expected += _length(self.clip)
                    self._count(self.detector.stream(self.clip))
                    self.passes += 1
        except Exception as error:  # the other threads go on; the record says what happened
            self.error = f"{type(error).__name__}: {error}"
            logger.exception("%s stopped", self.name)

    def _endless(self, stop: threading.Event) -> Iterator[np.ndarray]:
        while not stop.is_set():
            with open_source(self.clip) as shots:
                for shot in shots:
                    self.expected += 1
                    yield shot.frame
            self.passes += 1

    def _count(self, results) -> None:
        for result in results:
            self.frames += 1
            self.faces += len(result)
            self.slowest = max(self.slowest, result.timings.total)
            self.spent += result.timings.total

    def as_dict(self) -> dict:
        """Sum up."""
        return {
            "name": self.name,
            "passes": self.passes,
            "frames": self.frames,
            "expected": self.expected,
            "lost": self.expected - self.frames,
            "faces": self.faces,
            "ms_a_frame": self.spent / self.frames if self.frames else None,
            "slowest_ms": self.slowest,
            "error": self.error,
        }


def soak(
    clips: Sequence[Path],
    seconds: float,
    pause: float,
    model: str | None = None,
    threads: int = 1,
    copies: int = 2,
) -> dict:
    """Play for some time.

    Args:
        clips: Videos; each gets ``copies`` threads, which play it as a file and as frames in turn.
        seconds: How long.
        pause: Seconds between two samples of the memory.
        model: Exported file, or a packaged model.
        threads: CPU threads of each network.
        copies: Threads a clip.

    Returns:
        The record.

    Raises:
        InputError: A clip cannot be read.
    """
    cv2.setNumThreads(threads)
    first = Detector(model, threads=threads)
    players = []
    for number, clip in enumerate(clip for clip in clips for _ in range(copies)):
        how = number % 2 == 1
        name = f"{clip.name}, {'frames of an iterator' if how else 'file'}"
        _length(clip)
        players.append(Player(name, first.clone() if players else first, clip, how))
    stop = threading.Event()
    workers = [
        threading.Thread(target=player.play, args=(stop,), name=f"soak-{i}")
        for i, player in enumerate(players)
    ]
    began = time.monotonic()
    samples = []
    for worker in workers:
        worker.start()
    try:
        while (passed := time.monotonic() - began) < seconds:
            samples.append(
                {
                    "s": round(passed, 1),
                    "rss_mb": resident_megabytes(),
                    "threads": threading.active_count(),
                    "frames": sum(player.frames for player in players),
                }
            )
            if not any(worker.is_alive() for worker in workers):
                break
            stop.wait(min(pause, max(0.0, seconds - passed)))
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    for player in players:
        player.detector.close()
    wall = time.monotonic() - began
    frames = sum(player.frames for player in players)
    return {
        "format": FORMAT,
        "machine": describe_machine(),
        "detector": repr(first),
        "seconds": wall,
        "frames": frames,
        "lost": sum(player.expected - player.frames for player in players),
        "fps": frames / wall,
        "growth_mb_an_hour": growth(samples),
        "players": [player.as_dict() for player in players],
        "samples": samples,
    }


def growth(samples: Sequence[dict]) -> float | None:
    """Lay a line through the memory of the second half of the run.

    Args:
        samples: Each with ``s`` and ``rss_mb``.

    Returns:
        Its slope, 10⁶ bytes an hour; None where there are too few samples.
    """
    late = [(one["s"], one["rss_mb"]) for one in samples[len(samples) // 2 :] if one["rss_mb"]]
    if len(late) < 3:
        return None
    seconds, memory = np.array(late).T
    return float(np.polyfit(seconds, memory, 1)[0] * 3600)


def _length(clip: Path) -> int:
    with open_source(clip) as source:
        if not source.count:
            raise InputError(f"{clip} does not say how many frames it has: convert it to an .mp4")
        return source.count


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak", description="Run for long and see whether anything grows."
    )
    add = parser.add_argument
    add("clips", nargs="*", type=Path, default=[DEMO], help="videos; else the demo clip")
    add("--minutes", type=float, default=30.0)
    add("--pause", type=float, default=10.0, help="seconds between samples of the memory")
    add("--model", help="exported file, or a packaged model")
    add("--threads", type=int, default=1, help="CPU threads of each network")
    add("--copies", type=int, default=2, help="threads a clip")
    add("--json", type=Path, default=Path("benchmarks/results/soak.json"))
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns 1 if a frame was lost or a thread stopped."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        record = soak(
            *(args.clips, 60 * args.minutes, args.pause, args.model, args.threads, args.copies)
        )
    except (InputError, OSError) as error:
        logger.error("%s", error)
        return 2
    write_record(record, args.json)
    memory = [sample["rss_mb"] for sample in record["samples"]]
    slope = record["growth_mb_an_hour"]
    print(
        f"{record['frames']} frames in {record['seconds']:.0f} s, {record['lost']} lost; memory "
        f"{memory[0]:.0f} MB at first, {max(memory):.0f} at most, {memory[-1]:.0f} at last, "
        + ("too short for a slope" if slope is None else f"{slope:+.1f} MB an hour in the end")
    )
    return 1 if record["lost"] or any(player["error"] for player in record["players"]) else 0


if __name__ == "__main__":
    raise SystemExit(main())
