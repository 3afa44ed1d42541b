import numpy as np
import pytest

from lgrnet.faces.motion.action_units import FACE_AUS
from lgrnet.faces.motion.labels import HIDDEN_FROM, au_presence, unscorable
from lgrnet.network.alignment import MEAN_FACE

LIPS_PART = FACE_AUS.index(25)
COUNT = len(FACE_AUS)


def face(gap: float, scale: float = 1.0):
    """Return landmarks whose inner lips are ``gap`` inter-ocular distances apart."""
    points = np.array(MEAN_FACE, float)
    eyes = np.linalg.norm(points[19:25].mean(0) - points[25:31].mean(0))
    points[43:46, 1] = 120
    points[46:49, 1] = 120 + gap * eyes
    return scale * points


def present(intensity, points):
    return au_presence(np.asarray(intensity, float)[None], points[None])[0]


def test_an_au_is_present_from_where_b_begins():
    intensity = np.where(np.arange(COUNT) % 2, 0.3, 0.299)
    np.testing.assert_array_equal(present(intensity, face(0.0)), np.arange(COUNT) % 2)


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_lips_that_are_seen_apart_are_au_25_whatever_parts_them(scale):
    nothing = np.zeros(COUNT)
    assert present(nothing, face(0.02, scale))[LIPS_PART] == 0
    open_mouth = present(nothing, face(0.04, scale))
    assert open_mouth[LIPS_PART] == 1
    assert open_mouth.sum() == 1


def test_lips_that_cross_are_closed():
    assert present(np.zeros(COUNT), face(-0.1))[LIPS_PART] == 0


def test_intensities_are_not_changed():
    intensity = np.zeros((1, COUNT))
    au_presence(intensity, face(0.1)[None])
    assert not intensity.any()


def test_what_a_hand_hides_on_both_sides_cannot_be_scored():
    points = face(0.0, 200 / 176)
    everywhere, nowhere = np.ones((200, 200), bool), np.zeros((200, 200), bool)
    assert unscorable(everywhere, points).all()
    assert not unscorable(nowhere, points).any()
    mouth = nowhere.copy()
    mouth[int(points[31:, 1].min()) - 25 :] = True
    hidden = {au for au, gone in zip(FACE_AUS, unscorable(mouth, points), strict=True) if gone}
    assert {10, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28} <= hidden
    assert not hidden & {1, 2, 4, 5, 7, 43}


def test_one_side_that_is_seen_is_enough():
    points = face(0.0, 200 / 176)
    half = np.zeros((200, 200), bool)
    half[:, 100:] = True
    told = {au for au, gone in zip(FACE_AUS, unscorable(half, points), strict=True) if not gone}
    assert {1, 2, 4, 6, 7, 12, 15, 17} <= told
    # A window that is hidden to a share just short of the bound still counts as seen.
    rows = np.zeros((200, 200), bool)
    centre, radius = points[31], 14
    rows[: int(centre[1] - radius + 2 * radius * (HIDDEN_FROM - 0.1))] = True
    assert not unscorable(rows, points)[FACE_AUS.index(12)]


def test_a_face_outside_its_picture_cannot_be_scored():
    assert unscorable(np.zeros((200, 200), bool), face(0.0) + 1000).all()
