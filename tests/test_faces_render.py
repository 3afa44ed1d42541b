from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from lgrnet.faces.drawing.camera import MAX_PITCH, MAX_YAW, PIVOT, Pose, sample_pose
from lgrnet.faces.head.rig import SDM49_OF_68
from lgrnet.faces.motion.action_units import FACE_AUS
from lgrnet.faces.motion.expression import Expression, pose_vertices
from lgrnet.faces.person.identity import make_identity
from lgrnet.faces.render import (
    aligned_placement,
    blank,
    found_placement,
    photograph,
    portrait,
    render,
)
from lgrnet.faces.scene.background import BRIGHTEST, sample_background
from lgrnet.faces.scene.light import STUDIO, cast_shadow, sample_lighting

# The longer side of the anchors' box in the aligned 200 × 200 image: 199 / 2.9 around its middle.
LOW, HIGH = 65.18965517241379, 133.81034482758622
POSES = [Pose(), Pose(0.4, -0.2, 0.15, 40.0), Pose(-0.5, 0.1, -0.3, 110.0)]


@pytest.fixture(scope="module")
def person(any_studio):
    """Return somebody without hair on the landmarks."""
    someone = make_identity(any_studio, 5)
    shell = np.zeros_like(someone.skin.hair_shell)
    return replace(someone, skin=replace(someone.skin, hair_shell=shell))


def projection(vertices, pose):
    """Turn the head and look at it through a pinhole; (V, 2), y down."""
    turn = Rotation.from_euler("yxz", [pose.yaw, pose.pitch, pose.roll])  # about fixed axes
    x, y, z = turn.apply(vertices.astype(np.float64) - PIVOT).T
    return np.stack([x, -y], 1) * (pose.distance / (pose.distance - z))[:, None]


def scene(expression, pose=None, background=None, place=None, **options):
    """Return the arguments of ``render`` after studio and person."""
    background = blank() if background is None else background
    place = place or aligned_placement()
    return (expression, pose or Pose(), STUDIO, background, place, *options.values())


@pytest.mark.parametrize("pose", POSES)
def test_landmarks_are_the_projected_vertices(any_studio, person, pose):
    expression = Expression({12: 0.8, 26: 0.5}, gaze=(0.1, 0.1))
    found = render(any_studio, person, *scene(expression, pose)).landmarks
    vertices = pose_vertices(any_studio, person, expression)
    flat = projection(vertices, pose)[any_studio.rig.landmarks68[SDM49_OF_68]]
    # The aligner's similarity: x' = a x − b y + c, y' = b x + a y + d.
    x, y = flat.T
    zero, one = np.zeros_like(x), np.ones_like(x)
    system = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
    solution = np.linalg.lstsq(system, np.concatenate(found.T), rcond=None)[0]
    assert np.abs(system @ solution - np.concatenate(found.T)).max() < 1e-3
    assert np.hypot(*solution[:2]) > 5  # pixels per cm


@pytest.mark.parametrize("pose", POSES)
def test_the_anchors_fill_the_aligned_box_exactly(any_studio, person, pose):
    points = render(any_studio, person, *scene(Expression({1: 1.0, 15: 0.5}), pose)).landmarks
    left, right = points[19:25].mean(0), points[25:31].mean(0)
    anchors = np.stack([left, right, points[13], points[31], points[37]])
    low, high = anchors.min(0), anchors.max(0)
    longer = (high - low).argmax()
    assert low[longer] == pytest.approx(LOW, abs=1e-6)
    assert high[longer] == pytest.approx(HIGH, abs=1e-6)
    np.testing.assert_allclose((low + high) / 2, 99.5, atol=1e-6)
    assert left[1] == pytest.approx(right[1], abs=1e-6)


def test_alignment_noise_moves_the_face_a_little(toy_studio):
    person = make_identity(toy_studio, 5)
    exact = render(toy_studio, person, *scene(Expression())).landmarks
    rng = np.random.default_rng(0)
    noisy = render(
        toy_studio, person, *scene(Expression(), place=aligned_placement(rng, noise=0.015))
    ).landmarks
    assert 0.05 < np.abs(noisy - exact).max() < 6


@pytest.mark.parametrize("supersample", [1.0, 1.5])
def test_pixels_and_landmarks_share_their_origin(toy_studio, supersample):
    """A silhouette's middle is where the projected vertices' middle is, half a pixel would show."""
    someone = make_identity(toy_studio, 5)
    bald = replace(someone, skin=replace(someone.skin, hair_shell=0 * someone.skin.hair_shell))
    flat = projection(pose_vertices(toy_studio, bald, Expression()), Pose())
    errors = []
    for shift in np.linspace(0, 1, 7):
        matrix = np.array([[5, 0, 80 + shift], [0, 5, 80 + shift]])
        arguments = scene(Expression(), place=lambda _, m=matrix: m, supersample=supersample)
        rows, columns = np.nonzero(render(toy_studio, bald, *arguments).covered)
        seen = np.array([columns.min() + columns.max(), rows.min() + rows.max()]) / 2
        errors.append(seen - (5 * (flat.min(0) + flat.max(0)) / 2 + 80 + shift))
    assert np.abs(np.mean(errors, 0)).max() < 0.2


