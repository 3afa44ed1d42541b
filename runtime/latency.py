"""Time by phase: measured for a frame, summed up for a stream."""

import time
from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np

from runtime.results import PHASES, Timings

PERCENTILES = (50, 95, 99)


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
        self._decode_work = array("d")
        self._samples = {phase: array("d") for phase in (*PHASES, "total")}

    def __len__(self) -> int:
        return len(self._samples["total"])

    def add(self, timings: Timings) -> None:
        """Count one frame.

        Args:
            timings: Its milliseconds by phase.
        """
        for phase in PHASES:
            self._samples[phase].append(timings[phase])
        self._samples["total"].append(timings.total)
        self._decode_work.append(timings.decode_work)

    def as_dict(self) -> dict[str, Any]:
        """Sum up.

        Returns:
            ``frames``, ``fps`` (frames over the sum of totals), ``ms``: phase → mean, p50, p95,
            p99, max, and ``decode_work_ms``: the same of `Timings.decode_work`. Without frames,
            the last three are None and empty.
        """
        if not len(self):
            return {"frames": 0, "fps": None, "ms": {}, "decode_work_ms": {}}
        total = sum(self._samples["total"])
        return {
            "frames": len(self),
            "fps": 1e3 * len(self) / total if total else None,
            "ms": {phase: _summary(samples) for phase, samples in self._samples.items()},
            "decode_work_ms": _summary(self._decode_work),
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
        return "\n".join([*lines, f"{summary['frames']} frames{rate}"])


def _summary(samples: array) -> Mapping[str, float]:
    values = np.asarray(samples)
    row = {"mean": float(values.mean())}
    row.update({f"p{p}": float(np.percentile(values, p)) for p in PERCENTILES})
    return {**row, "max": float(values.max())}
