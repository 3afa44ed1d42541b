import numpy as np
import pytest

from lgrnet.faces.drawing.camera import Pose
from lgrnet.faces.head.rig import SDM49_OF_68
from lgrnet.faces.motion.expression import Expression, pose_vertices
from lgrnet.faces.person.identity import make_identity
from lgrnet.faces.render import aligned_placement, blank, render
from lgrnet.faces.scene.light import STUDIO

GREEN = np.array([0.0, 1.0, 0.0])
RIGHT = np.array([1.0, 0.0, 0.0])


class Recorder:
    """An overlay that runs a function on the canvas."""

    def __init__(self, function):
        self.function = function

    def draw(self, canvas):
        self.result = self.function(canvas)


def drawn(studio, function, pose=None, supersample=1.5):
    person = make_identity(studio, 4)
    recorder = Recorder(function)
    picture = render(
        *(studio, person, Expression(), pose or Pose(0.2, 0.1, 0.1), STUDIO, blank()),
        aligned_placement(),
        supersample,
        overlays=[recorder],
    )
    return picture, recorder.result


@pytest.mark.parametrize("supersample", [1.0, 1.5, 2.0])
def test_the_canvas_sees_landmarks_where_the_picture_has_them(any_studio, supersample):
    picture, seen = drawn(any_studio, lambda c: c.see(c.anatomy), supersample=supersample)
    # A pixel of the picture is `supersample` pixels of the canvas, centres at whole numbers.
    expected = (picture.landmarks + 0.5) * supersample - 0.5
    np.testing.assert_allclose(seen[SDM49_OF_68, :2], expected, atol=0.2)


def test_depth_agrees_with_the_rasteriser(any_studio):
    def difference(canvas):
        x, y, z = canvas.see(canvas.anatomy[[30]])[0]
        return canvas.depth[round(y), round(x)] - z

    assert abs(drawn(any_studio, difference)[1]) < 0.4


def test_a_stroke_before_the_face_shows_and_one_behind_the_head_does_not(any_studio):
    def across(offset):
        def paint(canvas):
            nose = canvas.anatomy[30] + offset
            canvas.stroke(np.array([nose - RIGHT, nose, nose + RIGHT]), 0.4, GREEN)

        return paint

    bare = drawn(any_studio, lambda c: None)[0].linear
    before = drawn(any_studio, across([0, 0, 1.0]))[0].linear
    behind = drawn(any_studio, across([0, 0, -6.0]))[0].linear
    assert (np.abs(before - bare).max(2) > 0.2).sum() > 40
    np.testing.assert_array_equal(behind, bare)


def test_a_thin_stroke_is_faint_not_thick(any_studio):
    def line(width):
        def paint(canvas):
            brow = canvas.anatomy[27] + np.array([0, 3, 2])
            canvas.stroke(np.array([brow - 2 * RIGHT, brow + 2 * RIGHT]), width, GREEN)

        return paint

    bare = drawn(any_studio, lambda c: None)[0].linear
    thin, thick = (np.abs(drawn(any_studio, line(w))[0].linear - bare).sum() for w in (0.01, 0.3))
    assert 0 < thin < 0.15 * thick


def test_a_blend_is_a_weighted_mean(any_studio):
    def paint(canvas):
        before = canvas.image.copy()
        cover = np.zeros(canvas.depth.shape, np.float32)
        cover[10:20, 30:50] = 0.25
        canvas.blend(cover, GREEN)
        return before, canvas.image.copy(), cover

    before, after, cover = drawn(any_studio, paint)[1]
    expected = before * (1 - cover[..., None]) + GREEN * cover[..., None]
    np.testing.assert_allclose(after, expected, atol=1e-6)


def test_anatomy_follows_the_expression(any_studio):
    person = make_identity(any_studio, 4)
    rig = any_studio.rig
    expected = pose_vertices(any_studio, person, Expression())[rig.landmarks68]
    np.testing.assert_array_equal(drawn(any_studio, lambda c: c.anatomy)[1], expected)
