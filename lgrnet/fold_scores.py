"""What a network is worth on the test people of a fold, as a file: tables are made of these alone.

A run on a fold writes two: ``last.json``, of the last epoch, and ``best_on_test.json``, of the
epoch with the best mean F1 on the same test people. Published numbers are mostly of the second
kind, which flatters: the choice has seen the test.
"""

import json
from pathlib import Path

import numpy as np

from lgrnet.evaluate import Evaluation
from lgrnet.experiment import Experiment
from lgrnet.metrics import area_under_curve, recognised
from lgrnet.shards import MISSING
from lgrnet.variants import variant_of
from runtime.action_units import au_key
from runtime.atomic import PendingFile

FORMAT = "lgrnet-fold-scores-1"
"""Changes whenever tables can no longer be made of older files."""

LAST = "last.json"
BEST_ON_TEST = "best_on_test.json"


class ScoresError(ValueError):
    """A file holds no scores of a fold; the message says which and what to do."""


def fold_scores(experiment: Experiment, epoch: int, result: Evaluation, recipe: dict) -> dict:
    """Collect the scores of one epoch as plain values.

    Args:
        experiment: The run.
        epoch: After which epoch, from 1.
        result: Answers on the test people, all frames at once.
        recipe: What the data were made from.

    Returns:
        The run, the counts that F1-frame at 0.5 is made of and F1 for each AU (null where it is
        undefined), the mean landmark error in inter-ocular distances, and the failure rate.
    """
    present, truth = recognised(result.probability), result.presence
    known, there = truth != MISSING, truth == 1
    area = area_under_curve(result.probability, truth)
    rows = {}
    for i, au in enumerate(experiment.model.aus):
        hits = int((present & there & known)[:, i].sum())
        alarms = int((present & ~there & known)[:, i].sum())
        misses = int((~present & there & known)[:, i].sum())
        rows[au_key(au)] = {
            "frames": int(known[:, i].sum()),
            "true_positives": hits,
            "false_positives": alarms,
            "false_negatives": misses,
            "f1": _plain(result.f1[i]),
            "auc": _plain(area[i]),
        }
    return {
        "format": FORMAT,
        "corpus": experiment.data.corpus,
        "fold": experiment.data.fold,
        "variant": variant_of(experiment.model),
        "epoch": epoch,
        "epochs": experiment.optim.epochs,
        "frames": len(truth),
        "aus": rows,
        "mean_f1": _plain(result.mean_f1),
        "landmark_error": _plain(result.landmark_error),
        "failure_rate": _plain(result.failure_rate),
        "training_data": experiment.training_data,
        "recipe": recipe,
        "experiment": experiment.to_dict(),
    }


def write_fold_scores(path: Path, scores: dict) -> None:
    """Write scores; an older file stays until the new one is complete."""
    with PendingFile(path) as part:
        part.write_text(json.dumps(scores, indent=2, ensure_ascii=False) + "\n", "utf-8")


def read_fold_scores(path: Path) -> dict:
    """Read scores.

    Args:
        path: Written by :func:`write_fold_scores`.

    Returns:
        The scores.

    Raises:
        ScoresError: It is no such file, or damaged.
    """
    try:
        scores = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ScoresError(f"{path} cannot be read ({error}): train that fold again") from error
    found = scores.get("format") if isinstance(scores, dict) else None
    if found != FORMAT:
        raise ScoresError(
            f"{path} has format {found!r}, not {FORMAT!r}: give folders that `python -m "
            "lgrnet.train CONFIG --fold …` of this version wrote"
        )
    missing = {"corpus", "fold", "variant", "epoch", "epochs", "aus", "landmark_error"} - set(
        scores
    )
    if missing:
        raise ScoresError(f"{path} lacks {', '.join(sorted(missing))}: train that fold again")
    return scores


def _plain(value: float) -> float | None:
    """Turn NaN into null, which JSON has."""
    return None if np.isnan(value) else float(value)
