"""Whether something teaches the intensities that a network is to tell."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lgrnet.checkpoint import load_checkpoint
from lgrnet.training.warm_start import Rule

logger = logging.getLogger(__name__)


def require_graded(
    intensity: np.ndarray, aus: Sequence[int], init: Path | None, rule: Rule
) -> None:
    """Check that each AU's intensity is known of some face, or to the weights to begin with.

    A head that nothing has taught would tell numbers like any other.

    Args:
        intensity: Of the faces that are trained on, (frames, n), NaN where unknown.
        aus: FACS numbers of its columns.
        init: The checkpoint that the training begins with; None for random weights.
        rule: What of it is taken over.

    Raises:
        CheckpointError: The checkpoint cannot be used.
        ValueError: There are AUs whose intensity nothing teaches; the message names them.
    """
    ungraded = [au for au, column in zip(aus, intensity.T, strict=True) if np.isnan(column).all()]
    if not ungraded:
        return
    known: Sequence[int] = ()
    if init is not None and rule == "shared":
        source = load_checkpoint(init)[0].config
        known = source.aus if source.intensity else ()
    untaught = [au for au in ungraded if au not in known]
    if untaught:
        rest = [au for au in aus if au not in untaught]
        leave_out = f"leave these AUs out with --set 'model.aus={rest}', or " if rest else ""
        raise ValueError(
            "model.intensity: no face that is trained on tells how strong AU "
            f"{', '.join(map(str, untaught))} is: take faces that do, {leave_out}tell no "
            "intensities with --set model.intensity=false"
        )
    logger.warning(
        "no face that is trained on tells how strong AU %s is: its intensity stays what the head "
        "of %s makes of features that change",
        *(", ".join(map(str, ungraded)), init),
    )
