from dataclasses import replace

import numpy as np
import pytest
from test_faces_render import scene

from lgrnet.faces.motion.expression import Expression, drawn_marks
from lgrnet.faces.person.cheeks import bulge, caught_light, crows_feet, furrow
from lgrnet.faces.person.identity import make_identity
from lgrnet.faces.person.marks import CHEEK
from lgrnet.faces.render import portrait, render

EYES = ((36, 39, -1), (45, 42, 1))  # outer and inner corner, outwards


def at(chart, landmark, out, down):
    """Return row and column of a place counted from a landmark in units of the brow span."""
    column, row = chart.landmarks[landmark] + np.multiply((out, down), chart.brow_span)
    return round(float(row)), round(float(column))


def test_a_furrow_lies_between_the_lid_and_the_bulge(any_studio):
    chart = any_studio.chart
    relief, hollow = bulge(chart), furrow(chart)
    assert relief.min() >= 0
    assert hollow.max() <= 0
    for outer, inner, _ in EYES:
        column = round(float(chart.landmarks[[outer, inner], 0].mean()))
        lid = chart.landmarks[[outer, inner], 1].mean()
        deepest, highest = hollow[:, column].argmin(), relief[:, column].argmax()
        assert lid < deepest < highest
        # Steep towards the lid, fading towards the mouth.
        share = relief[:, column] / relief[:, column].max()
        assert (share[highest:] > 0.3).sum() > 1.3 * (share[:highest] > 0.3).sum()
        assert hollow[at(chart, inner, 0, 0.05)] < -0.3  # it begins beside the nose


def test_the_bulge_is_broad_and_the_crows_feet_are_thin(any_studio):
    chart = any_studio.chart

    def power(relief):
        """Return the mean squared frequency, weighted by power, as a width in brow spans."""
        spectrum = np.abs(np.fft.fft2(relief - relief.mean())) ** 2
        row, column = np.meshgrid(*2 * [np.fft.fftfreq(chart.size)], indexing="ij")
        frequency = np.sqrt((spectrum * (row**2 + column**2)).sum() / spectrum.sum())
        return 1 / frequency / chart.brow_span

    assert power(bulge(chart)) > 0.25
    assert power(crows_feet(chart)) < 0.1


def test_crows_feet_deepen_with_age_and_the_bulge_does_not(any_studio):
    chart = any_studio.chart
    smooth, young, old = (
        any_studio.wrinkles.person(np.random.default_rng(3), depth, 0.5).marks
        for depth in (0, 0.15, 3.4)
    )
    feet = crows_feet(chart) < -0.4
    assert np.abs(young - smooth)[feet].max() < 0.3
    assert (old - smooth)[feet].max() < -0.4
    assert (old - smooth).min() < -1.2
    eyes, nose = (int(chart.landmarks[each, 1].mean()) for each in ([40, 41, 46, 47], [33]))
    elsewhere = crows_feet(chart) > -1e-4
    elsewhere[:eyes], elsewhere[nose:] = False, False
    np.testing.assert_allclose(young[elsewhere], old[elsewhere], atol=1e-2)
    assert young.max() > 5


def test_hollows_catch_less_light_than_what_stands_out():
    row, column = np.meshgrid(*2 * [np.arange(101.0) - 50], indexing="ij")
    hill = np.exp(-(row**2 + (column - 20) ** 2) / 50) - np.exp(-(row**2 + (column + 20) ** 2) / 50)
    light = caught_light(10 * hill.astype(np.float32), 100.0)
    assert light[50, 70] > 0.05
    assert light[50, 30] < -0.05
    np.testing.assert_allclose(caught_light(np.full((9, 9), 4, np.float32), 100.0), 0, atol=1e-6)


def test_only_what_pushes_the_cheek_up_raises_it(any_studio):
    person = make_identity(any_studio, 8)

    def raised(expression):
        x, cheek = any_studio.rig.vertices[:, 0], any_studio.parts[CHEEK] == 1
        both = drawn_marks(any_studio, person, expression)
        return both[cheek & (x > 0.7)].mean(), both[cheek & (x < -0.7)].mean()

    rows = [any_studio.rig.shapes[f"cheekSquint_{side}"] for side in "LR"]
    np.testing.assert_allclose(raised(Expression({6: 0.5})), 0.5 * person.gain[rows], rtol=1e-4)
    assert raised(Expression({7: 1.0, 4: 1.0, 43: 1.0})) == (0, 0)
    assert max(raised(Expression({12: 1.0}))) < 0.3 * min(raised(Expression({6: 1.0})))
    left, right = raised(Expression({6: 1.0}, lean={"cheekSquint": 0.6}))
    assert right / person.gain[rows[1]] == pytest.approx(0.4 * left / person.gain[rows[0]], 1e-4)


def test_au6_shows_the_relief_below_the_eyes_and_au7_does_not(any_studio):
    person = make_identity(any_studio, 8)
    grooves = person.grooves
    flat = replace(
        person,
        grooves=replace(grooves, marks=0 * grooves.marks, mark_light=0 * grooves.mark_light),
    )

    def difference(expression):
        pictures = [render(any_studio, who, *scene(expression)) for who in (person, flat)]
        change = np.abs(np.subtract(*(portrait(each).astype(float) for each in pictures))).max(2)
        return change, pictures[0].landmarks

    change, landmarks = difference(Expression({6: 1.0}))
    lids, nose = landmarks[19:31, 1].max(), landmarks[13, 1]
    below = change[round(lids) + 2 : round((lids + nose) / 2)]
    assert (below > 8).sum() > 60
    assert not difference(Expression({7: 1.0}))[0].any()


def test_the_furrow_is_dark_and_the_bulge_bright_without_any_turned_normal(any_studio):
    person = make_identity(any_studio, 8)
    grooves = replace(person.grooves, marks=0 * person.grooves.marks)
    lit, plain = (
        render(any_studio, replace(person, grooves=each), *scene(Expression({6: 1.0})))
        for each in (grooves, replace(grooves, mark_light=0 * grooves.mark_light))
    )
    share = lit.linear[lit.covered] / plain.linear[lit.covered]
    assert share.min() < 0.92
    assert share.max() > 1.08
