from dataclasses import replace

import numpy as np
import pytest
from test_faces_canvas import Recorder

from lgrnet.faces.drawing.camera import Pose
from lgrnet.faces.motion.expression import Expression
from lgrnet.faces.person.glasses import sample_glasses
from lgrnet.faces.person.identity import make_identity
from lgrnet.faces.render import aligned_placement, blank, render
from lgrnet.faces.scene.light import STUDIO

RED = np.array([0.9, 0.0, 0.0])
POSES = [
    *(Pose(), Pose(np.deg2rad(25)), Pose(np.deg2rad(-25)), Pose(np.deg2rad(45))),
    *(Pose(np.deg2rad(-45)), Pose(pitch=np.deg2rad(20)), Pose(pitch=np.deg2rad(-20))),
]


@pytest.fixture(scope="module")
def canvas_at(any_studio):
    """Return a function from a pose and a light to a fresh canvas that holds a bare head."""
    person, kept = replace(make_identity(any_studio, 4), overlays=()), {}

    def take(pose=POSES[0], light=STUDIO):
        key = (pose, float(light.key[0]))
        if key not in kept:
            recorder = Recorder(lambda canvas: canvas)
            render(
                *(any_studio, person, Expression(), pose, light, blank()),
                aligned_placement(),
                overlays=[recorder],
            )
            kept[key] = recorder.result
        return replace(kept[key], image=kept[key].image.copy())

    return take


def wear(canvas, **changes):
    """Put on red glasses of clear, dull glass; returns the bare picture and the worn one."""
    plain = {"through": np.ones(3), "mirror": np.zeros(3), "frame": RED, "opacity": 1.0}
    plain |= {"mottle": np.zeros((64, 192), np.float32), "gloss": 0.0}
    glasses = replace(sample_glasses(np.random.default_rng(3)), **{**plain, **changes})
    bare = canvas.image.copy()
    glasses.draw(canvas)
    return bare, canvas.image, glasses


def is_red(image):
    return (image[..., 0] > 0.05) & (image[..., 1:].max(2) < 0.1 * image[..., 0])


def eyes_and_mouth(canvas):
    seen = canvas.see(canvas.anatomy)[:, :2]
    return [seen[part].mean(0).round().astype(int) for part in (range(36, 42), range(42, 48))], (
        seen[48:].mean(0).round().astype(int)
    )


def test_dark_lenses_hide_the_eyes_and_leave_the_mouth(canvas_at):
    canvas = canvas_at()
    eyes, (u, v) = eyes_and_mouth(canvas)
    bare, worn, _ = wear(canvas, through=np.full(3, 0.02))
    for x, y in eyes:
        part = np.s_[y - 3 : y + 4, x - 3 : x + 4]
        np.testing.assert_allclose(worn[part], 0.02 * bare[part], rtol=0.7)
    np.testing.assert_array_equal(
        worn[v - 9 : v + 9, u - 9 : u + 9], bare[v - 9 : v + 9, u - 9 : u + 9]
    )


def test_eyes_are_seen_through_clear_lenses(canvas_at):
    canvas = canvas_at()
    eyes, _ = eyes_and_mouth(canvas)
    bare, worn, _ = wear(canvas, through=np.array([0.9, 0.9, 0.8]))
    for x, y in eyes:
        part = np.s_[y - 3 : y + 4, x - 3 : x + 4]
        np.testing.assert_allclose(worn[part], bare[part] * (0.9, 0.9, 0.8), rtol=0.35)


@pytest.mark.parametrize("pose", POSES)
def test_the_frame_lies_around_the_near_eye_whatever_the_pose(canvas_at, pose):
    canvas = canvas_at(pose)
    eyes, _ = eyes_and_mouth(canvas)
    red = is_red(wear(canvas)[1])
    x, y = eyes[1] if pose.yaw < 0 else eyes[0]
    reach = round(3.2 * canvas.density)
    assert red[max(y - reach, 0) : y, x].any()
    assert red[y : y + reach, x].any()
    if abs(pose.yaw) < 0.5:  # further turned, a rim may pass before the eye
        assert not red[y - 3 : y + 4, x - 3 : x + 4].any()


