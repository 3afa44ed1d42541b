"""Interleaved timing: engines are called in turn, so that a slow minute hits them all."""

import time
from collections.abc import Callable, Mapping

import numpy as np

PERCENTILES = (50, 95, 99)


def interleave(
    calls: Mapping[str, Callable[[], object]],
    seconds: float,
    min_rounds: int,
    warmup: float,
) -> dict[str, np.ndarray]:
    """Time several calls in rounds of one call each. Nothing is trimmed.

    Args:
        calls: Name → what to time; one call is one frame.
        seconds: Least time for all rounds together.
        min_rounds: Least number of rounds; both limits must be reached.
        warmup: Seconds of rounds that are not counted.

    Returns:
        Name → milliseconds of each round.
    """
    until = time.perf_counter() + warmup
    while True:
        for call in calls.values():
            call()
        if time.perf_counter() >= until:
            break
    samples: dict[str, list[float]] = {name: [] for name in calls}
    began = time.perf_counter()
    rounds = 0
    while rounds < min_rounds or time.perf_counter() - began < seconds:
        for name, call in calls.items():
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
