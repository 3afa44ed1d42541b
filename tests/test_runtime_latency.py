import json

import numpy as np
import pytest

from runtime import latency
from runtime.latency import LatencyStats, Stopwatch
from runtime.results import PHASES, Timings


def test_percentiles_of_a_known_list():
    stats = LatencyStats()
    for i in range(101):
        stats.add(Timings(decode=1, network=i, decode_work=100 - i))
    summary = stats.as_dict()
    assert summary["frames"] == len(stats) == 101
    row = {"mean": 50, "p50": 50, "p95": 95, "p99": 99, "max": 100}
    assert summary["ms"]["network"] == pytest.approx(row)
    assert summary["ms"]["total"] == pytest.approx({key: value + 1 for key, value in row.items()})
    assert summary["ms"]["find"]["max"] == 0
    # Work done ahead is told, but is no part of what a frame took.
    assert summary["decode_work_ms"] == pytest.approx(row)
    assert summary["fps"] == pytest.approx(1000 / 51)
    assert json.loads(json.dumps(summary)) == summary


def test_long_runs_are_summed_up_in_bounded_memory(monkeypatch):
    monkeypatch.setattr(latency, "EXACT", 500)
    times = np.random.default_rng(0).lognormal(3, 1, 4000)
    stats, sizes = LatencyStats(), []
    for i, time in enumerate(times.tolist()):
        stats.add(Timings(network=time, find=0.0 if i % 30 else 20.0))
        held = stats._times["network"]
        sizes.append(len(held._exact) + (0 if held._bins is None else len(held._bins)))
    assert max(sizes[500:]) == sizes[-1]
    assert len(held._exact) == 0
    summary = stats.as_dict()
    row = summary["ms"]["network"]
    assert row["mean"] == pytest.approx(times.mean())
    assert row["max"] == times.max()
    for p in (50, 95, 99):
        assert row[f"p{p}"] == pytest.approx(np.percentile(times, p), rel=0.015)
    find = summary["ms"]["find"]
    assert (find["p50"], find["p95"]) == (0, 0)
    assert find["p99"] == pytest.approx(20, rel=0.006)
    assert summary["frames"] == 4000
    assert json.loads(json.dumps(summary)) == summary


@pytest.mark.parametrize("time", [2.0, 3.0, 3.01, 17.3])
def test_long_runs_are_right_to_half_a_bin(monkeypatch, time):
    monkeypatch.setattr(latency, "EXACT", 10)
    stats = LatencyStats()
    for _ in range(20):
        stats.add(Timings(network=time))
    row = stats.as_dict()["ms"]["network"]
    assert row["p50"] == pytest.approx(time, rel=0.0051)
    assert row["p99"] <= row["max"] == time


def test_table_has_a_row_a_phase():
    stats = LatencyStats()
    stats.add(Timings(decode=2, network=8, decode_work=7))
    lines = stats.table().splitlines()
    assert lines[0].split() == ["ms", "a", "frame", "mean", "p50", "p95", "p99", "max"]
    assert [line.split()[0] for line in lines[1:-1]] == [*PHASES, "total"]
    assert lines[-2].split()[1:] == ["10.00"] * 5
    assert "100.0 a second" in lines[-1]
    assert "decoding took 7.00 ms" in lines[-1]


def test_nothing_measured():
    stats = LatencyStats()
    assert stats.as_dict() == {"frames": 0, "fps": None, "ms": {}, "decode_work_ms": {}}
    assert stats.table() == "no frames"


def test_stopwatch_leaves_no_gap(monkeypatch):
    clock = iter([10.0, 10.001, 10.005, 10.006])
    monkeypatch.setattr(latency.time, "perf_counter", lambda: next(clock))
    watch = Stopwatch()
    for phase in ("find", "network", "find"):
        watch.lap(phase)
    timings = watch.timings()
    assert timings.find == pytest.approx(2)
    assert timings.network == pytest.approx(4)
    assert timings.total == pytest.approx(6)


def test_timings_are_a_mapping():
    timings = Timings(1, 2, 3, 4, 5, decode_work=6)
    assert dict(timings) == {"decode": 1, "find": 2, "align": 3, "network": 4, "post": 5}
    assert timings.total == 15
    assert timings.decode_work == 6
    for other in ("total", "decode_work"):
        with pytest.raises(KeyError):
            timings[other]
