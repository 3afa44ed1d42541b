"""How one notices by geometry that landmarks are on no face."""

import numpy as np
import pytest
from test_runtime_fixtures import MEAN_FACE

from runtime.align import alignment_matrix, transform
from runtime.boxes import alignment_box, face_box, overlap, same_face
from runtime.tracking.lost import why_lost

SIZE = (320, 240)
FACE = MEAN_FACE + np.array((70, 40))
USED = alignment_matrix(FACE)


def around(points: np.ndarray, zoom: float = 1, degrees: float = 0) -> np.ndarray:
    """Scale and turn about the middle of the aligned image."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([157.5, 127.5])
    return zoom * (points - middle) @ turn.T + middle


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        (FACE, ""),
        (FACE + 20, ""),
        (around(FACE, 1.3), ""),
        (around(FACE, degrees=20), ""),
        (np.full_like(FACE, np.nan), "not finite"),
        (np.full_like(FACE, np.inf), "not finite"),
        (np.ones_like(FACE), "0.0 px apart"),
        (around(FACE, 0.05), "px apart"),
        (FACE + np.array((400, 0)), "outside the frame"),
        (around(FACE, 0.6), "scale by a factor of 1.67"),
        (around(FACE, 1.7), "scale by a factor of 0.59"),
        (around(FACE, degrees=40), "turned by -40 degrees"),
        (FACE + np.array((0, 55)), "moved by 55 of 200"),
    ],
)
def test_geometry_of_a_loss(points, reason):
    said = why_lost(points, USED, SIZE)
    assert (reason in said) if reason else said == ""


def test_eyes_are_measured_by_the_longer_side_of_the_frame():
    """A flat face fits into a strip, lying or upright, and not into a small square."""
    low = (FACE - (70, 40)) * (1, 0.15)
    used = alignment_matrix(low)
    assert why_lost(low, used, (320, 24)) == ""
    assert why_lost(low[:, ::-1], alignment_matrix(low[:, ::-1]), (24, 320)) == ""
    assert "px apart" in why_lost(low, used, (32, 24))


def test_boxes():
    x, y, w, h = face_box(FACE)
    assert (FACE > [x, y]).all()
    assert (FACE < [x + w, y + h]).all()
    assert overlap((0, 0, 2, 2), (1, 0, 2, 2)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 2, 2), (2, 0, 2, 2)) == 0
    assert overlap((0, 0, 2, 2), (0, 0, 2, 2)) == 1
    assert same_face((0, 0, 2, 2), (0.5, 0, 2, 2))
    assert not same_face((0, 0, 2, 2), (1, 0, 2, 2))
    for inner, is_same in (((3, 3, 1, 1), True), ((3.1, 3, 1, 1), True), ((3.3, 3, 1, 1), False)):
        assert same_face((0, 0, 4, 4), inner) == same_face(inner, (0, 0, 4, 4)) == is_same
    assert overlap(face_box(FACE), alignment_box(USED)) > 0.7
    middle = transform(np.array([[99.5, 99.5]]), USED)
    assert middle.shape == (1, 2)
