import numpy as np
import pytest

from benchmarks.shared.noise import (
    IDLE_LOAD,
    LEAST_ROUNDS,
    interval,
    load_warnings,
    rate_interval,
    resampled_medians,
    run_warnings,
    ties,
    turn_variation,
)

ROUNDS, BURST = 30, 5


def simulate(rng, milliseconds, shared=0.0, turn=0.0, call=0.02, rounds=ROUNDS):
    """Make the samples of engines on a machine whose noise is per round, per turn and per call."""
    weather = np.exp(shared * rng.normal(size=(rounds, 1)))
    return {
        name: ms
        * weather
        * np.exp(turn * rng.normal(size=(rounds, 1)))
        * np.exp(call * rng.normal(size=(rounds, BURST)))
        for name, ms in milliseconds.items()
    }


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(60):
        samples = simulate(rng, {"eager": 30.0, "fast": 20.0}, shared=0.1, turn=0.05)
        medians = resampled_medians(samples)
        low, high = interval(medians["eager"] / medians["fast"])
        held += low <= 1.5 <= high
    assert held >= 51  # 57 expected of 60; a tenth of that by chance is 1 in 1000


def test_bounds_of_a_rate_hold_the_true_one_also_where_some_rounds_are_slow():
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(60):  # 12 rounds of 20 calls; every fifth round, by chance, takes twice as long
        slow = 1 + (rng.uniform(size=(12, 1)) < 0.2)
        low, high = rate_interval(10.0 * slow * np.exp(0.02 * rng.normal(size=(12, 20))))
        held += low <= 1e3 / 12.0 <= high
    assert held >= 48  # of the medians of the same rounds 30 hold it
    low, high = rate_interval(np.repeat([[10.0]] * 9 + [[20.0]], 5, axis=1))
    assert low < 1e3 / 11 < high
    assert rate_interval(np.full((8, 5), 4.0)) == pytest.approx((250, 250))


def test_turns_are_the_unit_not_calls():
    # Calls of a turn are the same: drawing calls would pretend to know five times as much.
    rng = np.random.default_rng(1)
    samples = simulate(rng, {"a": 10.0}, turn=0.2, call=0.0)
    low, high = interval(resampled_medians(samples)["a"])
    one_each = {"a": samples["a"][:, :1]}
    assert (low, high) == pytest.approx(interval(resampled_medians(one_each)["a"]))


def test_what_slows_a_whole_round_cancels_in_ratios():
    samples = simulate(np.random.default_rng(2), {"a": 10.0, "b": 11.0}, shared=0.5, call=0.0)
    medians = resampled_medians(samples)
    low, high = interval(medians["b"] / medians["a"])
    assert (low, high) == pytest.approx((1.1, 1.1))
    low, high = interval(medians["a"])
    assert high / low > 1.2


def test_a_draw_is_repeatable_and_its_middle_is_the_median():
    samples = simulate(np.random.default_rng(3), {"a": 10.0})
    medians = resampled_medians(samples)["a"]
    np.testing.assert_array_equal(medians, resampled_medians(samples)["a"])
    assert np.median(medians) == pytest.approx(np.median(samples["a"]), rel=0.01)


def test_rounds_must_match():
    with pytest.raises(ValueError, match="same number of rounds"):
        resampled_medians({"a": np.ones((3, 5)), "b": np.ones((4, 5))})
    with pytest.raises(ValueError, match="above 0"):
        resampled_medians({"a": np.ones((0, 5))})


def test_ties_are_between_neighbours_in_speed_that_overlap():
    rng = np.random.default_rng(4)
    speeds = {"slow": 30.0, "eager": 20.0, "twin": 20.02, "fast": 10.0}
    found = ties(resampled_medians(simulate(rng, speeds)))
    assert len(found) == 1
    fast, slow, (low, high) = found[0]
    assert {fast, slow} == {"eager", "twin"}
    assert low <= 1 <= high


def test_a_steady_machine_gets_no_warning():
    samples = simulate(np.random.default_rng(5), {"eager": 20.0, "fast": 10.0}, shared=0.03)
    assert run_warnings(samples, resampled_medians(samples), "eager") == []


def test_warnings_name_what_cannot_be_told():
    rng = np.random.default_rng(6)
    samples = simulate(rng, {"eager": 20.0, "fast": 19.0}, turn=0.4)
    found = run_warnings(samples, resampled_medians(samples), "eager")
    assert any("eager differ by" in each and "not steady" in each for each in found)
    assert any("fast and eager cannot" in each or "eager and fast cannot" in each for each in found)


def test_few_rounds_are_a_warning():
    samples = simulate(np.random.default_rng(7), {"eager": 20.0}, rounds=LEAST_ROUNDS - 1)
    (found,) = run_warnings(samples, resampled_medians(samples), "eager")
    assert f"only {LEAST_ROUNDS - 1} rounds" in found


def test_turn_variation_is_between_turns_not_within():
    assert turn_variation(np.tile([1.0, 5.0, 9.0], (4, 1))) == 0
    assert turn_variation(np.array([[9.0] * 3, [11.0] * 3])) == pytest.approx(0.1)


def test_load_before_the_run():
    assert load_warnings(IDLE_LOAD * 4, 4) == []
    (found,) = load_warnings(2.5, 4)
    assert "2.50 on 4 cores" in found
    (found,) = load_warnings(None, 4)
    assert "no load average" in found


def test_medians_are_over_all_calls_of_the_drawn_rounds():
    rng = np.random.default_rng(1)
    values = rng.lognormal(0, 1, (9, 5))
    found = resampled_medians({"a": values})["a"]
    drawn = np.random.default_rng(0).integers(0, 9, (len(found), 9))
    for place in (0, 1, len(found) - 1):
        calls = sorted(call for row in drawn[place] for call in values[row])
        assert found[place] == calls[22]  # the middle of 45
    low, high = interval(np.arange(1001.0))
    assert (low, high) == pytest.approx((25, 975))
    assert turn_variation(np.array([[1.0, 1, 100], [1, 1, 1]])) == 0, "one slow call is no turn"


def test_who_is_slower_in_every_draw_is_told_apart():
    fast, slow = np.linspace(1, 2, 200), np.linspace(1.1, 2.2, 200)
    assert ties({"fast": fast, "slow": slow}) == []
    assert [tie[:2] for tie in ties({"fast": fast, "slow": slow[::-1]})] == [("fast", "slow")]
