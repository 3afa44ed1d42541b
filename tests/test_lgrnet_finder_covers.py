"""Hats, dark glasses, fingers and blots lie where such things are, on a face of any tilt."""

import numpy as np
import pytest

from lgrnet.finder import covers
from lgrnet.finder.covers import cover_face
from lgrnet.finder.flaws import _light

SIDE = 256
UPRIGHT = np.array([[-30, 0], [30, 0], [0, 30], [-20, 60], [20, 60]], float)
KINDS = ("HAT", "GLASSES", "FINGERS", "BLOT")
SKIN = (90, 120, 170)


def tilted(degrees):
    turn = np.deg2rad(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return UPRIGHT @ matrix.T + (128, 128), matrix


def always(monkeypatch, kind):
    for each in KINDS:
        monkeypatch.setattr(covers, each, float(each == kind))


def covered(seed, points, colour=SKIN):
    """Draw on a plain picture; tell the picture and the places that changed, in the face's axes."""
    image = np.full((SIDE, SIDE, 3), colour, np.uint8)
    cloth = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    cover_face(np.random.default_rng(seed), image, points, lambda: cloth)
    rows, columns = np.nonzero((np.abs(image.astype(int) - colour) > 8).any(2))
    return image, np.stack([columns, rows], 1) - 128.0


@pytest.mark.parametrize("degrees", [0, 40, -70])
def test_a_hat_is_above_the_eyes(monkeypatch, degrees):
    always(monkeypatch, "HAT")
    points, matrix = tilted(degrees)
    for seed in range(20):
        _, places = covered(seed, points)
        x, y = (places @ matrix).T  # the inverse of a turn is its transpose
        assert len(places) > 300
        assert y.max() < 0  # the eyes stay free, the mouth is 60 below them
        assert abs(x.mean()) < 20


@pytest.mark.parametrize("degrees", [0, 40, -70])
def test_glasses_darken_both_eyes_and_nothing_below_the_nose(monkeypatch, degrees):
    always(monkeypatch, "GLASSES")
    points, matrix = tilted(degrees)
    for seed in range(20):
        image, places = covered(seed, points)
        for x, y in np.round(points[:2]).astype(int):
            assert (
                image[y, x].max() < 0.25 * 170 + 90 + 1
            )  # a tint of up to 90, three quarters of it
        y = (places @ matrix)[:, 1]
        assert -30 < y.min()
        assert y.max() < 35


def test_fingers_have_the_skins_colour(monkeypatch):
    always(monkeypatch, "FINGERS")
    points, _ = tilted(10)
    image = np.full((SIDE, SIDE, 3), 20, np.uint8)
    image[100:, :] = SKIN  # the cheek
    drawn = 0
    for seed in range(20):
        after = image.copy()
        cover_face(np.random.default_rng(seed), after, points, lambda: image)
        changed = after[:90][(after[:90] != 20).any(2)].astype(float)
        drawn += len(changed)
        if len(changed) > 50:
            shades = np.median(changed, 0) / SKIN
            np.testing.assert_allclose(shades, shades.mean(), rtol=0.05)
    assert drawn > 1000


def test_a_blot_hides_a_part_of_the_face(monkeypatch):
    always(monkeypatch, "BLOT")
    points, _ = tilted(0)
    for seed in range(20):
        _, places = covered(seed, points)
        assert 300 < len(places) < 20_000
        assert np.abs(places).max() < 128


def test_small_faces_are_left_alone(monkeypatch):
    always(monkeypatch, "HAT")
    points = UPRIGHT * (covers._SMALLEST - 1) / 60 + 128
    assert len(covered(0, points)[1]) == 0


def test_as_many_faces_are_covered_as_is_said(monkeypatch):
    points, _ = tilted(0)
    share = np.mean([len(covered(seed, points)[1]) > 0 for seed in range(600)])
    wanted = covers.HAT + covers.GLASSES + covers.FINGERS + covers.BLOT
    assert share == pytest.approx(wanted, abs=0.06)


@pytest.mark.parametrize("shift", [(-300, 0), (0, 400), (-130, -130)])
def test_a_face_at_or_beyond_the_edge(monkeypatch, shift):
    points, _ = tilted(0)
    for kind in KINDS:
        always(monkeypatch, kind)
        for seed in range(5):
            covered(seed, points + shift)


def test_coloured_light_is_between_two_colours():
    white = np.full((40, 60, 3), 100, np.uint8)
    lit = _light(np.random.default_rng(3), white)
    assert lit.dtype == np.uint8
    corners = lit[[0, 0, -1, -1], [0, -1, 0, -1]].astype(int)
    assert (lit.min((0, 1)) >= corners.min(0) - 1).all()
    assert (lit.max((0, 1)) <= corners.max(0) + 1).all()
    assert np.ptp(corners, 0).max() > 5
