import cv2
import numpy as np
import pytest

from lgrnet.data.augment import AugmentConfig, augment
from runtime import landmarks as points49

LIVE = AugmentConfig(0.5, rotation=8, scale=0.1, photometric=0, occlusion=0, grey_border=0.5)


def dotted_face(points):
    """Draw a spot at every landmark, brighter with its index."""
    face = np.zeros((200, 200, 3), np.uint8)
    for index, (x, y) in enumerate(points):
        face[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2] = 60 + 4 * index
    return face


@pytest.fixture
def points():
    # A 7 × 7 lattice, so that no two spots touch; its middle column maps to itself when mirrored.
    grid = np.stack(np.meshgrid(np.arange(7), np.arange(7)), -1).reshape(-1, 2)
    return (40 + 20 * grid).astype(np.float32)


def test_the_papers_protocol_is_a_plain_crop_and_flip(points):
    face = np.zeros((200, 200, 3), np.uint8)
    face[..., 0], face[..., 1] = np.meshgrid(np.arange(200), np.arange(200))  # pixels say where
    flips, offsets = 0, set()
    for seed in range(150):
        crop, moved = augment(np.random.default_rng(seed), face, points, AugmentConfig())
        flipped = crop[0, 0, 0] > crop[0, 1, 0]
        upright = crop[:, ::-1] if flipped else crop
        x, y = (int(value) for value in upright[0, 0, :2])
        np.testing.assert_array_equal(upright, face[y : y + 176, x : x + 176])
        expected = points - np.array([x, y])
        if flipped:
            expected = np.stack([175 - expected[:, 0], expected[:, 1]], 1)[points49.MIRROR]
        np.testing.assert_allclose(moved, expected, atol=1e-4)
        flips += flipped
        offsets.add((x, y))
    assert 50 < flips < 100
    assert len(offsets) > 100
    for offset in zip(*offsets, strict=True):
        assert (min(offset), max(offset)) == (0, 24), "all that 200 pixels have room for"


def test_landmarks_stay_on_their_spots_under_rotation_and_scale(points):
    face = dotted_face(points)
    for seed in range(20):
        config = AugmentConfig(0.0, rotation=8, scale=0.1)
        crop, moved = augment(np.random.default_rng(seed), face, points, config)
        inside = ((moved > 3) & (moved < 172)).all(1)
        assert inside.sum() > 20
        for index in np.flatnonzero(inside):
            x, y = np.round(moved[index]).astype(int)
            spot = crop[y - 1 : y + 2, x - 1 : x + 2, 0]
            assert abs(int(spot.max()) - (60 + 4 * index)) <= 6


def test_inputs_are_not_changed(points):
    face = dotted_face(points)
    before = face.copy(), points.copy()
    everything = AugmentConfig(1.0, 8, 0.1, photometric=1, occlusion=1, grey_border=1)
    for seed in range(10):
        augment(np.random.default_rng(seed), face, points, everything)
    np.testing.assert_array_equal(face, before[0])
    np.testing.assert_array_equal(points, before[1])


def test_a_seed_fixes_the_result(points):
    face = dotted_face(points)
    first, again, other = (
        augment(np.random.default_rng(seed), face, points, LIVE)[0] for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_border_is_grey_or_the_extended_edge(points):
    face = np.full((200, 200, 3), 10, np.uint8)
    shrink = AugmentConfig(0, scale=0.5, grey_border=1)
    seen = {
        value
        for seed in range(20)
        for value in np.unique(augment(np.random.default_rng(seed), face, points, shrink)[0])
    }
    assert {10, 128} <= seen
    extended = AugmentConfig(0, scale=0.5, grey_border=0)
    for seed in range(20):
        assert (augment(np.random.default_rng(seed), face, points, extended)[0] == 10).all()


def test_occlusion_covers_a_part_and_leaves_the_rest(points):
    face = np.full((200, 200, 3), 100, np.uint8)
    covered = [
        (
            augment(np.random.default_rng(seed), face, points, AugmentConfig(0, occlusion=1))[0]
            != 100
        )
        .any(2)
        .mean()
        for seed in range(30)
    ]
    assert 0 < np.mean(covered) < 0.3
    assert max(covered) < 0.5


def test_recolouring_is_one_power_law_a_channel(points):
    """Fit gamma and gain of each channel to what came out, and compute it again."""
    ramp = np.tile(np.linspace(0, 255, 200).astype(np.uint8)[None, :, None], (200, 1, 3))
    gammas = []
    for seed in range(40):
        configs = (AugmentConfig(0, photometric=strength) for strength in (0, 1))
        plain, changed = (
            augment(np.random.default_rng(seed), ramp, points, config)[0] for config in configs
        )
        for channel in range(3):
            before, after = plain[..., channel], changed[..., channel]
            inside = (after > 20) & (after < 250) & (before > 20)
            x, y = np.log(before[inside] / 255), np.log(after[inside] / 255)
            gamma, gain = np.polyfit(x, y, 1)
            again = (np.exp(gain) * (before / 255.0) ** gamma * 255).clip(0, 255)
            assert np.abs(again - after.astype(float)).max() < 4
            gammas.append(gamma)
    assert 0.15 < np.log(gammas).std() < 0.35  # 0.25 at full strength


def test_faces_turn_and_grow_as_much_as_asked(points):
    """Fit the similarity that takes the points to where they went."""
    config = AugmentConfig(0.0, rotation=8, scale=0.1)
    face, angles, sizes = np.zeros((200, 200, 3), np.uint8), [], []
    for seed in range(300):
        _, moved = augment(np.random.default_rng(seed), face, points, config)
        matrix, _ = cv2.estimateAffinePartial2D(points, moved)
        angles.append(np.rad2deg(np.arctan2(matrix[1, 0], matrix[0, 0])))
        sizes.append(np.log(np.hypot(matrix[0, 0], matrix[1, 0])))
    assert 7 < np.std(angles) < 9
    assert 0.085 < np.std(sizes) < 0.115
    assert abs(np.mean(angles)) < 1.5


@pytest.mark.parametrize(
    ("field", "value"), [("flip", 1.5), ("occlusion", -0.1), ("rotation", -1.0), ("scale", -1.0)]
)
def test_out_of_range_settings_are_named(field, value):
    with pytest.raises(ValueError, match=f"augment.{field}"):
        AugmentConfig(**{field: value})
