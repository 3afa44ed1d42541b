import numpy as np
import pytest

from benchmarks.machine import describe_machine
from benchmarks.timing import BURST, interleave, summarise


def test_engines_take_turns_until_both_limits_are_reached():
    order = []
    calls = {name: lambda name=name: order.append(name) for name in "abc"}
    samples = interleave(calls, seconds=0.0, min_rounds=4, warmup=0.0, pause=0.0)
    turn = BURST + 1  # one call that is not counted
    assert order == ["a"] * turn + ["b"] * turn + ["c"] * turn + order[: 9 * turn]
    counts = {name: len(values) for name, values in samples.items()}
    assert counts == dict.fromkeys("abc", 4 * BURST)


def test_time_limit_outlasts_the_round_limit():
    samples = interleave({"a": lambda: None}, seconds=0.05, min_rounds=1, warmup=0.0, pause=0.01)
    assert len(samples["a"]) > BURST


def test_summary_is_numpys():
    values = np.random.default_rng(0).exponential(10, 500)
    summary = summarise(values)
    assert summary["p95"] == pytest.approx(np.percentile(values, 95))
    assert summary["p50"] == pytest.approx(np.median(values))
    assert summary["fps"] == pytest.approx(1000 / np.median(values))
    assert summary["calls"] == 500  # nothing is trimmed


def test_machine_names_what_a_reader_needs():
    machine = describe_machine()
    assert machine["cores"] >= 1
    assert {"numpy", "torch", "onnxruntime"} <= set(machine["versions"])
    assert machine["cpu"]