def test_lenses_have_their_size_in_the_picture(canvas_at):
    canvas = canvas_at()
    _, worn, glasses = wear(canvas, temple=0.01)
    eyes, _ = eyes_and_mouth(canvas)
    rows = np.nonzero(is_red(worn)[:, eyes[0][0]])[0]
    height = np.ptp(glasses.outline[:, 1]) + glasses.rim.min() + glasses.rim.max()
    # The lenses are some nine centimetres before the pivot.
    near = canvas.pose.distance / (canvas.pose.distance - 9)
    assert np.ptp(rows) / canvas.density == pytest.approx(near * height, rel=0.12)


def test_nothing_is_drawn_behind_something(canvas_at):
    canvas = canvas_at()
    canvas = replace(canvas, depth=np.full_like(canvas.depth, 1.0))
    bare, worn, _ = wear(canvas, through=np.zeros(3))
    assert not is_red(worn).any()
    # Only the shadow is left, which darkens.
    assert (worn <= bare + 1e-6).all()
    assert (worn[bare > 0.01] > 0.3 * bare[bare > 0.01]).all()


@pytest.mark.parametrize(("pose", "near", "far"), [(POSES[3], 0, 16), (POSES[4], 16, 0)])
def test_the_far_temple_is_hidden_by_the_head(canvas_at, pose, near, far):
    thick, thin = canvas_at(pose), canvas_at(pose)
    temple = is_red(wear(thick, temple=0.5)[1]) & ~is_red(wear(thin, temple=0.05)[1])
    # On the temples' way from the eyes to the ears; the near ear may lie outside the picture.
    offsets = np.array([[0, 0.9, 2.5], [0, 0.9, 0]])
    places = thick.see(thick.anatomy[[near, far]] + offsets)[:, :2]
    shown = [
        temple[y - 8 : y + 9, max(x - 5, 0) : x + 6].any() for x, y in places.round().astype(int)
    ]
    assert shown == [True, False]


def test_glasses_are_dark_in_the_dark(canvas_at):
    dim = STUDIO._replace(key=STUDIO.key / 50, ambient=STUDIO.ambient / 50, fill=STUDIO.fill / 50)
    pale = {"frame": np.full(3, 0.85), "gloss": 1.0, "mirror": np.full(3, 0.08)}
    canvas = canvas_at(light=dim)
    bare, worn, _ = wear(canvas, **pale)
    drawn = (np.abs(worn - bare).max(2) > 1e-4) & (canvas.depth < 1e5)
    _, bright, _ = wear(canvas_at(), **pale)
    assert drawn.sum() > 300
    assert worn[drawn].max() < bright[drawn].max() / 20


def test_reflections_move_as_the_head_turns(canvas_at):
    window = (np.array([0.0, 0.0, 1.0]), 0.05, 0.05, 50.0)
    places = []
    for pose in (Pose(-0.08), Pose(0.08)):
        canvas = canvas_at(pose, STUDIO._replace(key_direction=np.array([0.6, -0.8, 0.0])))
        bare, worn, _ = wear(canvas, mirror=np.full(3, 0.1), window=window, tilt=0.0, frame=0 * RED)
        lit = np.nonzero((worn - bare).min(2) > 0.3)[1]
        assert len(lit)
        eyes, _ = eyes_and_mouth(canvas)
        places.append(lit.mean() - (eyes[0][0] + eyes[1][0]) / 2)
    # A lens turned to the right mirrors what is ahead further to its left.
    assert places[1] < places[0] - 5


def test_a_seed_fixes_the_glasses(canvas_at):
    one, same, other = (sample_glasses(np.random.default_rng(seed)) for seed in (1, 1, 2))
    pictures = []
    for glasses in (one, same, other):
        canvas = canvas_at()
        glasses.draw(canvas)
        pictures.append(canvas.image)
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert np.abs(pictures[0] - pictures[2]).max() > 0.05


def test_people_wear_glasses_of_real_sizes_and_few_sunglasses():
    many = [sample_glasses(np.random.default_rng(seed)) for seed in range(600)]
    widths, heights = np.array([np.ptp(glasses.outline, axis=0) for glasses in many]).T
    assert 4.2 <= widths.min() <= widths.max() <= 5.45
    assert 2.75 <= heights.min() <= heights.max() <= 4.65
    assert 1.6 <= min(g.gap for g in many) <= max(g.gap for g in many) <= 2.2
    assert 0.01 < np.mean([glasses.through.max() < 0.4 for glasses in many]) < 0.08
