import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from lgrnet.faces.drawing.camera import PIVOT, Pose, project
from runtime.landmarks import MIRROR
from runtime.pose import FOCAL_LENGTH, head_pose
from runtime.pose.face_model import FACE_MM
from runtime.pose.fitting import RIGID, HeadPose

WIDTH, HEIGHT = 1280, 720
FOCAL = FOCAL_LENGTH * WIDTH
ANGLES = [(0, 0, 0), (30, 0, 0), (0, 20, 0), (0, 0, 15), (-35, 18, -12), (25, -20, 30)]


def seen(yaw: float, pitch: float, roll: float, distance: float = 60.0) -> np.ndarray:
    """Project the average face as the renderer does, (49, 2), pixels."""
    pose = Pose(*np.deg2rad([yaw, pitch, roll]), distance=distance)
    centimetres = FACE_MM * [0.1, -0.1, -0.1]
    flat = project((centimetres @ pose.rotation().T).astype(np.float32), pose)[:, :2]
    return flat / distance * FOCAL + [(WIDTH - 1) / 2, (HEIGHT - 1) / 2]


@pytest.mark.parametrize("angles", ANGLES)
def test_known_poses_in_the_signs_of_the_renderer(angles):
    pose = head_pose(seen(*angles), (WIDTH, HEIGHT))
    np.testing.assert_allclose((pose.yaw, pose.pitch, pose.roll), angles, atol=0.05)
    np.testing.assert_allclose(pose.translation, (0, 0, 600), atol=0.5)


def test_signs_in_words():
    """Right, down and counter-clockwise are where the nose and the eyes go on the picture."""
    straight = seen(0, 0, 0)
    nose = 13
    assert seen(20, 0, 0)[nose, 0] > straight[nose, 0] + 20
    assert seen(0, 20, 0)[nose, 1] > straight[nose, 1] + 20
    tilted = seen(0, 0, 20)
    assert tilted[28, 1] < tilted[19, 1] - 20  # the eye on the right is higher up


def test_where_the_head_is():
    points = seen(10, 5, 0, distance=80) + np.array([200, -100])
    x, y, z = head_pose(points, (WIDTH, HEIGHT)).translation
    assert z == pytest.approx(800, rel=0.1)
    assert x == pytest.approx(800 * 200 / FOCAL, rel=0.15)
    assert y == pytest.approx(-800 * 100 / FOCAL, rel=0.15)


@pytest.mark.parametrize("angles", ANGLES)
def test_angles_of_openface(angles):
    """Its convention is R = Rx Ry Rz in the camera's axes: right, down, away."""
    pose = head_pose(seen(*angles), (WIDTH, HEIGHT))
    *place, rx, ry, rz = pose.openface()
    assert tuple(place) == pose.translation
    turn = Rotation.from_rotvec(pose.rotation)
    np.testing.assert_allclose(turn.as_euler("XYZ"), (rx, ry, rz), atol=1e-6)
    yaw, pitch, roll = np.deg2rad(angles)
    if not pitch and not roll:
        assert ry == pytest.approx(-yaw, abs=1e-3)  # positive to the left of the picture
    if not yaw and not roll:
        assert rx == pytest.approx(pitch, abs=1e-3)  # positive downwards
    if not yaw and not pitch:
        assert rz == pytest.approx(-roll, abs=1e-3)  # positive clockwise


def test_mirrored_face():
    points = seen(25, 10, 8)
    mirrored = points[MIRROR] * [-1, 1] + [WIDTH - 1, 0]
    here, there = head_pose(points, (WIDTH, HEIGHT)), head_pose(mirrored, (WIDTH, HEIGHT))
    np.testing.assert_allclose(
        (there.yaw, there.pitch, there.roll), (-here.yaw, here.pitch, -here.roll), atol=0.05
    )


def test_a_frame_on_its_end_is_seen_through_the_same_lens():
    points = seen(20, -10, 5) + np.array([HEIGHT - WIDTH, WIDTH - HEIGHT]) / 2
    pose = head_pose(points, (HEIGHT, WIDTH))
    np.testing.assert_allclose((pose.yaw, pose.pitch, pose.roll), (20, -10, 5), atol=0.05)
    np.testing.assert_allclose(pose.translation, (0, 0, 600), atol=0.5)
    assert np.rad2deg(2 * np.arctan(0.5 / FOCAL_LENGTH)) == pytest.approx(65, abs=0.5)


def test_no_other_pose_fits_better():
    """Of landmarks that are a little off; least squares by SciPy, from where the pose is."""
    points = seen(25, -15, 10) + np.random.default_rng(0).normal(0, 3, (49, 2))
    pose = head_pose(points, (WIDTH, HEIGHT))

    def off(six):
        there = Rotation.from_rotvec(six[:3]).apply(FACE_MM[RIGID]) + six[3:]
        middle = [(WIDTH - 1) / 2, (HEIGHT - 1) / 2]
        return (there[:, :2] / there[:, 2:] * FOCAL + middle - points[RIGID]).ravel()

    found = np.array([*pose.rotation, *pose.translation])
    best = least_squares(off, found, x_scale=[0.1] * 3 + [10] * 3)
    assert (off(found) ** 2).sum() == pytest.approx(2 * best.cost, rel=1e-4)


def test_plain_values_are_rounded_to_what_can_be_meant():
    pose = HeadPose(1.23456, -2.0051, 0.005, (10.06, -20.04, 600.25), (0.123456, -0.00004, 3.1))
    assert pose.to_dict() == {
        "yaw": 1.23, "pitch": -2.01, "roll": 0.01, "translation": [10.1, -20.0, 600.2],
        "rotation": [0.1235, 0.0, 3.1],
    }  # fmt: skip


def test_longer_lens():
    points = seen(30, 10, 0)
    pose = head_pose(points, (WIDTH, HEIGHT), focal_length=2 * FOCAL)
    assert pose.translation[2] == pytest.approx(1200, rel=0.1)
    assert pose.yaw == pytest.approx(30, abs=5)


@pytest.mark.parametrize("points", [np.zeros((49, 2)), np.full((49, 2), np.nan)])
def test_no_face_has_no_pose(points):
    assert head_pose(points, (WIDTH, HEIGHT)) is None


def test_no_head_is_behind_the_camera():
    """Points strewn over the frame fit a face there as well as one in front, or better."""
    rng = np.random.default_rng(0)
    poses = [head_pose(rng.uniform(0, [WIDTH, HEIGHT], (49, 2)), (WIDTH, HEIGHT)) for _ in range(9)]
    assert None in poses
    assert all(pose is None or pose.translation[2] > 0 for pose in poses)


def test_average_face():
    assert FACE_MM.shape == (49, 3)
    np.testing.assert_allclose(FACE_MM[MIRROR] * [-1, 1, 1], FACE_MM)
    left, right = FACE_MM[19:25].mean(0), FACE_MM[25:31].mean(0)
    assert 58 < np.linalg.norm(left - right) < 70  # people's eyes are 63 mm apart on average


def test_average_face_is_that_of_the_rig(any_studio):
    from lgrnet.faces.head.rig import SDM49_OF_68

    rig = any_studio.rig
    if len(rig.vertices) < 5000:
        pytest.skip("the toy rig is another face")
    points = rig.vertices[rig.landmarks68[SDM49_OF_68]]
    np.testing.assert_allclose((points - PIVOT) * [10, -10, -10], FACE_MM, atol=0.06)
