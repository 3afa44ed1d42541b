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
    assert given(*[math.nan] * 3, step=0.1) == pytest.approx([0, 0.1, 0.2])
    # Times that are lost on the way: the frames behind keep the distance of those before.
    lost = given(0, 0.1, 0.2, *[0.2] * 20)
    assert np.diff(lost[8:]) == pytest.approx(0.1)
    assert (np.diff(lost) > 0).all()


def test_a_new_start_goes_on_behind_the_old_one():
    assert given(10, 10.1, 10.2, 0, 0.1, 0.5) == pytest.approx([10, 10.1, 10.2, 10.3, 10.4, 10.8])


def test_frames_out_of_order_do_not_shift_those_behind():
    times = given(0, 0.1, 0.2, 0.15, 0.3, 0.4)
    assert times[4:] == [0.3, 0.4]
    assert (np.diff(times) > 0).all()
