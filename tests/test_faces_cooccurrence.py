import numpy as np
import pytest

from lgrnet.faces.motion.action_units import FACE_AUS, PRESENT_FROM
from lgrnet.faces.motion.cooccurrence import BASE_RATE, sample_intensities

COUNT = 20_000
RULED = (6, 10, 12, 20, 23, 24, 25, 26, 28, 43)  # AUs that a rule touches
COLUMN = {au: column for column, au in enumerate(FACE_AUS)}
FREE = [column for au, column in COLUMN.items() if au not in RULED]


@pytest.fixture(scope="module", params=[0.0, 1.0])
def strength(request):
    return request.param


@pytest.fixture(scope="module")
def intensities(strength):
    return sample_intensities(np.random.default_rng(1), COUNT, strength)


def present(intensities, au):
    return intensities[:, COLUMN[au]] >= PRESENT_FROM


def test_intensities_are_on_off_or_a_trace(intensities):
    assert intensities.shape == (COUNT, len(FACE_AUS))
    assert intensities.dtype == np.float32
    on = intensities >= PRESENT_FROM
    assert intensities[on].min() >= 0.4
    assert intensities[on].max() <= 1
    assert intensities[~on].max() < 0.12
    assert 0.22 < (intensities[~on] > 0).mean() < 0.28


def test_a_dropped_jaw_parts_the_lips(intensities):
    assert present(intensities, 26).any()
    assert present(intensities, 25)[present(intensities, 26)].all()


def test_parted_lips_are_not_pressed(intensities):
    assert present(intensities, 24).any()
    assert not present(intensities, 24)[present(intensities, 25)].any()


def test_closed_eyes_are_not_wide(intensities):
    assert present(intensities, 43).any()
    assert not present(intensities, 43)[present(intensities, 5)].any()


def test_sucked_in_lips_show_nothing_else(intensities):
    sucked = present(intensities, 28)
    assert sucked.any()
    for au in (10, 12, 20, 23, 24, 25):
        assert not present(intensities, au)[sucked].any()


def test_aus_are_as_frequent_as_stated(intensities):
    rate = (intensities >= PRESENT_FROM).mean(0)
    np.testing.assert_allclose(rate[FREE], BASE_RATE[FREE], atol=0.015)
    np.testing.assert_allclose(rate[COLUMN[26]], BASE_RATE[COLUMN[26]], atol=0.015)
    assert rate[COLUMN[25]] > BASE_RATE[COLUMN[25]]
    assert rate[COLUMN[24]] < BASE_RATE[COLUMN[24]]


def test_correlations_scale_with_the_strength(intensities, strength):
    phi = np.corrcoef((intensities >= PRESENT_FROM).T)
    if strength == 0:
        assert np.abs(phi[np.ix_(FREE, FREE)] - np.eye(len(FREE))).max() < 0.04
    else:
        assert phi[COLUMN[6], COLUMN[12]] > 0.4
        assert phi[COLUMN[1], COLUMN[2]] > 0.4
        assert phi[COLUMN[12], COLUMN[15]] < -0.1


def test_aus_that_belong_together_are_strong_together():
    values = sample_intensities(np.random.default_rng(2), COUNT)
    both = present(values, 6) & present(values, 12)
    assert np.corrcoef(values[both, COLUMN[6]], values[both, COLUMN[12]])[0, 1] > 0.1


def test_people_have_tendencies():
    inclined, averse = (
        sample_intensities(np.random.default_rng(3), 2000, subject=np.full(len(FACE_AUS), bias))
        for bias in (1.5, -1.5)
    )
    gain = (inclined >= PRESENT_FROM).mean(0) - (averse >= PRESENT_FROM).mean(0)
    assert (gain[FREE] > 0.05).all()


def test_a_seed_fixes_the_draw():
    first, again = (sample_intensities(np.random.default_rng(4), 50) for _ in range(2))
    np.testing.assert_array_equal(first, again)
