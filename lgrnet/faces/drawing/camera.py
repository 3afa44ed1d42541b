"""Where the head is and what the lens makes of it."""

from dataclasses import dataclass

import numpy as np

PIVOT = np.array([0, 0.5, 2.0], np.float32)
"""The point that the head turns about, cm."""


@dataclass(frozen=True)
class Pose:
    """Head pose in radians and distance of the camera.

    Attributes:
        yaw: Turn to the image's right.
        pitch: Nod down.
        roll: Tilt, counter-clockwise.
        distance: From the camera to the pivot, cm.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    distance: float = 70.0

    def rotation(self) -> np.ndarray:
        """Return the (3, 3) matrix from head to view axes."""
        return rotation(self.yaw, self.pitch, self.roll)


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Return roll · pitch · yaw as a (3, 3) matrix; angles in radians."""
    (sy, sp, sr), (cy, cp, cr) = np.sin([yaw, pitch, roll]), np.cos([yaw, pitch, roll])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


MAX_YAW, MAX_PITCH = 45.0, 30.0
"""Degrees to which heads turn and nod."""


def sample_pose(rng: np.random.Generator) -> Pose:
    """Draw a pose: mostly frontal, up to :data:`MAX_YAW` and :data:`MAX_PITCH`, with some roll.

    The distance is that of a telephone at arm's length up to a portrait lens (36 to 150 cm), close
    ones as likely as far ones on a logarithmic scale.
    """
    yaw = rng.uniform(-MAX_YAW, MAX_YAW) * rng.uniform(0.15, 1)
    pitch = np.clip(rng.normal(0, 10), -MAX_PITCH, MAX_PITCH)
    distance = float(np.exp(rng.uniform(np.log(36), np.log(150))))
    yaw, pitch, roll = np.deg2rad([yaw, pitch, rng.normal(0, 7)])
    return Pose(yaw, pitch, roll, distance)


def project(positions: np.ndarray, pose: Pose) -> np.ndarray:
    """Project points through a pinhole.

    Args:
        positions: (V, 3), cm, view axes, the pivot at the origin.
        pose: Gives the distance.

    Returns:
        (V, 3) float32: x right and y down in cm at the pivot's depth, and depth in cm.
    """
    depth = pose.distance - positions[:, 2]
    scale = pose.distance / depth
    return np.stack(
        [positions[:, 0] * scale, -positions[:, 1] * scale, depth], axis=1
    ).astype(np.float32)  # fmt: skip
