"""How a head is turned and where it is, from its 49 landmarks and a rigid face of average shape.

The camera is a pinhole that nobody has calibrated: its focal length is taken to be
`FOCAL_LENGTH` times the longer side of the frame (65 degrees across), OpenFace's assumption for
4:3; it takes (500 · width / 640 + 500 · height / 480) / 2, which is 0.68 of the width at 16:9. A
longer lens makes the distance come out too short by that factor; angles change little.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from runtime.pose.face_model import FACE_MM

FOCAL_LENGTH = 0.78
"""Focal length over the longer side of the frame."""

# Lips, brows and lids move, which a rigid face knows nothing of. The nose and the corners of the
# eyes stay where the skull is; the ends of the brows move, but hold the yaw. Mean errors in degrees
# on the true landmarks of 60 rendered people, none of them average, with four AUs each, yaw up to
# 40, pitch to 25 and roll to 20 degrees, the focal length known:
#
#   points                                yaw  pitch  roll
#   nose, eye corners, ends of the brows  1.4    2.5   0.7
#   nose, eye corners                     1.7    2.4   0.9
#   nose, all of the eyes                 2.0    3.2   1.0
#   all 49                                2.0    3.5   0.9
RIGID = np.array([0, 4, 5, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 22, 25, 28])
"""Landmarks that the pose is fitted to, see `runtime.landmarks`."""


@dataclass(frozen=True, slots=True)
class HeadPose:
    """Head pose, as somebody sees it who looks at the frame.

    Attributes:
        yaw: Turn to the frame's right, degrees.
        pitch: Nod, downwards, degrees.
        roll: Tilt, counter-clockwise, degrees.
        translation: Where the middle of the head is, some 7 cm behind the eyes (`FACE_MM`), mm
            from the camera: to the frame's right, down, and away from the camera. Right only as
            far as the focal length is, for a head of average size.
        rotation: Rotation vector from the face's axes to the camera's (right, down, away),
            radians, as `cv2.Rodrigues` takes it.

    The rotation is roll · pitch · yaw: the head is turned first, then nods, then tilts.
    """

    yaw: float
    pitch: float
    roll: float
    translation: tuple[float, float, float]
    rotation: tuple[float, float, float]

    def to_dict(self) -> dict[str, Any]:
        """Write it as plain values, rounded: degrees to 2 digits, mm to 1, radians to 4."""
        return {
            "yaw": round(self.yaw, 2),
            "pitch": round(self.pitch, 2),
            "roll": round(self.roll, 2),
            "translation": [round(value, 1) for value in self.translation],
            "rotation": [round(value, 4) for value in self.rotation],
        }

    def openface(self) -> tuple[float, float, float, float, float, float]:
        """Write it as OpenFace does.

        Returns:
            ``pose_Tx, pose_Ty, pose_Tz`` in mm and ``pose_Rx, pose_Ry, pose_Rz`` in radians, the
            Euler angles of rotation = Rx · Ry · Rz in the camera's axes.
        """
        turn = cv2.Rodrigues(np.array(self.rotation))[0]
        rx = np.arctan2(-turn[1, 2], turn[2, 2])
        ry = np.arcsin(np.clip(turn[0, 2], -1, 1))
        rz = np.arctan2(-turn[0, 1], turn[0, 0])
        return (*self.translation, float(rx), float(ry), float(rz))


def head_pose(
    landmarks: np.ndarray, size: tuple[int, int], focal_length: float | None = None
) -> HeadPose | None:
    """Fit a rigid face to landmarks.

    Args:
        landmarks: (49, 2), pixels of the frame.
        size: Width and height of the frame, pixels.
        focal_length: Of the camera, pixels; None for `FOCAL_LENGTH` times the longer side.

    Returns:
        The pose, or None where the landmarks are no face, such as all in one place.
    """
    points = np.ascontiguousarray(landmarks[RIGID], np.float64)
    if not np.isfinite(points).all():
        return None
    width, height = size
    focal = focal_length or FOCAL_LENGTH * max(width, height)
    camera = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    try:
        # The closed solution has no start to depend on; the refinement is least squares in pixels.
        there, turn, shift = cv2.solvePnP(
            FACE_MM[RIGID], points, camera, None, flags=cv2.SOLVEPNP_SQPNP
        )
        if there:
            turn, shift = cv2.solvePnPRefineLM(FACE_MM[RIGID], points, camera, None, turn, shift)
    except cv2.error:
        return None
    if not there or not np.isfinite([turn, shift]).all() or shift[2, 0] <= 0:
        return None
    x, y, z = (float(value) for value in shift[:, 0])
    a, b, c = (float(value) for value in turn[:, 0])
    return HeadPose(*_angles(cv2.Rodrigues(turn)[0]), (x, y, z), (a, b, c))


def _angles(turn: np.ndarray) -> tuple[float, float, float]:
    """Split a rotation in the camera's axes into yaw, pitch and roll, degrees."""
    # In axes that point right, up and to the viewer, positive angles are those of `HeadPose`.
    flip = np.diag([1.0, -1.0, -1.0])
    turn = flip @ turn @ flip
    yaw = np.arctan2(-turn[2, 0], turn[2, 2])
    pitch = np.arcsin(np.clip(turn[2, 1], -1, 1))
    roll = np.arctan2(-turn[0, 1], turn[1, 1])
    yaw, pitch, roll = np.rad2deg([yaw, pitch, roll])
    return float(yaw), float(pitch), float(roll)
