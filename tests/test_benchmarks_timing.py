import numpy as np
import pytest

from benchmarks.shared import timing
from benchmarks.shared.timing import (
    BURST,
    Limits,
    interleave,
    spread,
    summarise,
    take_turns,
    warm_up,
)


class Clock:
    """A clock that only moves when told to, in place of the real one."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(timing.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(timing.time, "sleep", self.wait)

    def wait(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_engines_take_turns(clock):
    order = []
    calls = {name: lambda name=name: order.append(name) for name in "abc"}
    samples = interleave(calls, Limits(seconds=0, rounds=4, warmup=0))
    turn = BURST + 1  # one call that is not counted
    assert order[:3] == ["a", "b", "c"]  # the warm-up
    assert order[3:] == (["a"] * turn + ["b"] * turn + ["c"] * turn) * 4
    assert {name: values.shape for name, values in samples.items()} == dict.fromkeys(
        "abc", (4, BURST)
    )


def test_each_call_is_timed_by_itself_and_nothing_is_dropped(clock):
    lengths = iter([9.0, 7.0, 0.01, 0.5, 0.02, 8.0, 0.03, 0.04, 0.05])
    # 9 is the warm-up, 7 and 8 come first in their turns.
    samples = interleave(
        {"a": lambda: clock.wait(next(lengths))}, Limits(seconds=0, rounds=2, warmup=0), burst=3
    )
    np.testing.assert_allclose(samples["a"], [[10, 500, 20], [30, 40, 50]])


def test_warm_up_is_by_time(clock):
    calls = []
    warm_up(lambda: (calls.append(1), clock.wait(0.3)), seconds=1.0)
    assert len(calls) == 4


def test_every_engine_is_warmed_up_for_as_long_as_is_said(clock):
    order = []

    def call(name, seconds):
        order.append(name)
        clock.wait(seconds)

    calls = {"slow": lambda: call("slow", 0.6), "fast": lambda: call("fast", 0.25)}
    interleave(calls, Limits(seconds=0, rounds=2, warmup=1.1), burst=1)
    # 1.2 s and 1.25 s; then two rounds, in each of which each has two calls.
    assert order == ["slow"] * 2 + ["fast"] * 5 + ["slow", "slow", "fast", "fast"] * 2


def rounds_run(clock, limits, seconds_a_round, calls_a_round):
    def turn():
        clock.wait(seconds_a_round)
        return [1.0] * calls_a_round

    return len(take_turns({"a": turn}, limits)["a"])


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(seconds=10, max_calls=1000, rounds=1), 5),  # time comes first
        (Limits(seconds=10, max_calls=15, rounds=1), 3),  # the count comes first
        (Limits(seconds=10, max_calls=11, rounds=1), 3),
        (Limits(seconds=10, max_calls=1000, rounds=9), 9),  # the least number overrides time
        (Limits(seconds=10, max_calls=15, rounds=9), 9),  # and the count
    ],
)
def test_runs_are_bounded_by_time_and_count(clock, limits, expected):
    assert rounds_run(clock, limits, seconds_a_round=2, calls_a_round=5) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"rounds": 0},
        {"max_calls": 0},
        {"seconds": -1},
        {"warmup": -1},
        {"seconds": float("nan")},
    ],
)
def test_impossible_limits_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Limits(**wrong)


def test_summary_is_numpys():
    values = np.random.default_rng(0).exponential(20, (100, 5))
    summary = summarise(values, frames=4)
    for percentile in (50, 90, 95, 99):
        expected = np.percentile(values, percentile)
        assert summary[f"p{percentile}"] == pytest.approx(expected)
        assert spread(values)[f"p{percentile}"] == pytest.approx(expected)
    assert summary["calls"] == 500  # nothing is trimmed
    assert summary["max"] == values.max()
    assert summary["cv"] == pytest.approx(np.std(values) / np.mean(values))
    assert summary["fps"] == pytest.approx(4000 / np.median(values))


def test_late_frames_are_those_over_a_thirtieth_of_a_second():
    assert summarise(np.array([33.0, 33.3, 33.4, 100.0]))["share_late"] == 0.5


def test_spread_of_a_phase_that_takes_no_time():
    assert spread(np.zeros(3))["p99"] == 0


def test_frames_that_take_longer_than_a_thirtieth_are_late():
    assert summarise(np.array([[10.0, 33.0], [34.0, 1.0]]))["share_late"] == 0.25
