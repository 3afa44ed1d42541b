import numpy as np
import pytest

from lgrnet.faces.motion.action_units import FACE_AUS, PRESENT_FROM
from lgrnet.faces.motion.cooccurrence import sample_intensities
from lgrnet.faces.motion.restraint import restrain

COUNT = 20_000
MOUTH = [FACE_AUS.index(au) for au in (10, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28)]


@pytest.fixture(scope="module")
def drawn():
    return sample_intensities(np.random.default_rng(1), COUNT)


def restrained(drawn, quiet=0.0, traces=0.0, seed=2):
    return restrain(np.random.default_rng(seed), drawn, quiet, traces)


def test_without_either_share_nothing_changes(drawn):
    np.testing.assert_array_equal(restrained(drawn), drawn)


def test_quiet_pictures_keep_a_fifth_of_their_aus(drawn):
    result = restrained(drawn, quiet=1.0)
    assert result.dtype == np.float32
    free = [k for k, au in enumerate(FACE_AUS) if au not in (25, 26)]
    before, after = drawn[:, free] >= 0.4, result[:, free] >= 0.4
    assert not (after & ~before).any()
    assert after.sum() / before.sum() == pytest.approx(0.2, abs=0.01)
    np.testing.assert_array_equal(result[:, free][after], drawn[:, free][after])
    np.testing.assert_array_equal(result[:, free][~before], drawn[:, free][~before])


def test_the_share_of_quiet_pictures_is_that_asked_for(drawn):
    lost = (drawn >= 0.4).sum(1) - (restrained(drawn, quiet=0.5) >= 0.4).sum(1)
    many = (drawn >= 0.4).sum(1) >= 6
    assert (lost[many] > 0).mean() == pytest.approx(0.5, abs=0.02)


def test_mouths_are_at_rest_often_enough_to_be_learnt(drawn):
    at_rest = [
        (each[:, MOUTH] < PRESENT_FROM).all(1).mean()
        for each in (drawn, restrained(drawn, quiet=0.4))
    ]
    assert at_rest[0] < 0.06
    assert at_rest[1] > 0.2


def test_a_dropped_jaw_still_parts_the_lips(drawn):
    result = restrained(drawn, quiet=1.0, traces=0.5) >= PRESENT_FROM
    jaw, lips = result[:, FACE_AUS.index(26)], result[:, FACE_AUS.index(25)]
    assert jaw.any()
    assert lips[jaw].all()


def test_traces_fill_the_gap_and_stay_below_presence(drawn):
    result = restrained(drawn, traces=0.25)
    on = drawn >= 0.4
    np.testing.assert_array_equal(result >= PRESENT_FROM, on)
    assert result.min() >= 0
    assert result.max() <= 1
    counts = np.histogram(result, np.arange(0, 1.01, 0.05))[0]
    assert (counts > 100).all()  # no gap anywhere
    moved = result[~on] != drawn[~on]
    assert moved.mean() == pytest.approx(0.25, abs=0.01)
    assert np.median(result[~on][moved]) == pytest.approx(PRESENT_FROM / 2, abs=0.01)


def test_what_is_stronger_stays_stronger(drawn):
    result = restrained(drawn, traces=0.25)
    for column in range(len(FACE_AUS)):
        on = drawn[:, column] >= 0.4
        order = np.argsort(drawn[on, column], kind="stable")
        assert (np.diff(result[on, column][order]) >= 0).all()


def test_a_seed_fixes_the_draw(drawn):
    first, again, other = (restrained(drawn, 0.4, 0.25, seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