def test_a_seed_fixes_the_picture(toy_studio):
    def draw(seed):
        rng = np.random.default_rng(seed)
        picture = render(
            toy_studio,
            make_identity(toy_studio, seed),
            Expression({12: 0.6}),
            sample_pose(rng),
            sample_lighting(rng),
            sample_background(rng, 200, 200),
            aligned_placement(rng, noise=0.015),
        )
        return photograph(rng, picture), picture.landmarks

    (photo, points), (same, same_points), (other, _) = draw(1), draw(1), draw(2)
    np.testing.assert_array_equal(photo, same)
    np.testing.assert_array_equal(points, same_points)
    assert (photo != other).mean() > 0.5


def test_every_au_shows(any_studio, person):
    neutral = portrait(render(any_studio, person, *scene(Expression()))).astype(float)
    pictures = {
        au: portrait(render(any_studio, person, *scene(Expression({au: 1.0})))).astype(float)
        for au in FACE_AUS
    }
    for au, picture in pictures.items():
        change = np.abs(picture - neutral).max(2)
        assert (change > 8).sum() > 80, f"AU {au} changes {(change > 8).sum()} pixels"
    different = {(a, b) for a in FACE_AUS for b in FACE_AUS if a < b}
    assert all(np.abs(pictures[a] - pictures[b]).max() > 20 for a, b in different)


def test_a_red_background_is_red_in_the_photo(toy_studio):
    red = np.zeros((200, 200, 3), np.float32)
    red[..., 0] = 0.4
    picture = render(toy_studio, make_identity(toy_studio, 5), *scene(Expression(), None, red))
    assert picture.linear.dtype == np.float32
    assert not picture.covered.all()
    for photo in (portrait(picture), photograph(np.random.default_rng(1), picture)):
        assert photo.shape == (200, 200, 3)
        assert photo.dtype == np.uint8
        blue, green, deep = photo[:15, :15].reshape(-1, 3).mean(0)
        assert deep > 2 * max(blue, green)


def test_light_and_background_are_valid():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        light = sample_lighting(rng)
        assert np.linalg.norm(light.key_direction) == pytest.approx(1)
        assert np.linalg.norm(light.fill_direction) == pytest.approx(1)
        assert min(light.key.min(), light.ambient.min(), light.fill.min()) >= 0
        background = sample_background(rng, 30, 50)
        assert background.shape == (30, 50, 3)
        assert background.dtype == np.float32
        assert 0 <= background.min() <= background.max() <= BRIGHTEST


def test_the_shadow_map_holds_what_is_nearest_to_the_light():
    light = STUDIO._replace(key_direction=np.array([0.0, 0.0, 1.0]))
    plate = np.array([[-2, -2, 0], [2, -2, 0], [2, 2, 0], [-2, 2, 0]], np.float32)
    positions = np.concatenate([plate, plate * 3 - (0, 0, 4)]).astype(np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], np.int32)
    shadow = cast_shadow(positions, triangles, light)
    middle = len(shadow.depth) // 2
    assert shadow.depth[middle, middle] == pytest.approx(0)
    assert shadow.depth[middle, middle + round(4 * shadow.scale)] == pytest.approx(4)


def test_head_poses_stay_in_range():
    rng = np.random.default_rng(0)
    poses = [sample_pose(rng) for _ in range(2000)]
    yaw, pitch = (np.rad2deg([getattr(pose, name) for pose in poses]) for name in ("yaw", "pitch"))
    assert 35 < np.abs(yaw).max() <= MAX_YAW
    assert 20 < np.abs(pitch).max() <= MAX_PITCH
    assert np.median(np.abs(yaw)) < 20
    assert 36 <= min(pose.distance for pose in poses) < max(pose.distance for pose in poses) <= 150
    np.testing.assert_allclose(poses[0].rotation() @ poses[0].rotation().T, np.eye(3), atol=1e-12)


def test_a_finders_placement_is_off_but_shows_the_face(toy_studio):
    person = make_identity(toy_studio, 5)
    exact = render(toy_studio, person, *scene(Expression(), place=aligned_placement())).landmarks
    away, sizes = [], []
    for seed in range(40):
        place = found_placement(np.random.default_rng(seed))
        seen = render(toy_studio, person, *scene(Expression(), place=place)).landmarks
        away.append(np.abs(seen.mean(0) - exact.mean(0)).max())
        sizes.append(np.ptp(seen[:, 0]) / np.ptp(exact[:, 0]))
        assert (seen[[13, 34, 40]] > 0).all()
        assert (seen[[13, 34, 40]] < 200).all()  # nose and mouth
    assert 15 < np.median(away) < 30
    assert min(sizes) < 0.85
    assert max(sizes) > 1.15
