import numpy as np
import pytest

from lgrnet.faces.drawing.camera import PIVOT, Pose
from lgrnet.faces.drawing.canvas import Canvas
from lgrnet.faces.drawing.raster import FAR
from lgrnet.faces.scene.capsules import Capsules, raise_capsules
from lgrnet.faces.scene.hand import GESTURES, sample_hand
from lgrnet.faces.scene.light import STUDIO
from lgrnet.faces.scene.relief import SKIN_WRAP, lay, open_frame

DENSITY = 10.0  # pixels per cm
SIZE = 300
GREEN = np.array([0.05, 0.6, 0.05])
DARK = STUDIO._replace(key=np.zeros(3), ambient=np.zeros(3), fill=np.zeros(3))


class Landmarks:
    """A rig with nothing but 68 landmarks."""

    landmarks68 = np.arange(68)


def flat_canvas(light=STUDIO, wall=9.0, grey=0.4):
    """Return a canvas on a wall that stands ``wall`` cm before the pivot, seen from afar."""
    pose = Pose(distance=1e4)
    head = np.tile(PIVOT + np.array([0, 0, wall]), (68, 1)).astype(np.float32)
    matrix = np.array([[DENSITY, 0, SIZE / 2], [0, DENSITY, SIZE / 2]])
    depth = np.full((SIZE, SIZE), pose.distance - wall, np.float32)
    image = np.full((SIZE, SIZE, 3), grey, np.float32)
    return Canvas(image, depth, head, Landmarks(), pose, light, matrix, DENSITY)


def one_capsule(start, end, radii):
    row = np.array
    return Capsules(
        row([start], float), row([end], float), row([radii], float), row([[0, 0, 1.0]]),
        row([1]), row([0]),
    )  # fmt: skip


def raised(canvas, body):
    frame = open_frame(canvas, PIVOT, np.concatenate([body.start, body.end]), 4.0)
    return frame, *raise_capsules(frame, body)


def test_a_ball_has_its_size_its_height_and_its_normals():
    centre, radius = np.array([1.0, -2.0, 12.0]), 1.5
    frame, relief, owner, _ = raised(
        flat_canvas(), one_capsule(centre, centre + np.array([0, 0, 1e-3]), (radius, radius))
    )
    x, y = frame.grid()
    apart = np.hypot(x - 1.0, y + 2.0)
    inside = apart < radius - 1 / DENSITY
    z = np.sqrt(radius**2 - apart[inside] ** 2)
    np.testing.assert_allclose(relief.height[inside], 12 + z, atol=0.02)
    expected = np.stack([(x - 1.0)[inside], (y + 2.0)[inside], z], 1) / radius
    np.testing.assert_allclose(relief.normal[inside], expected, atol=0.02)
    assert (relief.cover[apart > radius + 1 / DENSITY] == 0).all()
    assert relief.cover.sum() / DENSITY**2 == pytest.approx(np.pi * radius**2, rel=0.02)
    assert set(np.unique(owner)) == {-1, 0}


@pytest.mark.parametrize("rise", [0.0, 3.0])
def test_a_capsule_is_as_wide_as_its_radii_and_slants(rise):
    frame, relief, _, along = raised(
        flat_canvas(), one_capsule((-4, 0, 12), (4, 0, 12 + rise), (1.0, 0.6))
    )
    x, y = frame.grid()
    widths = relief.cover.sum(0) / DENSITY
    for at, share in ((-2.0, 0.25), (0.0, 0.5), (2.0, 0.75)):
        column = np.abs(x[0] - at).argmin()
        assert widths[column] == pytest.approx(2 * (1.0 - 0.4 * share), abs=0.12)
        row = np.abs(y[:, 0]).argmin()
        length = np.hypot(8, rise)
        slant = (1.0 - 0.4 * share) * length / 8  # the axis is seen through a slanting wall
        assert relief.height[row, column] == pytest.approx(12 + rise * share + slant, abs=0.15)
        assert along[row, column] == pytest.approx(share * length, abs=0.5)


def test_the_shadow_falls_away_from_the_light():
    body = one_capsule((0, -1, 11.0), (0, 1, 11.0), (0.8, 0.8))
    darkness = []
    for side in (-1, 1):
        towards = np.array([side * 0.6, 0, 0.8])
        canvas = flat_canvas(STUDIO._replace(key_direction=towards))
        frame, relief, _, _ = raised(canvas, body)
        white = np.ones((*relief.cover.shape, 3), np.float32)
        lay(canvas, frame, relief, white, relief.cover * 0, SKIN_WRAP)
        # The axis is 2 cm before the wall: its shadow is 2 · 0.6 / 0.8 = 1.5 cm aside.
        darkness.append([canvas.image[150, 150 + round(10 * at), 1] for at in (-1.5, 1.5, -5, 5)])
    (_, right, *_), (left, *_) = darkness
    assert max(right, left) < 0.75 * min(darkness[0][0], darkness[1][1])
    np.testing.assert_allclose([row[2:] for row in darkness], 0.4, atol=1e-3)


