"""Interleaved timing: engines take turns, so that a slow minute hits them all. Nothing is trimmed.

What is timed comes in rounds, in which each engine has one turn of several calls. The turns matter
for `benchmarks.shared.noise`: calls of one turn share what the machine was doing, so that turns,
not calls, are the independent observations.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

PERCENTILES = (50, 90, 95, 99)

LATE_MS = 1e3 / 30
"""A frame that takes longer comes late at 30 frames a second."""

BURST = 5
"""Calls of one engine before the next one's turn."""

PAUSE = 0.05
"""Seconds before each turn: an engine's idle threads spin for a while and would slow the next."""

Turn = Callable[[], Sequence[float] | np.ndarray]
"""One engine's turn: returns the milliseconds of each of its calls."""


@dataclass(frozen=True)
class Limits:
    """When to stop. At least ``rounds`` rounds, then whichever of the other two comes first.

    Attributes:
        seconds: Time of all rounds together.
        max_calls: Calls of one engine that are timed.
        rounds: Least number of rounds.
        warmup: Seconds for which each engine is called before anything counts.
    """

    seconds: float = 20.0
    max_calls: int = 500
    rounds: int = 8
    warmup: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.rounds < 1:
            raise ValueError(f"rounds: at least 1 is needed, got {self.rounds}")
        if self.max_calls < 1:
            raise ValueError(f"max_calls: at least 1 is needed, got {self.max_calls}")
        # Written so that NaN is refused.
        if not (self.seconds >= 0 and self.warmup >= 0):
            raise ValueError(
                f"seconds and warmup: must be at least 0, got {self.seconds} and {self.warmup}"
            )


def take_turns(turns: Mapping[str, Turn], limits: Limits) -> dict[str, np.ndarray]:
    """Let several engines take turns until the limits say stop.

    Args:
        turns: Name → its turn. A name's turns must all return the same number of calls.
        limits: When to stop; the warm-up is the caller's.

    Returns:
        Name → milliseconds, (rounds, calls of a turn).
    """
    samples: dict[str, list[np.ndarray]] = {name: [] for name in turns}
    began = time.perf_counter()
    rounds = calls = 0
    while rounds < limits.rounds or (
        calls < limits.max_calls and time.perf_counter() - began < limits.seconds
    ):
        for name, turn in turns.items():
            samples[name].append(np.asarray(turn(), float))
        rounds += 1
        calls += min(len(rows[-1]) for rows in samples.values())
    return {name: np.stack(rows) for name, rows in samples.items()}


def interleave(
    calls: Mapping[str, Callable[[], object]],
    limits: Limits,
    burst: int = BURST,
) -> dict[str, np.ndarray]:
    """Time several calls in rounds, in which each has a turn.

    A turn is a pause, one call that is not counted, as caches still hold the engine before, and
    ``burst`` that are.

    Args:
        calls: Name → what to time; one call is one batch of faces.
        limits: When to stop, and how long to warm up.
        burst: Calls of a turn that count.

    Returns:
        Name → milliseconds of each call that counts, (rounds, burst).
    """
    for call in calls.values():
        warm_up(call, limits.warmup)

    def turn(call: Callable[[], object]) -> list[float]:
        time.sleep(PAUSE)
        call()
        return [milliseconds(call) for _ in range(burst)]

    return take_turns({name: partial(turn, call) for name, call in calls.items()}, limits)


def warm_up(call: Callable[[], object], seconds: float) -> None:
    """Call something for a while, at least once, without counting.

    Args:
        call: What is going to be timed.
        seconds: How long.
    """
    until = time.perf_counter() + seconds
    call()
    while time.perf_counter() < until:
        call()


def milliseconds(call: Callable[[], object]) -> float:
    """Time one call, ms."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


def spread(samples: np.ndarray) -> dict[str, float]:
    """Describe how milliseconds are distributed.

    Args:
        samples: Milliseconds, of any shape.

    Returns:
        ``mean``, ``p50``, ``p90``, ``p95``, ``p99``, ``min`` and ``max``.
    """
    samples = np.ravel(samples)
    percentiles = {f"p{p}": float(np.percentile(samples, p)) for p in PERCENTILES}
    extremes = {"min": float(samples.min()), "max": float(samples.max())}
    return {"mean": float(samples.mean()), **percentiles, **extremes}


def summarise(samples: np.ndarray, frames: int = 1) -> dict[str, float]:
    """Summarise the calls of an engine.

    Args:
        samples: Milliseconds of each call, of any shape.
        frames: Frames (faces) of one call.

    Returns:
        ``calls``, what :func:`spread` gives, ``cv`` (standard deviation over mean), ``fps`` (frames
        a second at the median) and ``share_late``, the share of calls over :data:`LATE_MS`.
    """
    values = spread(samples)
    return {
        "calls": samples.size,
        **values,
        "cv": float(samples.std()) / values["mean"],
        "fps": 1e3 * frames / values["p50"],
        "share_late": float((samples > LATE_MS).mean()),
    }
