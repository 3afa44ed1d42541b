from dataclasses import replace

import numpy as np
import pytest
from test_faces_render import scene

from lgrnet.faces.motion.expression import Expression
from lgrnet.faces.person.identity import make_identity
from lgrnet.faces.person.wrinkles import DIRECTIONS
from lgrnet.faces.render import portrait, render


@pytest.mark.parametrize("direction", range(DIRECTIONS))
def test_lines_run_across_the_direction_that_is_squeezed(toy_studio, direction):
    lines = toy_studio.wrinkles.lines[direction]
    assert lines.max() <= 0
    assert lines.min() < -0.5
    down, right = np.gradient(lines)
    # The structure tensor's main axis is the direction in which the pattern changes.
    doubled = np.arctan2(2 * (-down * right).mean(), (right**2 - down**2).mean())
    wanted = np.deg2rad(2 * 45 * direction)
    assert abs(np.angle(np.exp(1j * (doubled - wanted)))) < 0.15


def test_lips_and_lids_do_not_fold(any_studio):
    soft = any_studio.wrinkles.soft
    chart = any_studio.chart
    assert soft[chart.lips > 0.9].max() < 0.2
    column, row = np.floor(chart.landmarks[[27, 30]]).astype(int).T
    assert soft[row, column].min() > 0.9


def test_cheeks_get_no_lines_and_keep_the_nasolabial_fold(any_studio):
    chart, unit = any_studio.chart, any_studio.chart.brow_span
    grooves = any_studio.wrinkles.person(np.random.default_rng(0), 3.4, 1.0)
    for corner, nostril, eye, jaw, side in ((48, 31, 36, 4, -1), (54, 35, 45, 12, 1)):
        beside = chart.landmarks[corner] + (side * 0.12 * unit, 0)
        cheek = chart.landmarks[eye] + (0, 0.35 * unit)
        low = (chart.landmarks[corner] + chart.landmarks[jaw]) / 2
        for place in (beside, cheek, low):
            column, row = np.round(place).astype(int)
            near = np.s_[:, row - 4 : row + 5, column - 4 : column + 5]
            assert np.abs(grooves.lines[near]).max() < 0.1
        top, bottom = chart.landmarks[nostril], chart.landmarks[corner]
        row, column = np.round((top + bottom) / 2).astype(int)[::-1]
        across = np.sort((column, column + side * round(0.15 * unit)))
        assert grooves.folds[row, across[0] : across[1]].min() < -0.3
    column, row = np.round(chart.landmarks[36] - (0.08 * unit, 0)).astype(int)
    temple = grooves.lines[:, row - 8 : row + 9, column - 8 : column + 9]
    assert temple.min() < -0.5  # beside the eyes the skin is thin and does fold


def test_the_smoothest_skin_folds(any_studio):
    folds = any_studio.wrinkles.person(np.random.default_rng(0), 0.0, 0.0).folds
    assert folds.min() < -0.3


def test_younger_skin_folds_less_on_the_same_head(toy_studio):
    for seed in range(4):
        usual, young = make_identity(toy_studio, seed), make_identity(toy_studio, seed, oldest=0.25)
        np.testing.assert_array_equal(young.vertices, usual.vertices)
        for part in ("lines", "marks", "at_rest"):
            relief, less = (np.abs(getattr(of.grooves, part)).mean() for of in (usual, young))
            assert less < relief, (seed, part)
        assert young.skin.pores.std() < usual.skin.pores.std()


def test_people_fold_differently_and_the_same_seed_alike(toy_studio):
    one, same, other = (
        toy_studio.wrinkles.person(np.random.default_rng(seed), 2.0, 0.5) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.lines, same.lines)
    assert np.abs(one.lines - other.lines).max() > 0.1


def test_an_expression_folds_the_skin_and_rest_does_not(any_studio):
    person = make_identity(any_studio, 8)
    deep, flat = (
        replace(
            person,
            grooves=replace(
                person.grooves,
                lines=share * person.grooves.lines,
                folds=share * person.grooves.folds,
            ),
        )
        for share in (1.0, 0.0)
    )

    def difference(expression):
        one, two = (
            portrait(render(any_studio, who, *scene(expression))).astype(float)
            for who in (deep, flat)
        )
        return np.abs(one - two).max(2)

    assert difference(Expression()).max() == 0
    assert (difference(Expression({9: 1.0, 10: 1.0, 12: 1.0})) > 5).sum() > 30


def test_raised_brows_furrow_the_forehead_across(any_studio):
    person = make_identity(any_studio, 8)
    flat = replace(person, grooves=replace(person.grooves, marks=0 * person.grooves.marks))
    expression = Expression({1: 1.0, 2: 1.0})
    pictures = [render(any_studio, who, *scene(expression)) for who in (person, flat)]
    furrows = np.abs(np.subtract(*(portrait(each).astype(float) for each in pictures))).max(2)
    brows = int(pictures[0].landmarks[:10, 1].min())
    forehead = furrows[: brows - 2]
    assert (forehead > 10).sum() > 30
    down, right = np.gradient(forehead)
    assert np.abs(down).sum() > 1.5 * np.abs(right).sum()  # lines that run from side to side
