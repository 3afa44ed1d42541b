"""How strong a network's intensities should be: two numbers per AU, fitted on held-out people.

Training faces that do little teach caution: an AU of FACS's D is then told as C, and one that is
off as a third of an A. The order of faces is right, so it takes no training to mend: the logit of
each AU's intensity is scaled and shifted, as Platt (1999) does with the scores of classifiers.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from runtime.action_units import MAX_INTENSITY

FEWEST = 20
"""Faces that must show an AU at A or above, and as many that must not, for it to be fitted."""

_EPSILON = 1e-6  # a sigmoid in float32 can be 0 or 1
_STEPS = 200
_SLOPES = (0.25, 0.5, 1.0, 2.0, 4.0, 16.0)
_MIDDLES = (0.1, 0.3, 0.5, 0.7, 0.9)  # shares of the faces below an intensity that becomes 2.5
_ALIKE = 1e-6  # two searches that end in one minimum differ by less


class Scale(NamedTuple):
    """What becomes of the logits of intensities: ``slope · logit + offset``.

    Attributes:
        slope: Above 0, so that faces keep their order, (n,) float64; 1 where nothing changes, near
            0 where what is said has little to do with what is true.
        offset: (n,) float64; 0 where nothing changes.
        fitted: Which AUs enough faces show and lack, (n,) bool; of the others nothing changes.
    """

    slope: np.ndarray
    offset: np.ndarray
    fitted: np.ndarray

    def apply(self, intensity: np.ndarray) -> np.ndarray:
        """Tell what a network with this scale says instead.

        Args:
            intensity: What it says without, (frames, n), 0 to 5.

        Returns:
            The same shape, 0 to 5, float64.
        """
        slope, offset = torch.from_numpy(self.slope), torch.from_numpy(self.offset)
        return (MAX_INTENSITY * torch.sigmoid(slope * _logit(intensity) + offset)).numpy()


def fit_scale(said: np.ndarray, true: np.ndarray) -> Scale:
    """Fit the scale that makes the mean Huber loss smallest, the loss that intensities learn by.

    Args:
        said: What the network says, (frames, n), 0 to 5.
        true: What it should say, the same, NaN where unknown.

    Returns:
        The scale; an AU that fewer than :data:`FEWEST` faces show, or lack, keeps its intensities.
    """
    known = ~np.isnan(true)
    shown = (known & (true >= 1)).sum(0)
    fitted = np.minimum(shown, known.sum(0) - shown) >= FEWEST
    slope, offset = np.ones(said.shape[1]), np.zeros(said.shape[1])
    for column in np.flatnonzero(fitted):
        rows = known[:, column]
        slope[column], offset[column] = _fit_one(
            _logit(said[rows, column]), torch.from_numpy(true[rows, column].astype(float))
        )
    return Scale(slope, offset, fitted)


def _fit_one(logit: torch.Tensor, true: torch.Tensor) -> tuple[float, float]:
    """Fit slope and offset of one AU; all in float64.

    The loss has more than one minimum where what is said has little to do with what is true, so
    that the search begins in several places. What is found from where nothing changes is kept
    unless another is better.
    """
    found = _search((1.0, 0.0), logit, true)
    least = _loss(*found, logit, true) - _ALIKE
    middles = logit.quantile(torch.tensor(_MIDDLES, dtype=torch.float64)).tolist()
    for slope in _SLOPES:
        offsets = [-slope * middle for middle in middles]
        offset = min(offsets, key=lambda each: _loss(slope, each, logit, true))
        other = _search((slope, offset), logit, true)
        if (loss := _loss(*other, logit, true)) < least:
            found, least = other, loss
    return found


_Number = torch.Tensor | float


def _loss(slope: _Number, offset: _Number, logit: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    told = MAX_INTENSITY * torch.sigmoid(slope * logit + offset)
    return functional.huber_loss(told, true)


def _search(
    start: tuple[float, float], logit: torch.Tensor, true: torch.Tensor
) -> tuple[float, float]:
    """Go from a slope and an offset to where the loss is smallest around."""
    change = torch.tensor([math.log(start[0]), start[1]], dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([change], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        search.zero_grad()
        value = _loss(change[0].exp(), change[1], logit, true)
        value.backward()
        return value

    search.step(loss)
    return change[0].exp().item(), change[1].item()


def _logit(intensity: np.ndarray) -> torch.Tensor:
    share = torch.from_numpy(intensity.astype(float)) / MAX_INTENSITY
    return torch.logit(share, eps=_EPSILON)
