"""Time by phase: measured for a frame, summed up for a stream."""

import math
import time
from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np

from runtime.results import PHASES, Timings

PERCENTILES = (50, 95, 99)

EXACT = 100_000
"""Frames up to which every time is kept. Of longer runs, which may last for weeks, counts are kept
in bins that are 1 % wide, so that percentiles are right to half of that."""

_LEAST, _STEP = 1e-3, 0.01
_BINS = 2500  # up to 7e7 ms


class Stopwatch:
    """Splits the time of one frame into phases without gaps."""

    def __init__(self) -> None:
        self._spent = dict.fromkeys(PHASES, 0.0)
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        """Book the time since the last lap, or since the start, on a phase.

        Args:
            phase: One of `runtime.results.PHASES`.
        """
        now = time.perf_counter()
        self._spent[phase] += (now - self._last) * 1e3
        self._last = now

    def timings(self) -> Timings:
        """Return what was booked so far."""
        return Timings(**self._spent)


class LatencyStats:
    """Percentiles of every phase over a stream. Nothing is trimmed, the first frame counts too.

    ``total`` is the time from asking the source for a frame to having its result. Decoding is in
    it as far as it was waited for; what it took by itself is summed up beside the phases.
    """

    def __init__(self) -> None:
        self._decode_work = _Times()
        self._times = {phase: _Times() for phase in (*PHASES, "total")}

    def __len__(self) -> int:
        return self._times["total"].count

    def add(self, timings: Timings) -> None:
        """Count one frame.

        Args:
            timings: Its milliseconds by phase.
        """
        for phase in PHASES:
            self._times[phase].add(timings[phase])
        self._times["total"].add(timings.total)
        self._decode_work.add(timings.decode_work)

    def as_dict(self) -> dict[str, Any]:
        """Sum up.

        Returns:
            ``frames``, ``fps`` (frames over the sum of totals), ``ms``: phase → mean, p50, p95,
            p99, max, and ``decode_work_ms``: the same of `Timings.decode_work`. Without frames,
            the last three are None and empty.
        """
        if not len(self):
            return {"frames": 0, "fps": None, "ms": {}, "decode_work_ms": {}}
        total = self._times["total"].sum
        return {
            "frames": len(self),
            "fps": 1e3 * len(self) / total if total else None,
            "ms": {phase: times.summary() for phase, times in self._times.items()},
            "decode_work_ms": self._decode_work.summary(),
        }

    def table(self) -> str:
        """Write the summary for people, in fixed columns."""
        summary = self.as_dict()
        if not summary["frames"]:
            return "no frames"
        columns = ("mean", *(f"p{p}" for p in PERCENTILES), "max")
        lines = [f"{'ms a frame':<12}" + "".join(f"{column:>9}" for column in columns)]
        for phase, row in summary["ms"].items():
            lines.append(f"{phase:<12}" + "".join(f"{row[column]:>9.2f}" for column in columns))
        fps, work = summary["fps"], summary["decode_work_ms"]["mean"]
        rate = "" if fps is None else f", {fps:.1f} a second end to end"
        rate += f"; decoding took {work:.2f} ms a frame, waited for or done ahead"
        return "\n".join(
            [*lines, f"{summary['frames']} frame{'s' * (summary['frames'] != 1)}{rate}"]
        )


class _Times:
    """Times of one phase, in bounded memory; see `EXACT`."""

    def __init__(self) -> None:
        self.count, self.sum, self._most = 0, 0.0, 0.0
        self._exact = array("d")
        self._bins: np.ndarray | None = None

    def add(self, time: float) -> None:
        """Count one, milliseconds."""
        self.count += 1
        self.sum += time
        self._most = max(self._most, time)
        if self._bins is not None:
            self._bins[_bin(time)] += 1
            return
        self._exact.append(time)
        if self.count >= EXACT:
            self._bins = np.bincount([_bin(each) for each in self._exact], minlength=_BINS)
            self._exact = array("d")

    def summary(self) -> Mapping[str, float]:
        """Return mean, percentiles and maximum."""
        row = {"mean": self.sum / self.count}
        if self._bins is None:
            values = np.asarray(self._exact)
            row.update({f"p{p}": float(np.percentile(values, p)) for p in PERCENTILES})
        else:
            upto = np.cumsum(self._bins)
            for p in PERCENTILES:
                place = int(np.searchsorted(upto, p / 100 * (self.count - 1), side="right"))
                row[f"p{p}"] = min(_middle(place), self._most)
        return {**row, "max": self._most}


def _bin(time: float) -> int:
    """Number the bin of a time; the first holds what is next to nothing."""
    if time < _LEAST:
        return 0
    return min(1 + int(math.log(time / _LEAST) / _STEP), _BINS - 1)


def _middle(number: int) -> float:
    return _LEAST * math.exp((number - 0.5) * _STEP) if number else 0.0
