"""What 8 bits stand for: ranges chosen by what the network sees on faces.

Each layer's inputs are rounded to whole multiples of range / 127 and cut off at the range. A large
range rounds coarsely what is small, a small one cuts off what is large: the range is taken that
leaves the least squared error over what the layer saw.
"""

from contextlib import closing
from dataclasses import replace

import numpy as np

from runtime.backends.native import NativeBackend
from runtime.native.model import NativeModel

STEPS = 127
"""From zero to the range."""

OCTAVE = 8
"""Bins an octave; with the next, as in ``engine/histogram.hpp``."""

SMALLEST = -20
"""Exponent of 2 at which the first bin begins."""


def bin_edges(bins: int) -> np.ndarray:
    """Give the bounds of the engine's bins of |x|.

    Args:
        bins: How many bins.

    Returns:
        (bins + 1,) ascending.
    """
    octave, eighth = np.divmod(np.arange(bins + 1), OCTAVE)
    return np.ldexp(1 + eighth / OCTAVE, octave + SMALLEST)


def best_ranges(counts: np.ndarray) -> np.ndarray:
    """Choose the ranges with the least squared error.

    Args:
        counts: How often |x| fell into each bin, (..., bins).

    Returns:
        (...) float32; where nothing was counted the smallest range there is.
    """
    edges = bin_edges(counts.shape[-1])
    middles, ranges = (edges[:-1] + edges[1:]) / 2, edges[1:]
    beyond = middles > ranges[:, None]  # (ranges, bins)
    cut_off = np.where(beyond, middles - ranges[:, None], 0) ** 2
    rounding = np.where(beyond, 0, (ranges[:, None] / STEPS) ** 2 / 12)
    error = counts @ (cut_off + rounding).T  # (..., ranges)
    return ranges[error.argmin(-1)].astype(np.float32)


def measure_ranges(model: NativeModel, faces: np.ndarray) -> dict[str, np.ndarray]:
    """Run the float32 network on faces, and choose the range of every layer.

    Args:
        model: In float32.
        faces: Crops, (N, 176, 176, 3) uint8, BGR.

    Returns:
        Name of the array → ranges, (groups, positions) float32.
    """
    with closing(NativeBackend(model, "cpu", threads=1)) as backend:
        backend.observe()
        backend(faces)
        return {f"{name}.range": best_ranges(c) for name, c in backend.histograms().items()}


def part_of(array: str) -> str:
    """Name the part of the network that an array belongs to: ``"stem.0"``, ``"refine"``."""
    first, second, *_ = array.split(".")
    return f"{first}.{second}" if first == "stem" else first


def quantise(
    model: NativeModel, faces: np.ndarray, mean_change: float
) -> tuple[NativeModel, dict[str, float], list[str], float]:
    """Add ranges, except for the parts that bear them worst.

    Args:
        model: In float32; its spec says int8.
        faces: Crops that show which numbers occur, (N, 176, 176, 3) uint8, BGR.
        mean_change: Mean change of a probability on these faces above which parts stay in float,
            those that change it most first.

    Returns:
        The model; part → what quantising it alone changes; the parts in float; and the mean change.
    """
    ranges = measure_ranges(model, faces)
    expected = _probabilities(model, faces)

    def changed(parts: list[str]) -> tuple[NativeModel, float]:
        chosen = {name: r for name, r in ranges.items() if part_of(name) in parts}
        quantised = replace(model, arrays={**model.arrays, **chosen})
        return quantised, float(np.abs(_probabilities(quantised, faces) - expected).mean())

    parts = sorted({part_of(name) for name in ranges})
    changes = {part: changed([part])[1] for part in parts}
    kept = sorted(parts, key=changes.__getitem__)
    quantised, change = changed(kept)
    while kept and change > mean_change:
        kept.pop()
        quantised, change = changed(kept)
    return quantised, changes, [part for part in parts if part not in kept], change


def _probabilities(model: NativeModel, faces: np.ndarray) -> np.ndarray:
    with closing(NativeBackend(model, "cpu", threads=1)) as backend:
        return backend(faces).probability