def test_a_body_off_the_picture_or_without_light_adds_nothing():
    canvas = flat_canvas()
    far = np.array([[100.0, 0, 10], [101, 0, 10]])
    assert open_frame(canvas, PIVOT, far, 2.0) is None
    canvas = flat_canvas(DARK, grey=0.0)
    sample_hand(np.random.default_rng(1), GREEN).draw(canvas)
    assert not canvas.image.any()


def hand_pixels(canvas):
    """Return where a green hand is on a grey wall."""
    return canvas.image[..., 1] > 2 * canvas.image[..., 0]


@pytest.mark.parametrize("gesture", GESTURES)
def test_every_gesture_touches_its_landmark_and_leaves_the_picture(gesture):
    for seed in range(4):
        canvas = flat_canvas()
        hand = sample_hand(np.random.default_rng(seed), GREEN, gesture)
        hand.draw(canvas)
        seen = hand_pixels(canvas)
        column, row = 150 + DENSITY * hand.offset[:2] * (1, -1)
        rows, columns = np.nonzero(seen)
        assert np.hypot(rows - row, columns - column).min() < 0.5 * DENSITY
        assert 1500 < seen.sum() < 0.6 * SIZE**2
        changed = np.abs(canvas.image - 0.4).max(2) > 0.01
        edges = (changed[0], changed[-1], changed[:, 0], changed[:, -1])
        assert any(edge.any() for edge in edges)


def test_both_hands_come():
    sides = []
    for seed in range(12):
        canvas = flat_canvas()
        sample_hand(np.random.default_rng(seed), GREEN, "covers mouth").draw(canvas)
        sides.append(np.nonzero(hand_pixels(canvas))[1].mean() > 150)
    assert 2 <= sum(sides) <= 10


@pytest.mark.parametrize("ahead", [0.0, 1.0])
def test_a_hand_rests_on_the_face(monkeypatch, ahead):
    """Wherever the face is, some finger sinks in a little and none deep; see the capsules drawn."""
    drawn = []

    def spy(frame, body):
        drawn.append(body)
        return raise_capsules(frame, body)

    monkeypatch.setattr("lgrnet.faces.scene.hand.raise_capsules", spy)
    canvas = flat_canvas()
    canvas.depth[:] -= ahead
    sample_hand(np.random.default_rng(3), GREEN, "face in hand").draw(canvas)
    (body,) = drawn
    places, radii = np.concatenate([body.start, body.end]), body.radii.T.ravel()
    inside = (np.abs(places[:, :2]) < SIZE / 2 / DENSITY).all(1)
    sunk = (9.0 + ahead) - (places[:, 2] - radii)[inside]
    assert 0.2 < (sunk / radii[inside]).max() < 0.6


def test_a_hand_is_round_and_casts_a_shadow():
    canvas = flat_canvas()
    sample_hand(np.random.default_rng(3), GREEN, "face in hand").draw(canvas)
    seen = hand_pixels(canvas)
    green = canvas.image[..., 1][seen]
    assert np.percentile(green, 95) > 1.6 * np.percentile(green, 5) > 0
    wall = canvas.image[~seen]
    assert wall.min() < 0.7 * 0.4
    assert np.median(wall) == pytest.approx(0.4, abs=0.02)


def test_off_the_head_nothing_is_shadowed():
    canvas = flat_canvas()
    canvas.depth[:] = FAR
    sample_hand(np.random.default_rng(3), GREEN, "face in hand").draw(canvas)
    grey = ~(canvas.image[..., 1] > 1.1 * canvas.image[..., 0])
    np.testing.assert_allclose(np.median(canvas.image[grey]), 0.4)
    assert (np.abs(canvas.image[grey] - 0.4).max(1) > 0.01).mean() < 0.1  # a sleeve may be grey


def test_a_seed_fixes_the_hand():
    def draw(seed):
        canvas = flat_canvas()
        sample_hand(np.random.default_rng(seed), GREEN).draw(canvas)
        return canvas.image

    np.testing.assert_array_equal(draw(5), draw(5))
    assert (draw(5) != draw(6)).mean() > 0.05
