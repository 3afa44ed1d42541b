from dataclasses import replace

import numpy as np
import pytest
from test_faces_render import scene

from lgrnet.faces.motion.expression import Expression
from lgrnet.faces.person.creases import creases_at_rest, draw_creases
from lgrnet.faces.person.identity import make_identity
from lgrnet.faces.render import portrait, render

PEOPLE = 24


@pytest.fixture
def drawn(any_studio):
    """People of one age: a stack of what their faces keep at rest."""
    creases, middle = draw_creases(any_studio.chart), any_studio.wrinkles.middle

    def people(age, seeds=range(PEOPLE)):
        return np.stack(
            [creases_at_rest(np.random.default_rng(seed), middle, creases, age) for seed in seeds]
        )

    return people


def around(chart, place, reach):
    """Texels within a share of the brow span of a place."""
    row, column = np.mgrid[: chart.size, : chart.size]
    return np.hypot(column - place[0], row - place[1]) < reach * chart.brow_span


def test_creases_are_grooves_that_deepen_with_age(drawn):
    young, middle, old = (drawn(age) for age in (0.0, 0.5, 1.0))
    assert max(each.max() for each in (young, middle, old)) <= 0
    depth = [-each.mean() for each in (young, middle, old)]
    # The share of the oldest's depth is uniform from 0 to 0.15 + 0.85 age.
    assert depth[0] / depth[2] == pytest.approx(0.15, abs=0.001)
    assert depth[1] / depth[2] == pytest.approx(0.575, abs=0.001)


def test_they_lie_where_people_have_them_and_nowhere_else(any_studio, drawn):
    chart, unit = any_studio.chart, any_studio.chart.brow_span
    deepest = drawn(1.0).min(0)
    cheek_fold, below_corner = 0.5 * (chart.landmarks[31] + chart.landmarks[48]), (-0.06, 0.15)
    for place in (
        cheek_fold - np.array([0.06 * unit, 0]),  # nasolabial
        chart.landmarks[48] + np.multiply(below_corner, unit),  # marionette
        chart.landmarks[[21, 22]].mean(0),  # between the brows
        chart.landmarks[[40, 41]].mean(0) + np.array([0, 0.08 * unit]),  # under the eye
        chart.landmarks[[21, 22]].mean(0) - np.array([0, 0.14 * unit]),  # forehead
    ):
        assert deepest[around(chart, place, 0.06)].min() < -1
    middle_of_the_cheek = chart.landmarks[41] + np.array([-0.12, 0.35]) * unit
    for place in (middle_of_the_cheek, chart.landmarks[30]):
        assert deepest[around(chart, place, 0.03)].min() > -0.1


def test_the_two_sides_and_two_people_differ(any_studio, drawn):
    chart = any_studio.chart
    left, right = (
        -drawn(1.0)[:, around(chart, chart.landmarks[corner], 0.15)].mean(1) for corner in (48, 54)
    )
    share = left / (left + right + 1e-9)
    assert 0.4 < share.mean() < 0.6
    assert 0.05 < share.std() < 0.3
    first, again, other = (drawn(0.7, [seed])[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.5


def test_squeezed_skin_folds_along_the_same_creases(any_studio):
    folds = sum(each.squeezed * each.pattern for each in draw_creases(any_studio.chart).values())
    own = any_studio.wrinkles.person(np.random.default_rng(0), 2.0, 0.5).folds
    share = (own * folds).sum() / (folds**2).sum()
    assert 0.8 <= share <= 2.8
    np.testing.assert_allclose(own, share * folds, atol=1e-4)


def test_a_resting_face_shows_them(any_studio):
    person = make_identity(any_studio, 8)
    deep = -5.0 * (person.grooves.at_rest < person.grooves.at_rest.min() / 3)
    shown, smooth = (
        portrait(render(any_studio, who, *scene(Expression()))).astype(float)
        for who in (
            replace(person, grooves=replace(person.grooves, at_rest=each.astype(np.float32)))
            for each in (deep, 0 * deep)
        )
    )
    changed = np.abs(shown - smooth).max(2) > 6
    assert 30 < changed.sum() < 0.2 * changed.size
