"""From what a face does to what a FACS coder would write down."""

import numpy as np

from lgrnet.faces.motion.action_units import FACE_AUS, PRESENT_FROM
from runtime.landmarks import inter_ocular

LIPS_PART_FROM = 0.03
"""Distance of the inner lips, in inter-ocular distances, from which the lips are seen to part."""

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
