from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from lgrnet.faces.conditions import CONDITIONS, measure_conditions, typology_angle
from lgrnet.faces.drawing.camera import Pose
from lgrnet.network.alignment import MEAN_FACE
from runtime.align import CROP_OFFSET

FACE = np.array(MEAN_FACE) + CROP_OFFSET


def measured(photo, hidden=None, landmarks=FACE, pose=None):
    hidden = np.zeros(photo.shape[:2], bool) if hidden is None else hidden
    picture = SimpleNamespace(landmarks=landmarks, hidden=hidden)
    pose = pose or Pose(0.0, 0.0, 0.0)
    return measure_conditions(picture, photo, pose, np.array([0.8, 0.6, 0.5]))


def grey(value):
    return np.full((200, 200, 3), value, np.uint8)


def test_angles_are_degrees():
    found = measured(grey(90), pose=Pose(yaw=0.5, pitch=-0.25, roll=1.0))
    assert found["yaw"] == pytest.approx(0.5 * 180 / np.pi)
    assert found["pitch"] == pytest.approx(-0.25 * 180 / np.pi)
    assert tuple(found) == CONDITIONS


def test_brightness_is_that_of_the_face():
    photo = grey(0)
    left, top = FACE.min(0) - 1
    right, bottom = FACE.max(0) + 1
    cv2.rectangle(photo, (int(left), int(top)), (int(right), int(bottom)), (90, 90, 90), -1)
    assert measured(photo)["brightness"] == pytest.approx(90)


@pytest.mark.parametrize("flip", [False, True])
def test_side_light_is_the_difference_of_the_halves(flip):
    photo = grey(60)
    middle = round(FACE[10:14, 0].mean())
    photo[:, :middle] = 180
    photo = np.ascontiguousarray(photo[:, ::-1]) if flip else photo
    landmarks = FACE * (-1, 1) + (199, 0) if flip else FACE
    assert measured(photo, landmarks=landmarks)["side_light"] == pytest.approx(1.0, abs=0.03)
    assert measured(grey(60))["side_light"] == 0


def test_occlusion_is_a_share_of_the_hull():
    hidden = np.zeros((200, 200), bool)
    hidden[: int(FACE[:, 1].mean())] = True
    rows, columns = np.indices((200, 200))
    hull = cv2.convexHull(FACE.astype(np.float32))
    inside = np.array(
        [
            cv2.pointPolygonTest(hull, (float(x), float(y)), False) >= 0
            for x, y in zip(columns.ravel(), rows.ravel(), strict=True)
        ]
    ).reshape(200, 200)
    expected = (hidden & inside).sum() / inside.sum()
    assert measured(grey(90), hidden)["occlusion"] == pytest.approx(expected, abs=0.01)
    assert measured(grey(90))["occlusion"] == 0


def test_a_face_outside_the_picture_has_numbers_too():
    found = measured(grey(90), landmarks=FACE + 500)
    assert all(np.isfinite(value) for value in found.values())


def cielab(srgb):
    """L* and b* by the formulas of IEC 61966-2-1 and CIE 15, white D65."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in srgb]
    y = np.dot([0.2126729, 0.7151522, 0.0721750], linear)
    z = np.dot([0.0193339, 0.1191920, 0.9503041], linear) / 1.08883
    y, z = (np.cbrt(v) if v > 0.008856 else (903.3 * v + 16) / 116 for v in (y, z))
    return 116 * y - 16, 200 * (y - z)


@pytest.mark.parametrize("srgb", [(1.0, 0.8, 0.6), (0.4, 0.25, 0.15), (0.9, 0.88, 0.85)])
def test_typology_angle_is_that_of_its_definition(srgb):
    lightness, yellowness = cielab(srgb)
    expected = np.degrees(np.arctan2(lightness - 50, yellowness))
    assert typology_angle(np.array(srgb)) == pytest.approx(expected, abs=0.3)
