"""Interleaved timing: engines are called in turn, so that a slow minute hits them all."""

import time
from collections.abc import Callable, Mapping

import numpy as np

PERCENTILES = (50, 95, 99)


BURST = 5
"""Calls of one engine before the next one's turn."""

PAUSE = 0.05
"""Seconds before each turn: an engine's idle threads spin for a while and would slow the next."""


def interleave(
    calls: Mapping[str, Callable[[], object]],
    seconds: float,
    min_rounds: int,
    warmup: float,
    pause: float = PAUSE,
) -> dict[str, np.ndarray]:
    """Time several calls in rounds, in which each has a turn. Nothing is trimmed.

    A turn is a pause, one call that is not counted, as caches still hold the engine before, and
    :data:`BURST` that are.

    Args:
        calls: Name → what to time; one call is one frame.
        seconds: Least time for all rounds together.
        min_rounds: Least number of rounds; both limits must be reached.
        warmup: Seconds of rounds that are not counted.
        pause: Seconds before each turn.

    Returns:
        Name → milliseconds of each call that counts.
    """
    until = time.perf_counter() + warmup
    while time.perf_counter() < until:
        for call in calls.values():
            call()
    samples: dict[str, list[float]] = {name: [] for name in calls}
    began = time.perf_counter()
    rounds = 0
    while rounds < min_rounds or time.perf_counter() - began < seconds:
        for name, call in calls.items():
            time.sleep(pause)
            call()
            for _ in range(BURST):
                start = time.perf_counter()
                call()
                samples[name].append((time.perf_counter() - start) * 1e3)
        rounds += 1
    return {name: np.array(values) for name, values in samples.items()}


def summarise(samples: np.ndarray) -> dict[str, float]:
    """Summarise milliseconds.

    Args:
        samples: Milliseconds of each call.

    Returns:
        ``calls``, ``mean``, ``p50``, ``p95``, ``p99``, ``min``, ``cv`` (standard deviation over
        mean) and ``fps`` (of the median).
    """
    percentiles = {f"p{p}": float(np.percentile(samples, p)) for p in PERCENTILES}
    return {
        "calls": len(samples),
        "mean": float(samples.mean()),
        **percentiles,
        "min": float(samples.min()),
        "cv": float(samples.std() / samples.mean()),
        "fps": 1e3 / percentiles["p50"],
    }
