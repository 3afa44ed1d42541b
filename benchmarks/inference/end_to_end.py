"""Times detectors end to end on the demo clip, from decoding to the result, in turns."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from benchmarks.inference.exports import ModelFile, Unavailable, reason_of
from benchmarks.inference.probe import PipelineRequest, ProbeError, probe
from benchmarks.inference.rows import PipelineRow
from benchmarks.shared.noise import interval, rate_interval, resampled_medians, run_warnings
from benchmarks.shared.timing import PAUSE, Limits, milliseconds, spread, summarise, take_turns
from runtime import Detector, Result, draw
from runtime.errors import DeviceError, ModelError

TOTAL, DECODE_WORK, DRAW = "frame", "decode work", "draw"
"""Names of what is measured beside the runtime's own phases: from one result to the next, decoding
whether it was waited for or not, and drawing."""


class ClipPlayer:
    """One detector that plays a clip again and again, and what it took.

    The milliseconds of a frame are those from one result to the next as the caller sees them; their
    sum is the wall time of the loop, whatever the runtime does at the same time. The phases are
    what the runtime books on each frame, and may overlap.

    Args:
        detector: The detector.
        clip: The video.
        frames: Its frames, to draw on.
        with_drawing: Whether to draw inside the loop, so that it counts; otherwise the last pass is
            drawn afterwards, and reported beside.
    """

    def __init__(
        self, detector: Detector, clip: Path, frames: list[np.ndarray], with_drawing: bool
    ) -> None:
        self.detector, self.clip, self.frames = detector, clip, frames
        self.with_drawing = with_drawing
        self.phases: dict[str, list[float]] = {}
        self.faces = self.seen = 0

    def play(self) -> list[float]:
        """Play the clip once.

        Returns:
            Milliseconds of each frame.
        """
        time.sleep(PAUSE)
        spent, results, drawn = [], [], []
        last = time.perf_counter()
        for result in self.detector.stream(str(self.clip)):
            if self.with_drawing:
                drawn.append(milliseconds(partial(self._draw, result)))
            results.append(result)
            now = time.perf_counter()
            spent.append((now - last) * 1e3)
            last = now
        if not self.with_drawing:
            drawn = [milliseconds(partial(self._draw, result)) for result in results]
        self._book(results, drawn)
        return spent

    def forget(self) -> None:
        """Drop what was counted so far, such as the warm-up."""
        self.phases, self.faces, self.seen = {}, 0, 0

    def _draw(self, result: Result) -> None:
        draw(self.frames[result.index], result)

    def _book(self, results: list[Result], drawn: list[float]) -> None:
        for result in results:
            for phase, value in result.timings.items():
                self.phases.setdefault(phase, []).append(value)
            self.phases.setdefault(DECODE_WORK, []).append(result.timings.decode_work)
            self.faces += bool(result)
        self.phases.setdefault(DRAW, []).extend(drawn)
        self.seen += len(results)


def measure_end_to_end(
    rows: tuple[PipelineRow, ...],
    files: Mapping[str, ModelFile | Unavailable],
    clip: Path,
    threads: int,
    limits: Limits,
    with_drawing: bool = False,
) -> dict:
    """Measure detectors at one number of threads.

    Args:
        rows: What to measure; by the first one the machine's steadiness is judged.
        files: Key of each exported model that the rows name → its file.
        clip: The video.
        threads: CPU threads of the network and of OpenCV. The runtime decodes in one more.
        limits: When to stop; a call is a frame, a round plays the clip once with every detector.
        with_drawing: Whether drawing the results counts.

    Returns:
        The record of the run: ``rows``, ``unavailable``, ``warnings``.
    """
    cv2.setNumThreads(threads)
    frames = read_frames(clip)
    height, width = frames[0].shape[:2]
    record: dict = {
        "clip": f"{clip.name}, {width} × {height}, {len(frames)} frames",
        "threads": threads,
        "drawing_counts": with_drawing,
        "rows": [],
        "unavailable": [],
        "warnings": [],
    }
    probes: dict[str, dict] = {}
    players: dict[str, ClipPlayer] = {}
    with ExitStack() as detectors:
        for row in rows:
            try:
                model = _model(row, files)
                probes[row.name] = probe(
                    PipelineRequest(model, threads, str(clip.resolve()), row.backend, row.precision)
                )
                detector = detectors.enter_context(
                    Detector(model, threads=threads, backend=row.backend, precision=row.precision)
                )
            except (ProbeError, DeviceError, ModelError, ImportError) as error:
                reason = str(error) if isinstance(error, ProbeError) else reason_of(error)
                record["unavailable"].append({"key": row.key, "name": row.name, "reason": reason})
                continue
            players[row.name] = ClipPlayer(detector, clip, frames, with_drawing)
        if not players:
            return record
        for player in players.values():
            player.play()
            player.forget()
        samples = take_turns({name: player.play for name, player in players.items()}, limits)
        names = {name: repr(player.detector) for name, player in players.items()}
    medians = resampled_medians(samples)
    record["warnings"] = run_warnings(samples, medians, next(iter(players)))
    for row in rows:
        if row.name not in players:
            continue
        player, spent = players[row.name], samples[row.name]
        everything = {TOTAL: spent, **{key: np.array(v) for key, v in player.phases.items()}}
        record["rows"].append(
            {
                "key": row.key,
                "name": row.name,
                "detector": names[row.name],
                **summarise(spent),
                # Over the wall time of the loop, not at the median: a slow frame counts.
                "fps": 1e3 * spent.size / float(spent.sum()),
                "fps_interval": rate_interval(spent),
                "p50_interval": interval(medians[row.name]),
                "passes": len(spent),
                "frames_with_a_face": player.faces / player.seen,
                "ms": {key: spread(values) for key, values in everything.items()},
                **probes[row.name],
            }
        )
    return record


def read_frames(clip: Path) -> list[np.ndarray]:
    """Decode a clip.

    Args:
        clip: The video.

    Returns:
        Its frames, (H, W, 3) uint8 BGR.

    Raises:
        FileNotFoundError: There is none.
    """
    video = cv2.VideoCapture(str(clip))
    frames = []
    try:
        while True:
            read, frame = video.read()
            if not read:
                break
            frames.append(frame)
    finally:
        video.release()
    if not frames:
        raise FileNotFoundError(f"clip {clip} is not there or cannot be decoded: give another")
    return frames


def _model(row: PipelineRow, files: Mapping[str, ModelFile | Unavailable]) -> str | None:
    if row.model is None:
        return None
    file = files[row.model.key]
    if isinstance(file, Unavailable):
        raise ProbeError(file.reason)
    return str(file.path.resolve())
