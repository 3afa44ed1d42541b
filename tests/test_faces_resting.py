import numpy as np

from lgrnet.faces.person.identity import make_identity
from lgrnet.faces.person.resting import resting_offset


def test_people_rest_differently_but_a_seed_fixes_them(any_studio):
    rig = any_studio.rig
    one, same, other = (resting_offset(np.random.default_rng(s), rig) for s in (1, 1, 2))
    assert one.shape == rig.vertices.shape
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.02


def test_on_average_brows_lids_and_mouth_rest_as_real_ones_do(any_studio):
    rig = any_studio.rig
    y = np.mean([resting_offset(np.random.default_rng(s), rig)[:, 1] for s in range(300)], axis=0)
    points = rig.landmarks68
    assert y[points[[20, 21, 22, 23]]].max() < -0.08  # inner brows, cm
    assert y[points[[37, 38, 43, 44]]].max() < y[points[[40, 41, 46, 47]]].min()  # lids
    corners, lips = y[points[[48, 54]]], y[points[[62, 66]]]
    assert corners.max() < lips.min()  # the corners hang
    mouth = points[48:68]
    draws = [resting_offset(np.random.default_rng(s), rig)[mouth] for s in range(300)]
    assert np.abs(np.mean(draws, axis=0)).max() < 0.5 * np.abs(draws).max()


def test_a_resting_face_is_asymmetric_but_little(any_studio):
    rig = any_studio.rig
    corners = rig.landmarks68[[48, 54]]
    drops = np.stack(
        [resting_offset(np.random.default_rng(s), rig)[corners, 1] for s in range(200)]
    )
    between = np.abs(drops[:, 0] - drops[:, 1])
    assert 0 < np.median(between) < np.abs(drops).mean()


def test_identities_carry_it(toy_studio):
    spread = np.stack(
        [make_identity(toy_studio, s).vertices[toy_studio.rig.landmarks68] for s in range(6)]
    )
    assert spread.std(0)[[48, 54], 1].min() > 0.02  # mouth corners, which no toy identity moves


def test_a_wider_spread_is_that_many_times_the_usual_one(any_studio):
    rig = any_studio.rig
    usual, wider, mean = (
        resting_offset(np.random.default_rng(5), rig, spread) for spread in (1.0, 1.6, 0.0)
    )
    np.testing.assert_allclose(wider - mean, 1.6 * (usual - mean), atol=1e-5)


def test_lips_rest_wider_apart_only_where_faces_spread_further(toy_studio):
    points = toy_studio.rig.landmarks68
    upper, lower = points[[61, 62, 63]], points[[67, 66, 65]]

    def gaps(resting):
        people = [make_identity(toy_studio, seed, resting).vertices for seed in range(4)]
        return np.array([np.mean(face[upper, 1] - face[lower, 1]) for face in people])

    usual, wider = gaps(1.0), gaps(2.0)
    np.testing.assert_allclose(usual, 0.02, atol=1e-3)
    assert np.all(wider > usual)
    assert np.all(wider < usual + 0.13)
    assert np.ptp(wider) > 0.03
