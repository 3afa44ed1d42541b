"""How hard a picture is, in numbers by which a test can be split: pose, light, skin, occlusion."""

import cv2
import numpy as np

from lgrnet.faces.drawing.camera import Pose
from lgrnet.faces.render import Render

CONDITIONS = ("yaw", "pitch", "brightness", "side_light", "skin_tone", "occlusion")
"""Names of what :func:`measure_conditions` tells."""


def measure_conditions(
    picture: Render, photo: np.ndarray, pose: Pose, skin: np.ndarray
) -> dict[str, float]:
    """Measure a picture.

    Args:
        picture: The render, which knows what hides the face.
        photo: What the camera made of it, (H, W, 3) uint8 BGR.
        pose: Of the head.
        skin: The person's mean skin colour, (3,) sRGB in [0, 1].

    Returns:
        ``yaw`` and ``pitch``, degrees; ``brightness``, the face's mean luma in the photo, 0 to 255;
        ``side_light``, the difference of its two halves' mean luma over their mean, 0 to 2;
        ``skin_tone``, see :func:`typology_angle`; ``occlusion``, the share of the face that a hand
        or a thing hides, 0 to 1 (glasses and hair of the person's own do not count). The face is
        the convex hull of the landmarks, brows to lower lip.
    """
    face = _hull(picture.landmarks, photo.shape[:2])
    luma = cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY).astype(np.float64)
    # The nose bridge (landmarks 10 to 13) parts the face, also when it is turned or tilted.
    top, bottom = picture.landmarks[10], picture.landmarks[13]
    rows, columns = np.indices(luma.shape)
    side = (columns - top[0]) * (bottom[1] - top[1]) - (rows - top[1]) * (bottom[0] - top[0]) > 0
    halves = [float(luma[face & half].mean()) for half in (side, ~side) if (face & half).any()]
    mean = float(np.mean(halves)) if halves else 0.0
    return {
        "yaw": float(np.rad2deg(pose.yaw)),
        "pitch": float(np.rad2deg(pose.pitch)),
        "brightness": float(luma[face].mean()) if face.any() else 0.0,
        "side_light": abs(halves[0] - halves[-1]) / mean if mean > 0 else 0.0,
        "skin_tone": typology_angle(skin),
        "occlusion": float(picture.hidden[face].mean()) if face.any() else 0.0,
    }


def typology_angle(skin: np.ndarray) -> float:
    """Compute the individual typology angle (ITA, Chardon et al. 1991) of a skin colour.

    Args:
        skin: (3,) sRGB in [0, 1].

    Returns:
        arctan((L* - 50) / b*) in degrees: above 55 very light, 41 light, 28 intermediate, 10 tan,
        -30 brown, below that dark.
    """
    lab = cv2.cvtColor(np.float32(skin).reshape(1, 1, 3), cv2.COLOR_RGB2Lab)[0, 0]
    return float(np.rad2deg(np.arctan2(lab[0] - 50.0, lab[2])))


def _hull(landmarks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the (H, W) bool mask of the landmarks' convex hull, as far as it is in the picture."""
    mask = np.zeros(size, np.uint8)
    hull = cv2.convexHull(np.round(landmarks).astype(np.int32))
    cv2.fillConvexPoly(mask, hull, 1)
    return mask.astype(bool)
