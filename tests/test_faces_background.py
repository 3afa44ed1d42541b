import cv2
import numpy as np
import pytest

from lgrnet.faces.scene import exteriors, interiors
from lgrnet.faces.scene.background import _SCENES, BRIGHTEST, sample_background
from lgrnet.faces.scene.stage import Stage

PAINTERS = {scene.paint.__name__: scene.paint for scene in _SCENES}


def painted(paint, seed=0, rows=120, columns=150):
    stage = Stage(np.random.default_rng(seed), np.full((rows, columns, 3), -7, np.float32), 1.2)
    paint(stage)
    return stage.image


@pytest.mark.parametrize("size", [(200, 200), (90, 160), (240, 100)])
def test_backgrounds_are_linear_light_of_the_wanted_size(size):
    for seed in range(12):
        picture = sample_background(np.random.default_rng(seed), *size)
        assert picture.shape == (*size, 3)
        assert picture.dtype == np.float32
        assert np.isfinite(picture).all()
        assert 0 <= picture.min() <= picture.max() <= BRIGHTEST


def test_a_seed_fixes_the_background():
    one, same, other = (sample_background(np.random.default_rng(s), 60, 60) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.01


@pytest.mark.parametrize("name", PAINTERS)
def test_every_scene_paints_everything_differently_each_time(name):
    first, again = painted(PAINTERS[name]), painted(PAINTERS[name], seed=1)
    assert first.min() > -1, "a place was left out"
    assert np.abs(first - again).mean() > 0.005


def test_rooms_are_greyer_than_trees():
    def saturation(paint):
        pictures = np.concatenate([painted(paint, seed).reshape(-1, 3) for seed in range(8)])
        return (np.ptp(pictures, axis=1) / (pictures.max(1) + 0.05)).mean()

    assert saturation(interiors.wall) < 0.6 * saturation(
        lambda stage: exteriors.foliage(stage, -np.inf)
    )


def test_a_stage_is_in_centimetres_from_its_middle():
    stage = Stage(np.random.default_rng(0), np.zeros((80, 100, 3), np.float32), 2.0)
    stage.box(-5, 10, 5, 15, np.array([1.0, 0.5, 0.25]))
    rows, columns = np.nonzero(stage.image[..., 0])
    assert columns.mean() == pytest.approx(49.5, abs=0.6)
    assert rows.mean() == pytest.approx(40 - 0.5 + 25, abs=0.6)
    assert np.ptp(columns) + 1 == pytest.approx(20, abs=1)
    assert np.ptp(rows) + 1 == pytest.approx(10, abs=1)


def test_a_tilted_background_is_turned_about_its_middle():
    side, compared = 160, 0
    for seed in range(10):
        level, tilted = (
            sample_background(np.random.default_rng(seed), side, side, tilt) for tilt in (0.0, 0.2)
        )
        middle = ((side - 1) / 2, (side - 1) / 2)
        turn = cv2.getRotationMatrix2D(middle, np.rad2deg(0.2), 1)
        inner = np.s_[40:-40, 40:-40]
        expected = cv2.warpAffine(level, turn, (side, side))[inner].ravel()
        if expected.std() > 0.02:
            compared += 1
            assert np.corrcoef(expected, tilted[inner].ravel())[0, 1] > 0.97
    assert compared >= 4
