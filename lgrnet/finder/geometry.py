"""Where a face is, of its 49 landmarks: the box that a finder should say, and its five points."""

import numpy as np

LEFT_EYE, RIGHT_EYE = slice(19, 25), slice(25, 31)
"""Landmarks of the eyes, left and right in the picture."""

NOSE_TIP, LEFT_MOUTH_CORNER, RIGHT_MOUTH_CORNER = 13, 31, 37

MIRRORED = [1, 0, 2, 4, 3]
"""Which of the five points is which after a picture is mirrored."""

_BESIDE, _BELOW = 0.35, 0.55  # of the face's unit: landmarks end at the brows and the lower lip
_PROFILE = 0.36  # of the landmarks' diagonal: the distance of the eyes shrinks as a head turns


def five_points(landmarks: np.ndarray) -> np.ndarray:
    """Take the five points of a face that a finder says.

    Args:
        landmarks: (49, 2), pixels.

    Returns:
        (5, 2): middles of the left and the right eye (of the picture), tip of the nose, left and
        right corner of the mouth.
    """
    return np.stack(
        [
            landmarks[LEFT_EYE].mean(0),
            landmarks[RIGHT_EYE].mean(0),
            landmarks[NOSE_TIP],
            landmarks[LEFT_MOUTH_CORNER],
            landmarks[RIGHT_MOUTH_CORNER],
        ]
    )


def face_box(landmarks: np.ndarray) -> np.ndarray:
    """Tell the box of a face, from above the brows to the chin.

    Args:
        landmarks: (49, 2), pixels.

    Returns:
        (4,): left, top, right, bottom.
    """
    low, high = landmarks.min(0), landmarks.max(0)
    eyes = np.linalg.norm(landmarks[LEFT_EYE].mean(0) - landmarks[RIGHT_EYE].mean(0))
    unit = max(eyes, _PROFILE * np.linalg.norm(high - low))
    return np.concatenate([low - unit * _BESIDE, high + unit * np.array([_BESIDE, _BELOW])])


def box_size(box: np.ndarray) -> float:
    """Tell how large a box (left, top, right, bottom) is: the root of its area, pixels."""
    return float(np.sqrt((box[2] - box[0]) * (box[3] - box[1])))


def mirror(points: np.ndarray, width: float) -> np.ndarray:
    """Mirror points where a picture of a width is mirrored; their order stays."""
    return points * np.array([-1.0, 1.0]) + np.array([width - 1.0, 0.0])
