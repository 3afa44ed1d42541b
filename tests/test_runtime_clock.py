"""Times of frames where a container has some twice, or none, or begins again."""

import math

import numpy as np
import pytest

from runtime.sources.clock import Clock


def given(*said, step=0.08):
    clock = Clock(step)
    return [clock(time) for time in said]


def test_a_containers_own_times_are_kept():
    said = np.cumsum([0, 0.033, 0.04, 1.5, 0.01, 0.2]).tolist()
    assert given(*said) == said
    assert given(0.5, 0.6) == [0.5, 0.6]


@pytest.mark.parametrize("copies", [1, 2, 4])
def test_frames_at_one_time_lie_before_the_next_which_keeps_its_own(copies):
    thirtieths = [i / 30 for i in range(10)]
    said = [*thirtieths[:4], *[thirtieths[3]] * copies, *thirtieths[4:]]
    times = given(*said)
    assert times[:4] == thirtieths[:4]
    assert times[4 + copies :] == thirtieths[4:]
    assert (np.diff(times) > 0).all()


def test_without_times_frames_have_a_step_between():
    assert given(*[0.0] * 4, step=0.1) == pytest.approx([0, 0.1, 0.2, 0.3])
    clock = Clock(0.1)
    assert [bool(clock(0.0) + 1) and clock.guesses for _ in range(25)] == [False] * 21 + [True] * 4
    assert given(*[math.nan] * 3, step=0.1) == pytest.approx([0, 0.1, 0.2])
    # Times that are lost on the way.
    lost = given(0, 0.1, 0.2, *[0.2] * 20, step=0.1)
    assert np.diff(lost[8:]) == pytest.approx(0.1)
    assert (np.diff(lost) > 0).all()


def test_times_in_whole_seconds_are_never_left_behind():
    times = given(*np.repeat([0.0, 1.0, 2.0], 20), step=0.05)
    assert times[::20] == [0, 1, 2]
    clock = Clock(0.05)
    assert not any(clock(time) and clock.guesses for time in np.repeat([0.0, 1.0, 2.0], 20))
    clock = Clock(0.1)
    guessed = [bool(clock(time) + 1) and clock.guesses for time in np.repeat([0.0, 30.0, 60.0], 40)]
    assert guessed == [False] * 21 + [True] * 19 + [False] * 80, "until the first time is told"
    assert (np.diff(times) > 0).all()
    assert times[-1] < 3


def test_a_repeat_behind_a_recording_that_stood_still():
    said = [0, 10, 10, *(10 + 0.04 * i for i in range(1, 60))]
    times = given(*said, step=0.2)
    assert times[2] <= 10.1
    assert times[5:] == said[5:], "back on the container's times after a frame or two"


def test_a_new_start_goes_on_behind_the_old_one():
    times = given(10, 10.1, 10.2, 0, 0.1, 0.5, 0.6, step=0.1)
    assert times[:3] == [10, 10.1, 10.2]
    assert 10.2 < times[3] <= 10.3
    assert np.diff(times[3:]) == pytest.approx([0.1, 0.4, 0.1])


@pytest.mark.parametrize("nothing", [[0.0], [0.0, 0.0], [math.nan], [0.0, math.nan, 0.0]])
def test_frames_without_a_time_do_not_shift_those_behind(nothing):
    behind = [10.3, 10.34, 10.38]
    for _ in range(2):
        said = [10, 10.04, 10.08, *nothing, *behind]
        times = given(*said, *nothing, 10.6, 10.64, step=0.04)
        assert times[3 + len(nothing) :][:3] == behind
        assert times[-2:] == [10.6, 10.64]
        assert (np.diff(times) > 0).all()


def test_frames_out_of_order_do_not_shift_those_behind():
    times = given(0, 0.1, 0.2, 0.15, 0.3, 0.4)
    assert times[4:] == [0.3, 0.4]
    assert (np.diff(times) > 0).all()


def test_times_rise_whatever_a_container_says():
    rng = np.random.default_rng(0)
    for _ in range(300):
        said = np.cumsum(rng.choice([0.0, 0.04, 0.04, 5.0, -3.0, -0.02], 60))
        said[rng.random(60) < 0.1] = rng.choice([0.0, math.nan, math.inf, -math.inf])
        times = given(*said.tolist(), step=0.04)
        assert (np.diff(times) > 0).all()
        assert np.isfinite(times).all()


@pytest.mark.parametrize(
    ("said", "step"),
    [
        ([10, 10.04, 10.08, 0, 10.0999, 10.14, 10.18], 0.04),
        ([10, 10.04, 10.08, 0, 0, 0, 10.11, 10.15], 0.04),
        (
            [*(10 + i / 60 for i in range(3)), *[0.0] * 7, *(10 + i / 60 for i in range(10, 40))],
            0.04,
        ),
        ([0, 10.04, 10.08, 0, 10.1, 10.14], 0.04),
    ],
)
def test_the_next_time_near_the_old_ones_is_no_new_beginning(said, step):
    times = given(*said, step=step)
    assert times[-1] == said[-1]
    assert times[-2] == pytest.approx(said[-2], abs=0.01)
    assert (np.diff(times) > 0).all()


def test_frames_that_are_each_there_twice_keep_their_times():
    thirtieths = [i / 30 for i in range(20)]
    times = given(*thirtieths[:2], *np.repeat(thirtieths[2:], 2).tolist())
    assert [*times[:2], *times[2::2]] == thirtieths
    assert (np.diff(times) > 0).all()


def test_falling_back_a_few_steps_is_no_new_beginning():
    regular = [i * 0.04 for i in range(12)]
    times = given(*regular, 0.28, 0.32, 0.36, 0.48, 0.52, step=0.04)
    assert times[-2:] == [0.48, 0.52]
    assert (np.diff(times) > 0).all()


def test_a_lost_time_long_ago_makes_no_new_beginning_of_a_wrong_one():
    times = given(10, 10.04, 0, 10.12, 10.16, 4, 10.6, 10.64, step=0.04)
    assert times[3:5] == [10.12, 10.16]
    assert times[-2:] == [10.6, 10.64]
    assert (np.diff(times) > 0).all()


@pytest.mark.parametrize("first", [12, 23, 300])
def test_short_recordings_that_were_joined_keep_their_lengths(first):
    said = [i * 0.04 for i in range(first)]
    times = given(*said, *said, *said, step=0.04)
    assert times[-1] == pytest.approx(3 * first * 0.04, abs=0.1)
