import numpy as np
import pytest

from lgrnet.faces.drawing.camera import Pose
from lgrnet.faces.motion.expression import Expression
from lgrnet.faces.person.identity import make_identity
from lgrnet.faces.render import aligned_placement, blank, render
from lgrnet.faces.scene.hand import Hand
from lgrnet.faces.scene.light import STUDIO
from lgrnet.faces.scene.occluders import KINDS, sample_occluder, sample_occluders

SKIN = np.array([0.5, 0.3, 0.22])
POSES = [Pose(), Pose(0.4, -0.2, 0.15, 40.0), Pose(-0.5, 0.1, -0.3, 110.0)]
EYES, MOUTH, LOW_LIP = slice(19, 31), slice(31, 43), 40  # of the 49 landmarks


def draw(studio, person, overlay, pose=None, light=STUDIO):
    """Return the render with and without an overlay."""
    pictures = [
        render(
            studio, person, Expression({12: 0.4}), pose or Pose(), light, blank(),
            aligned_placement(), overlays=overlays,
        )
        for overlays in ((), (overlay,))
    ]  # fmt: skip
    return pictures[1], pictures[0]


def change(picture, bare):
    """Return by how much every pixel changed, (H, W)."""
    return np.abs(picture.linear - bare.linear).max(2)


def at(field, points):
    column, row = np.round(points).astype(int).T
    return field[row.clip(0, 199), column.clip(0, 199)]


@pytest.fixture(scope="module")
def person(toy_studio):
    return make_identity(toy_studio, 5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_hides_a_part_and_leaves_the_landmarks(toy_studio, person, kind):
    shares = []
    for seed in range(4):
        overlay = sample_occluder(np.random.default_rng(seed), SKIN, kind=kind)
        picture, bare = draw(toy_studio, person, overlay, POSES[seed % 3])
        np.testing.assert_array_equal(picture.landmarks, bare.landmarks)
        np.testing.assert_array_equal(picture.covered, bare.covered)
        assert np.isfinite(picture.linear).all()
        assert picture.linear.min() >= 0
        shares.append((change(picture, bare) > 0.02).mean())
    assert max(shares) > 0.01
    assert max(shares) < 0.75


@pytest.mark.parametrize("kind", KINDS)
def test_without_light_nothing_shines(toy_studio, person, kind):
    zero = np.zeros(3)
    dark = STUDIO._replace(key=zero, ambient=zero, fill=zero)
    overlay = sample_occluder(np.random.default_rng(2), SKIN, kind=kind)
    picture, bare = draw(toy_studio, person, overlay, light=dark)
    assert (picture.linear <= bare.linear + 1e-6).all()


@pytest.mark.parametrize("pose", POSES)
def test_a_mask_covers_the_mouth_and_no_eye(toy_studio, person, pose):
    for seed in range(3):
        mask = sample_occluder(np.random.default_rng(seed), SKIN, kind="mask")
        red = type(mask)(mask.top, np.array([0.6, 0.01, 0.01]), mask.pleats, mask.texture)
        picture, bare = draw(toy_studio, person, red, pose)
        red, green, _ = np.moveaxis(picture.linear, 2, 0)
        painted = red > 8 * green
        assert at(painted, bare.landmarks[MOUTH]).all()
        assert not at(painted, bare.landmarks[EYES]).any()


def test_a_cup_is_below_the_lips_and_a_strand_above(toy_studio, person):
    for kind, below in (("cup", True), ("strand", False)):
        rows = []
        for seed in range(4):
            overlay = sample_occluder(np.random.default_rng(seed), SKIN, kind=kind)
            picture, bare = draw(toy_studio, person, overlay)
            rows.append(np.nonzero(change(picture, bare) > 0.03)[0].mean())
            lip = bare.landmarks[LOW_LIP, 1]
        assert (np.median(rows) > lip) == below


def test_a_hand_has_the_skin_of_its_person(toy_studio, person):
    hues = {}
    for name, skin in (("light", SKIN), ("blue", np.array([0.05, 0.1, 0.7]))):
        hand = sample_occluder(np.random.default_rng(3), skin, kind="hand")
        picture, bare = draw(toy_studio, person, hand)
        mean = picture.linear[change(picture, bare) > 0.1].mean(0)
        hues[name] = mean / mean.sum()
    assert hues["light"][0] > hues["light"][2]
    assert hues["blue"][2] > 1.5 * hues["blue"][0]


def test_mostly_hands_and_only_as_often_as_asked():
    rng = np.random.default_rng(0)
    assert sample_occluders(rng, 0.0, SKIN) == ()
    drawn = [sample_occluders(rng, 0.25, SKIN) for _ in range(600)]
    count = sum(map(len, drawn))
    assert 110 < count < 190
    hands = sum(isinstance(overlay, Hand) for overlays in drawn for overlay in overlays)
    assert 0.45 < hands / count < 0.7


def test_a_seed_fixes_the_occluder(toy_studio, person):
    def picture(seed):
        overlay = sample_occluder(np.random.default_rng(seed), SKIN)
        return draw(toy_studio, person, overlay)[0].linear

    np.testing.assert_array_equal(picture(1), picture(1))
    assert (picture(1) != picture(2)).any()
