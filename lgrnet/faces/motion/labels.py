"""From what a face does to what a FACS coder would write down."""

import numpy as np

from lgrnet.faces.motion.action_units import FACE_AUS, PRESENT_FROM
from lgrnet.network.au_geometry import AU_CENTRES
from runtime.landmarks import LEFT_EYE_INNER, RIGHT_EYE_INNER, inter_ocular

LIPS_PART_FROM = 0.03
"""Distance of the inner lips, in inter-ocular distances, from which the lips are seen to part."""

HIDDEN_FROM = 0.6
"""Share of the places where an AU acts that is hidden when a coder can no longer tell it."""

_WINDOW = 0.14  # of the picture's side: as far around its centre as the network looks for an AU
_UPPER_INNER_LIP = [43, 44, 45]
_LOWER_INNER_LIP = [48, 47, 46]
_LIPS_PART = FACE_AUS.index(25)


def au_presence(intensity: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Label action units.

    An AU is present from :data:`lgrnet.faces.motion.action_units.PRESENT_FROM` on. AU 25 describes
    an appearance, lips apart, whichever muscle parts them (AU 9 and 10 do, when strong), so it is
    also present where the lips are seen apart.

    Args:
        intensity: (N, n) in [0, 1], AUs in the order of :data:`FACE_AUS`.
        landmarks: (N, 49, 2), pixels.

    Returns:
        (N, n) uint8, 0 or 1.
    """
    presence = intensity >= PRESENT_FROM
    gap = landmarks[:, _LOWER_INNER_LIP, 1] - landmarks[:, _UPPER_INNER_LIP, 1]
    presence[:, _LIPS_PART] |= gap.mean(1) >= LIPS_PART_FROM * inter_ocular(landmarks)
    return presence.astype(np.uint8)


def unscorable(hidden: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Tell which action units cannot be judged, because a hand or a thing is in front of them.

    A FACS coder scores these 9. An AU acts in two windows, one each side of the face; one that is
    seen on one side is judged by that side.

    Args:
        hidden: (H, H) bool, where something hides the face.
        landmarks: (49, 2), pixels of the same picture.

    Returns:
        (n,) bool, AUs in the order of :data:`FACE_AUS`. What lies outside the picture is not seen
        and not hidden; a window that lies outside altogether counts as hidden.
    """
    side = len(hidden)
    radius = _WINDOW * side / 2
    drop = np.linalg.norm(landmarks[LEFT_EYE_INNER] - landmarks[RIGHT_EYE_INNER])

    def covered(point: np.ndarray) -> float:
        start = np.clip(np.round(point - radius), 0, side).astype(int)
        stop = np.clip(np.round(point + radius), 0, side).astype(int)
        window = hidden[start[1] : stop[1], start[0] : stop[0]]
        return float(window.mean()) if window.size else 1.0

    result = []
    for au in FACE_AUS:
        left, right, down = AU_CENTRES[au]
        below = np.array([0.0, down * drop])
        shares = [covered(landmarks[point] + below) for point in (left, right)]
        result.append(min(shares) >= HIDDEN_FROM)
    return np.array(result)
