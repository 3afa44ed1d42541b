"""The rendered people against published measurements of real ones."""

import numpy as np
import pytest

from lgrnet.faces.head.rig import RigError, load_rig
from lgrnet.faces.person import identity

PEOPLE = 120
LEFT_EYE, RIGHT_EYE = slice(42, 48), slice(36, 42)


@pytest.fixture(scope="module")
def points():
    """Return the 68 landmarks of many resting people, (N, 68, 3) mm; skin and hair are left out."""
    try:
        studio = identity.open_studio(load_rig())
    except RigError as error:
        pytest.skip(f"the toy rig has no proportions of real people: {error}")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("paint_skin", "sample_hair", "sample_lashes"):
            patch.setattr(identity, name, lambda *_: None)
        people = [identity.make_identity(studio, 80_000_000 + each) for each in range(PEOPLE)]
    return 10 * np.stack([person.vertices[studio.rig.landmarks68] for person in people])


def opening(p):
    """Height of the palpebral fissures: the two points of an upper lid above those of the lower."""
    y = p[..., 1]
    right = y[:, [37, 38]].mean(1) - y[:, [40, 41]].mean(1)
    left = y[:, [43, 44]].mean(1) - y[:, [46, 47]].mean(1)
    return (right + left) / 2


def brow_height(p):
    """Middle of the brows above the middle of the eyes."""
    y = p[..., 1]
    right = y[:, 19] - y[:, RIGHT_EYE].mean(1)
    return (right + y[:, 24] - y[:, LEFT_EYE].mean(1)) / 2


MEASURES = {
    # name: (measure, published mean or None, published standard deviation), mm
    "opening of the eyes": (opening, 9.7, 1.2),  # Read et al. 2006
    "height of the brows": (brow_height, None, 1.8),  # Cartwright et al. 1994, from another point
    "width of the mouth": (
        lambda p: np.linalg.norm(p[:, 54] - p[:, 48], axis=1),
        *(48.1, 3.3),  # "The concept of ideal lips", as the next two
    ),
    "upper vermilion": (lambda p: p[:, 51, 1] - p[:, 62, 1], 6.5, 1.4),
    "lower vermilion": (lambda p: p[:, 66, 1] - p[:, 57, 1], 11.6, 1.5),
}


@pytest.mark.parametrize("name", MEASURES)
def test_people_differ_as_much_as_real_ones_do(points, name):
    measure, mean, deviation = MEASURES[name]
    found = measure(points)
    assert 0.7 * deviation < found.std() < 1.3 * deviation
    if mean is not None:
        assert abs(found.mean() - mean) < 2 * deviation
