"""Pictures of a face that does little, and movement between none and plain, for training only.

What :func:`lgrnet.faces.motion.cooccurrence.sample_intensities` draws is a face at BP4D's tasks:
five AUs at once, a mouth that does nothing in one picture of 25, every AU either plain or hardly
there. A network that has seen nothing else takes an unusual mouth at rest for the AU that comes
nearest, and where an AU begins is left to chance. Cameras see the opposite: faces that do nothing
most of the time, and weak movements more often than strong ones.
"""

import numpy as np

from lgrnet.faces.motion.action_units import FACE_AUS, PRESENT_FROM

_KEPT_AT_MOST = 0.4  # of the AUs of a quiet picture; a share drawn for each, from none on
_PLAIN_FROM = 0.4  # where what is drawn begins
_WEAKER = 1.5  # exponent: twice as many of FACS's B as of D
_JAW, _LIPS_PART = FACE_AUS.index(26), FACE_AUS.index(25)


def restrain(
    rng: np.random.Generator, intensity: np.ndarray, quiet: float, traces: float
) -> np.ndarray:
    """Take AUs off some pictures, and fill the gap between AUs that are off and on.

    Args:
        rng: Source of randomness.
        intensity: (N, n) in [0, 1], AUs in the order of :data:`FACE_AUS`; those that are on are at
            least 0.4.
        quiet: Share of pictures that keep few of their AUs, or none.
        traces: Share of the AUs that are off which move nevertheless, anywhere up to
            :data:`PRESENT_FROM`. Where it is above 0, AUs that are on begin there too.

    Returns:
        (N, n) float32 in [0, 1].
    """
    count, columns = intensity.shape
    on = intensity >= _PLAIN_FROM
    kept = np.where(rng.random(count) < quiet, rng.uniform(0, _KEPT_AT_MOST, count), 1.0)
    stays = on & (rng.random((count, columns)) < kept[:, None])
    stays[:, _LIPS_PART] |= stays[:, _JAW]  # a dropped jaw parts the lips
    result = np.where(on & ~stays, 0.0, intensity)
    if traces > 0:
        weak = ~stays & (rng.random((count, columns)) < traces)
        result = np.where(weak, rng.uniform(0, PRESENT_FROM, (count, columns)), result)
        plain = ((result - _PLAIN_FROM) / (1 - _PLAIN_FROM)).clip(0, 1) ** _WEAKER
        result = np.where(stays, PRESENT_FROM + (1 - PRESENT_FROM) * plain, result)
    return result.astype(np.float32)
