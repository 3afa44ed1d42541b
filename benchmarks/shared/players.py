"""What a soak plays: a clip as a file, as frames, as a camera on the network, and with all outputs.

Each is played again and again by a thread with a detector of its own.
"""

import csv
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from runtime import Detector, open_source
from runtime.errors import InputError
from runtime.outputs import Wanted
from runtime.run import Run

logger = logging.getLogger(__name__)

HANGS_UP = 500
"""Frames after which the camera ends a connection and has to be got back."""

FORMATS = ("jsonl", "openface", "pyfeat", "parquet", "events", "vtt")
"""What is written beside the native table and the annotated video."""


@dataclass
class Player:
    """One thread: a clip that is played as a file again and again.

    Attributes:
        detector: Its own.
        clip: The video.
        expected: Frames that should have come out so far.
        frames: Frames that came out.
        dropped: Frames that a live source passed over, and said so.
        faces: Faces in them.
        passes: Times that the clip was played to its end, or that the camera was connected to.
        error: What stopped it too early.
        slowest: Milliseconds of the slowest frame.
        spent: Milliseconds of all frames.
    """

    how: ClassVar[str] = "file"

    detector: Detector
    clip: Path
    expected: int = 0
    frames: int = 0
    dropped: int = 0
    faces: int = 0
    passes: int = 0
    error: str = ""
    slowest: float = 0.0
    spent: float = field(default=0.0, repr=False)

    @property
    def name(self) -> str:
        """What is played, and how."""
        return f"{self.clip.name}, {self.how}"

    @property
    def lost(self) -> int:
        """Frames that did not come out though nothing said so."""
        return self.expected - self.frames - self.dropped

    def play(self, stop: threading.Event) -> None:
        """Play until told to stop; each pass to its end."""
        try:
            self._play(stop)
        except Exception as error:  # the other threads go on; the record says what happened
            self.error = f"{type(error).__name__}: {error}"
            logger.exception("%s stopped", self.name)

    def _play(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.expected += length(self.clip)
            for result in self.detector.stream(self.clip):
                self._count(len(result), result.timings.total)
            self.passes += 1

    def _count(self, faces: int, total: float) -> None:
        self.frames += 1
        self.faces += faces
        self.slowest = max(self.slowest, total)
        self.spent += total

    def as_dict(self) -> dict:
        """Sum up."""
        return {
            "name": self.name,
            "passes": self.passes,
            "frames": self.frames,
            "expected": self.expected,
            "dropped": self.dropped,
            "lost": self.lost,
            "faces": self.faces,
            "ms_a_frame": self.spent / self.frames if self.frames else None,
            "slowest_ms": self.slowest,
            "error": self.error,
        }


class FramesPlayer(Player):
    """The frames of a clip, handed in by an iterator, as one endless stream."""

    how = "frames of an iterator"

    def _play(self, stop: threading.Event) -> None:
        for result in self.detector.stream(self._endless(stop)):
            self._count(len(result), result.timings.total)

    def _endless(self, stop: threading.Event) -> Iterator[np.ndarray]:
        while not stop.is_set():
            with open_source(self.clip) as shots:
                for shot in shots:
                    self.expected += 1
                    yield shot.frame
            self.passes += 1


class CameraPlayer(Player):
    """The clip as a camera on the network that goes away and comes back, see `benchmarks.camera`.

    Frames that are too many are dropped; each has to be counted as dropped.
    """

    how = "camera on the network"

    def _play(self, stop: threading.Event) -> None:
        command = [sys.executable, "-m", "benchmarks.camera", str(self.clip)]
        command += ["--frames", str(HANGS_UP)]
        with subprocess.Popen(
            command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as camera:
            assert camera.stdout is not None  # it is a pipe
            try:
                address = f"http://127.0.0.1:{int(camera.stdout.readline())}"
                with open_source(f"{address}/live") as shots:
                    for _, result in self.detector.run(shots):
                        self._count(len(result), result.timings.total)
                        self.expected, self.dropped = result.index + 1, result.dropped
                        if stop.is_set():
                            break
                with urllib.request.urlopen(f"{address}/connections") as answer:
                    self.passes = int(answer.read())
            finally:
                camera.terminate()


class WritingPlayer(Player):
    """The clip as the command line runs it, with all outputs; what is counted is what they hold."""

    how = "file, all outputs written"

    def _play(self, stop: threading.Event) -> None:
        with (
            tempfile.TemporaryDirectory(prefix="lgrnet-soak-") as folder,
            open(os.devnull, "w", encoding="utf-8") as nowhere,
        ):
            wanted = Wanted(Path(folder), FORMATS, overwrite=True)
            run = Run(self.detector, wanted, self.detector.aus, progress=False, notes=nowhere)
            while not stop.is_set():
                with open_source(self.clip) as shots:
                    self.expected += length(self.clip)
                    run.process(shots)
                self._read(Path(folder))
                self.passes += 1

    def _read(self, folder: Path) -> None:
        """Count the frames of every file; what the poorest holds is what came out."""
        stem = self.clip.stem
        with (folder / f"{stem}.jsonl").open(encoding="utf-8") as lines:
            said = [json.loads(line) for line in lines]
        held = {
            "jsonl": len(said),
            "annotated.mp4": length(folder / f"{stem}.annotated.mp4"),
            "parquet": _frames_of_parquet(folder / f"{stem}.parquet"),
        }
        for table in (".csv", ".openface.csv", ".pyfeat.csv"):
            with (folder / f"{stem}{table}").open(newline="", encoding="utf-8") as rows:
                held[table] = len({row["frame"] for row in csv.DictReader(rows)})
        if len(set(held.values())) > 1:
            raise RuntimeError(f"the files of one run hold different frames: {held}")
        for result in said:
            self._count(len(result["faces"]), sum(result["timings"].values()))


PLAYERS = (Player, FramesPlayer, CameraPlayer, WritingPlayer)
"""Kinds of players, in the order in which threads take turns."""


def length(clip: Path) -> int:
    """Return how many frames a video says it has.

    Args:
        clip: Its path.

    Raises:
        InputError: It does not say, or cannot be read.
    """
    with open_source(clip) as source:
        if not source.count:
            raise InputError(f"{clip} does not say how many frames it has: convert it to an .mp4")
        return source.count


def _frames_of_parquet(path: Path) -> int:
    import pyarrow.parquet

    return len(pyarrow.parquet.read_table(path, columns=["frame"])["frame"].unique())
