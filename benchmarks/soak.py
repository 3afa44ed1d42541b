"""Runs for a long time and sees whether anything grows: ``python -m benchmarks.soak --minutes 30``.

Several threads, each with a detector of its own (`Detector.clone`), play clips again and again at
full speed: as files, as frames of an iterator, as a camera on the network that goes away and
comes back, and as the command line with all of its outputs (`benchmarks.shared.players`). The
memory of the process is sampled, frames are counted against those that the sources gave, and a
straight line is laid through the memory of the second half: what it rises by is what a leak would
show.
"""

import argparse
import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.shared.machine import describe_machine
from benchmarks.shared.memory import in_words, resident_megabytes
from benchmarks.shared.players import PLAYERS, Player, length
from benchmarks.shared.record import write_record
from runtime import Detector
from runtime.console.option_types import output_file, positive, positive_real
from runtime.console.stoppable import stoppable
from runtime.errors import InputError
from runtime.packaged import DEMO_CLIP

logger = logging.getLogger(__name__)

FORMAT = "lgrnet-soak-2"


def soak(
    clips: Sequence[Path],
    seconds: float,
    pause: float,
    model: str | None = None,
    threads: int = 1,
    copies: int = len(PLAYERS),
) -> dict:
    """Play for some time.

    Args:
        clips: Videos; each gets ``copies`` threads, which play it in the ways of `PLAYERS` in turn.
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
    players: list[Player] = []
    for number, clip in enumerate(clip for clip in clips for _ in range(copies)):
        length(clip)
        kind = PLAYERS[number % len(PLAYERS)]
        players.append(kind(first.clone() if players else first, clip))
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
        "lost": sum(player.lost for player in players),
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


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak", description="Run for long and see whether anything grows."
    )
    add = parser.add_argument
    add("clips", nargs="*", type=Path, default=[DEMO_CLIP], help="videos; else the demo clip")
    add("--minutes", type=positive_real, default=30.0, help="for how long (default: %(default)g)")
    add(
        "--pause",
        type=positive_real,
        default=10.0,
        help="seconds between samples of the memory (default: %(default)g)",
    )
    add("--model", help="exported file, or a packaged model")
    add(
        "--threads",
        type=positive,
        default=1,
        help="CPU threads of each network (default: %(default)s)",
    )
    add(
        "--copies",
        type=positive,
        default=len(PLAYERS),
        help="threads a clip (default: %(default)s)",
    )
    add(
        "--json",
        type=output_file,
        default=Path("benchmarks/results/soak.json"),
        help="where the record goes (default: %(default)s)",
    )
    return parser.parse_args(argv)


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns 1 if a frame was lost or a thread stopped."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        record = soak(
            args.clips,
            seconds=60 * args.minutes,
            pause=args.pause,
            model=args.model,
            threads=args.threads,
            copies=args.copies,
        )
    except (InputError, OSError) as error:
        logger.error("%s", error)
        return 2
    write_record(record, args.json)
    memory: list[float | None] = [sample["rss_mb"] for sample in record["samples"]]
    most = max((held for held in memory if held is not None), default=None)
    slope = record["growth_mb_an_hour"]
    print(
        f"{record['frames']} frames in {record['seconds']:.0f} s, {record['lost']} lost; memory "
        f"{in_words(memory[0])} at first, {in_words(most)} at most, {in_words(memory[-1])} at "
        "last, "
        + ("too short for a slope" if slope is None else f"{slope:+.1f} MB an hour in the end")
    )
    return 1 if record["lost"] or any(player["error"] for player in record["players"]) else 0


if __name__ == "__main__":
    raise SystemExit(main())
