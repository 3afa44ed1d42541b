"""Which action units appear together: a Gaussian copula, then the rules of FACS, then intensities.

Base rates and correlations are set by hand to resemble BP4D (cheek raiser with smile, chin raiser
with lip pressor, …); they are plausible, not measured.
"""

from functools import cache

import numpy as np
from scipy.special import ndtr, ndtri

from lgrnet.faces.motion.action_units import FACE_AUS

_BASE_RATE = {
    **{1: 0.21, 2: 0.17, 4: 0.20, 6: 0.42, 7: 0.55, 9: 0.08, 10: 0.59, 12: 0.56},
    **{14: 0.47, 15: 0.17, 17: 0.34, 23: 0.17, 24: 0.15, 25: 0.40, 26: 0.20},
    **{5: 0.09, 20: 0.09, 28: 0.05, 43: 0.06},  # BP4D has too few of them to be evaluated
}
_CORRELATION = {
    **{(1, 2): 0.80, (1, 4): 0.10, (2, 4): -0.15, (1, 15): 0.15, (1, 26): 0.15},
    **{(4, 6): -0.05, (4, 7): 0.30, (4, 9): 0.50, (4, 12): -0.15, (4, 15): 0.20, (4, 17): 0.15},
    **{(6, 7): 0.60, (6, 10): 0.60, (6, 12): 0.86, (6, 14): 0.20, (6, 25): 0.20},
    **{(7, 10): 0.55, (7, 12): 0.55, (9, 10): 0.35},
    **{(10, 12): 0.70, (10, 14): 0.30, (10, 25): 0.30},
    **{(12, 14): 0.30, (12, 15): -0.45, (12, 17): -0.30, (12, 24): -0.40, (12, 25): 0.35},
    **{(14, 17): 0.15, (15, 17): 0.55, (15, 24): 0.15},
    **{(1, 5): 0.40, (2, 5): 0.45, (5, 7): -0.40, (5, 6): -0.30, (5, 26): 0.30, (5, 43): -0.60},
    **{(12, 20): -0.20, (4, 20): 0.15, (20, 25): 0.20, (4, 43): 0.15, (17, 28): 0.10},
    **{(17, 23): 0.35, (17, 24): 0.50, (17, 25): -0.40},
    **{(23, 24): 0.30, (23, 25): -0.40, (24, 25): -0.75, (24, 26): -0.50, (25, 26): 0.70},
}
_BROAD_SMILE = 0.7  # FACS's D and E
_CHEEKS_RISE = 0.75  # of the broad smiles that the copula leaves without AU 6, and its correlations
_SUBJECT_SHARE = 0.15  # of the variance: people differ in what their faces do
_COLUMN = {au: column for column, au in enumerate(FACE_AUS)}

BASE_RATE: np.ndarray = np.array([_BASE_RATE[au] for au in FACE_AUS])
"""(n,) how often each AU of :data:`FACE_AUS` is on, before the rules."""


@cache
def _cholesky(strength: float) -> np.ndarray:
    """Factor the correlation matrix, made positive definite first."""
    matrix = np.eye(len(FACE_AUS))
    for (a, b), rho in _CORRELATION.items():
        matrix[_COLUMN[a], _COLUMN[b]] = matrix[_COLUMN[b], _COLUMN[a]] = strength * rho
    values, vectors = np.linalg.eigh(matrix)
    matrix = (vectors * np.maximum(values, 1e-3)) @ vectors.T
    deviation = np.sqrt(np.diag(matrix))
    return np.linalg.cholesky(matrix / deviation / deviation[:, None])


def sample_intensities(
    rng: np.random.Generator, count: int, strength: float = 1.0, subject: np.ndarray | None = None
) -> np.ndarray:
    """Draw the AU intensities of several pictures of one person.

    Args:
        rng: Source of randomness.
        count: Number of pictures.
        strength: Scale of the correlations: 1 as in the table, 0 for independent AUs.
        subject: The person's tendencies, (n,) standard normal, or None.

    Returns:
        (count, n) float32 in [0, 1], in the order of :data:`FACE_AUS`. An AU that is on lies in
        [0.4, 1], FACS's B to E, from where DISFA's protocol calls it present; one that is off is 0
        or, in a quarter of cases, a trace below 0.12.
    """
    shape = (count, len(FACE_AUS))
    latent = rng.standard_normal(shape) @ _cholesky(strength).T
    if subject is not None:
        latent = np.sqrt(1 - _SUBJECT_SHARE) * latent + np.sqrt(_SUBJECT_SHARE) * subject
    threshold = ndtri(1 - BASE_RATE)
    on = latent > threshold
    on[:, _COLUMN[25]] |= on[:, _COLUMN[26]]  # a dropped jaw parts the lips
    on[:, _COLUMN[43]] &= ~on[:, _COLUMN[5]]  # closed eyes are not wide
    on[:, _COLUMN[28]] &= ~on[:, _COLUMN[25]]  # lips that are sucked in are not parted, …
    for au in (10, 12, 20, 23, 24):  # … nor do they show what else they could do
        on[:, _COLUMN[au]] &= ~on[:, _COLUMN[28]]
    on[:, _COLUMN[24]] &= ~on[:, _COLUMN[25]]  # pressed lips are not parted
    # Far over the threshold means strong, so that AUs which belong together are strong together.
    excess = (ndtr(latent) - ndtr(threshold)) / BASE_RATE
    strong = 0.4 + 0.6 * (0.5 * excess.clip(0, 1) + 0.5 * rng.beta(1.6, 1.6, shape))
    # A broad smile hardly ever leaves the cheeks down, though they need not rise as far as it goes.
    broad = on[:, _COLUMN[12]] & (strong[:, _COLUMN[12]] >= _BROAD_SMILE)
    on[:, _COLUMN[6]] |= broad & (rng.random(count) < strength * _CHEEKS_RISE)
    trace = np.where(rng.random(shape) < 0.25, rng.uniform(0, 0.12, shape), 0)
    return np.where(on, strong, trace).astype(np.float32)
