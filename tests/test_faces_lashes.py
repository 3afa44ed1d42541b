from dataclasses import replace

import numpy as np
import pytest

from lgrnet.faces.drawing.camera import Pose
from lgrnet.faces.motion.expression import Expression
from lgrnet.faces.person.identity import make_identity
from lgrnet.faces.person.lashes import sample_lashes
from lgrnet.faces.render import aligned_placement, blank, render
from lgrnet.faces.scene.light import STUDIO

BROWN = np.array([0.2, 0.13, 0.08])


def drawn(studio, expression=None, pose=None, seed=1, masculine=False):
    """Return how much darker lashes make the picture, (H, W), and the landmarks."""
    person = replace(make_identity(studio, 4), overlays=())
    lashes = sample_lashes(np.random.default_rng(seed), masculine, BROWN)
    bare, worn = (
        render(
            *(studio, person, expression or Expression(), pose or Pose(), STUDIO, blank(300)),
            lambda points: aligned_placement()(points) * 1.5,
            2.0,
            overlays=overlays,
        )
        for overlays in ([], [lashes])
    )
    return (bare.linear - worn.linear).mean(2), bare.landmarks


def test_lashes_darken_the_lid_edges_and_nothing_else(any_studio):
    darker, points = drawn(any_studio)
    rows, columns = np.nonzero(np.abs(darker) > 0.02)
    eyes = points[19:31]
    span = np.ptp(points[19:25, 0])
    assert len(rows) > 50
    assert darker.min() > -0.05
    assert rows.min() > eyes[:, 1].min() - span
    assert rows.max() < eyes[:, 1].max() + 0.7 * span
    assert columns.min() > eyes[:, 0].min() - 0.7 * span
    assert columns.max() < eyes[:, 0].max() + 0.7 * span


def test_upper_lashes_are_darker_than_lower_ones(any_studio):
    darker, points = drawn(any_studio)
    left = slice(int(points[19:25, 0].min()), int(points[19:25, 0].max()))
    middle = int(points[19:25, 1].mean())
    assert darker[middle - 15 : middle, left].sum() > 1.5 * darker[middle : middle + 15, left].sum()


def test_lashes_follow_the_closing_lid(any_studio):
    def height(expression):
        darker, points = drawn(any_studio, expression)
        rows = np.arange(len(darker))
        near = slice(int(points[19, 0]), int(points[22, 0]))
        weight = np.clip(darker[:, near], 0, None).sum(1)
        return (rows * weight).sum() / weight.sum()

    assert height(Expression({43: 1.0})) > height(Expression()) + 1


@pytest.mark.parametrize("yaw", [1.2, -1.2])
def test_the_far_eyes_lashes_are_hidden_in_profile(any_studio, yaw):
    darker, _ = drawn(any_studio, pose=Pose(yaw=yaw))
    front = drawn(any_studio)[0]
    assert np.clip(darker, 0, None).sum() < 0.8 * np.clip(front, 0, None).sum()


def test_a_seed_fixes_the_lashes(any_studio):
    one, same, other = (drawn(any_studio, seed=seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.02
