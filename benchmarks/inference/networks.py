"""Times one network: every engine, in turns, on the same faces."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.inference.crops import batch_of
from benchmarks.inference.engines import Engine, open_engine
from benchmarks.inference.exports import ModelFile, Unavailable
from benchmarks.inference.probe import NetworkRequest, ProbeError, probe
from benchmarks.inference.rows import Row
from benchmarks.shared.noise import interval, resampled_medians, run_warnings
from benchmarks.shared.timing import Limits, interleave, milliseconds, summarise
from export.faces import LabelledFaces
from lgrnet.evaluation.metrics import f1_frame, mean_of_occurring, recognised
from runtime.align import warp


@dataclass(frozen=True, eq=False)
class Task:
    """What is measured.

    Attributes:
        preset: Name of the network.
        checkpoint: Its weights.
        faces: Crops to compare results on, (N, 176, 176, 3) uint8; the first are timed.
        batch: Faces of one call.
        threads: CPU threads of every engine.
        limits: When to stop.
        folder: Where files may be put meanwhile.
        frame: A frame with a face and the matrix to its crop, for engines on a GPU that run one
            face at a time; None to leave that out.
        labelled: Faces whose AUs are known, to tell what each engine costs of F1, and the
            thresholds of the network's AUs, (n,); None to leave that out.
    """

    preset: str
    checkpoint: Path
    faces: np.ndarray
    batch: int
    threads: int
    limits: Limits
    folder: Path
    frame: tuple[np.ndarray, np.ndarray] | None = None
    labelled: tuple[LabelledFaces, np.ndarray] | None = None


def measure_network(
    task: Task, rows: Sequence[Row], files: Mapping[str, ModelFile | Unavailable]
) -> dict:
    """Measure the engines of one network at one number of threads.

    Args:
        task: What is measured.
        rows: What to measure; the first is eager PyTorch, what all are compared with.
        files: Key of each row → its file, from `benchmarks.inference.exports.Exports`.

    Returns:
        The record of the run: ``engines``, a list with what was measured of each; ``unavailable``,
        rows that could not be measured, with the reason; ``warnings``.

    Raises:
        ProbeError: Not even eager PyTorch works.
    """
    eager = rows[0]
    timed = batch_of(task.faces, task.batch)
    crops = task.folder / f"crops_{task.batch}.npy"
    np.save(crops, timed)
    probes, unavailable = {}, []
    chosen, opened = [], dict[str, ModelFile]()
    for row in rows:
        file = files[row.key]
        if isinstance(file, ModelFile):
            try:
                probes[row.key] = probe(_request(row, file, task.threads, crops))
                chosen.append(row)
                opened[row.key] = file
                continue
            except ProbeError as error:
                if row is eager:
                    raise
                file = Unavailable(str(error))
        unavailable.append({"key": row.key, "name": row.name, "reason": file.reason})
    engines = {row.key: _open(row, opened[row.key], task.threads) for row in chosen}
    try:
        answers = {key: _answers(engine, task.faces, task) for key, engine in engines.items()}
        scores = {key: _mean_f1(engine, task) for key, engine in engines.items()}
        calls = {
            row.name: lambda engine=engines[row.key]: engine.run(timed)  # B023: bound at once
            for row in chosen
        }
        samples = interleave(calls, task.limits)
        on_gpu = {
            row.key: measure_gpu(engines[row.key], timed, task.frame)
            for row in chosen
            if row.device != "cpu"
        }
    finally:
        for engine in engines.values():
            engine.close()
    medians = resampled_medians(samples)
    record = {
        "preset": task.preset,
        "weights": task.checkpoint.name,
        "aus": answers[eager.key].shape[1],
        "threads": task.threads,
        "batch": task.batch,
        "faces_compared": len(task.faces),
        "rounds": len(samples[eager.name]),
        "engines": [],
        "unavailable": unavailable,
        "warnings": run_warnings(samples, medians, eager.name)
        + [
            f"{row.name} takes {engines[row.key].threads} threads, not {task.threads}"
            for row in chosen
            if engines[row.key].threads != task.threads
        ],
    }
    for row in chosen:
        model, engine = opened[row.key], engines[row.key]
        ratios = medians[eager.name] / medians[row.name]
        difference = np.abs(answers[row.key] - answers[eager.key])
        record["engines"].append(
            {
                "key": row.key,
                "name": row.name,
                "library": row.library,
                "device": row.device,
                "provider": engine.provider,
                "graph": model.graph,
                "precision": row.precision,
                "active": engine.active,
                "threads": engine.threads,
                **summarise(samples[row.name], task.batch),
                "p50_interval": interval(medians[row.name]),
                "ratio_to_eager": float(
                    np.median(samples[eager.name]) / np.median(samples[row.name])
                ),
                "ratio_interval": interval(ratios),
                "max_au_difference": float(difference.max()),
                "f1_change": _points(scores[row.key], scores[eager.key]),
                "nodes": model.nodes,
                "megabytes": model.megabytes,
                **probes[row.key],
                **on_gpu.get(row.key, {}),
            }
        )
    return record


GPU_CALLS = 100
"""Calls for each of the numbers of :func:`measure_gpu`."""

_LEAST_CALLS = 10
GPU_SECONDS = 3.0
"""After which there are no more, but the first ten: eager PyTorch is slow, and GPUs are lent."""


def measure_gpu(
    engine: Engine,
    faces: np.ndarray,
    frame: tuple[np.ndarray, np.ndarray] | None,
    calls: int = GPU_CALLS,
) -> dict[str, float | int | None]:
    """Measure what only engines on a GPU have.

    Args:
        engine: An opened engine.
        faces: Crops of one call, (B, 176, 176, 3) uint8.
        frame: See :class:`Task`.
        calls: Calls of each kind, or as many as :data:`GPU_SECONDS` hold.

    Returns:
        ``gpu_p50`` and ``gpu_p99``, ms of the GPU itself for a call, copies included; ``kernels``
        of a call; ``frame_p50`` and ``frame_p99``, ms from a frame in the host's memory to AUs;
        ``frame_difference``, how far these AUs are at most from those of the crop that the CPU
        cuts. None where it cannot be known.
    """
    values: dict[str, float | int | None] = dict.fromkeys(
        ("gpu_p50", "gpu_p99", "kernels", "frame_p50", "frame_p99", "frame_difference")
    )
    if (gpu_seconds := engine.gpu_seconds) is not None:
        engine.run(faces)
        times = _repeat(lambda: 1e3 * gpu_seconds(faces), calls)
        values["gpu_p50"], values["gpu_p99"] = np.percentile(times, (50, 99)).tolist()
    if engine.kernels is not None:
        values["kernels"] = engine.kernels(faces)
    if (from_frame := engine.from_frame) is not None and frame is not None and len(faces) == 1:
        cut_there, cut_here = from_frame(*frame), engine.run(warp(*frame)[None])
        values["frame_difference"] = float(np.abs(cut_there - cut_here).max())
        times = _repeat(lambda: milliseconds(partial(from_frame, *frame)), calls)
        values["frame_p50"], values["frame_p99"] = np.percentile(times, (50, 99)).tolist()
    return values


def _repeat(measure: Callable[[], float], calls: int) -> list[float]:
    until, times = time.monotonic() + GPU_SECONDS, list[float]()
    while len(times) < calls and (len(times) < _LEAST_CALLS or time.monotonic() < until):
        times.append(measure())
    return times


def _request(row: Row, file: ModelFile, threads: int, crops: Path) -> NetworkRequest:
    return NetworkRequest(
        library=row.library,
        path=str(file.path.resolve()),
        threads=threads,
        faces=str(crops.resolve()),
        active=row.active,
        compiled=row.compiled,
        device=row.device,
    )


def _open(row: Row, file: ModelFile, threads: int) -> Engine:
    return open_engine(
        row.library,
        file.path,
        threads,
        active=row.active,
        compiled=row.compiled,
        device=row.device,
    )


def _mean_f1(engine: Engine, task: Task) -> float | None:
    """Return the mean F1 over the AUs that labelled faces show; None without such faces."""
    if task.labelled is None:
        return None
    faces, thresholds = task.labelled
    present = recognised(_answers(engine, faces.faces, task), thresholds)
    return mean_of_occurring(f1_frame(present, faces.presence), faces.presence)


def _points(score: float | None, reference: float | None) -> float | None:
    return None if score is None or reference is None else 100 * (score - reference)


def _answers(engine: Engine, faces: np.ndarray, task: Task) -> np.ndarray:
    """Run faces in batches: (N, n) probabilities."""
    count = len(faces)
    padded = batch_of(faces, -(-count // task.batch) * task.batch)
    parts = [
        engine.run(padded[start : start + task.batch])
        for start in range(0, len(padded), task.batch)
    ]
    return np.concatenate(parts)[:count].astype(np.float64)
