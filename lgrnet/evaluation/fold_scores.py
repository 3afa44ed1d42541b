"""What a network is worth on the test people of a fold, as a file: tables are made of these alone.

A run on a fold writes two: ``last.json``, of the last epoch, and ``best_on_test.json``, of the
epoch with the best mean F1 on the same test people. Published numbers are mostly of the second
kind, which flatters: the choice has seen the test. With ``optim.average_from`` there is
``average.json`` too, of the mean weights, which no table takes.
"""

import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path

from lgrnet.corpora.folds import CORPORA, FOLDS
from lgrnet.data.shards import MISSING
from lgrnet.evaluation.metrics import area_under_curve, or_null, recognised
from lgrnet.evaluation.scoring import Evaluation
from lgrnet.experiment import Experiment
from lgrnet.network.variants import VARIANTS, variant_of
from runtime.action_units import au_key
from runtime.files.atomic import write_json

FORMAT = "lgrnet-fold-scores-1"
"""Changes whenever tables can no longer be made of older files."""

LAST = "last.json"
BEST_ON_TEST = "best_on_test.json"
AVERAGE = "average.json"
_CHECKSUM = "sha256"
_AGAIN = "put a copy there, or delete state.pt beside it and train that fold again"
_COUNTS = ("true_positives", "false_positives", "false_negatives")


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
        undefined), its mean over the AUs that occur, the mean landmark error in inter-ocular
        distances, and the failure rate.
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
            "f1": or_null(result.f1[i]),
            "auc": or_null(area[i]),
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
        "mean_f1": or_null(result.mean_f1),
        "landmark_error": or_null(result.landmark_error),
        "failure_rate": or_null(result.failure_rate),
        "training_data": experiment.training_data,
        "recipe": recipe,
        "experiment": experiment.to_dict(),
    }


def write_fold_scores(path: Path, scores: dict) -> None:
    """Write scores with their checksum; an older file stays until the new one is complete."""
    content = {**scores, _CHECKSUM: _checksum(scores)}
    write_json(path, content)


def _checksum(scores: dict) -> str:
    return hashlib.sha256(json.dumps(scores, sort_keys=True).encode()).hexdigest()


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
        raise ScoresError(f"{path} cannot be read ({error}): {_AGAIN}") from error
    found = scores.get("format") if isinstance(scores, dict) else None
    if found != FORMAT:
        raise ScoresError(
            f"{path} has format {found!r}, not {FORMAT!r}: give folders that `python -m "
            "lgrnet.train CONFIG --fold …` of this version wrote"
        )
    known = scores.pop(_CHECKSUM, None)  # files that were written before it was have none
    if known is not None and known != _checksum(scores):
        raise ScoresError(f"{path} does not match its checksum: {_AGAIN}")
    try:
        fault = _find_fault(scores)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        fault = f"lacks something, or has it in another form ({type(error).__name__}: {error})"
    if fault is not None:
        raise ScoresError(f"{path} {fault}: {_AGAIN}")
    return scores


def _find_fault(scores: dict) -> str | None:
    """Tell what is wrong with scores, None if nothing is; lookups raise where something lacks."""
    experiment = scores["experiment"]
    known = {
        "corpus": scores["corpus"] in CORPORA,
        "fold": scores["fold"] in FOLDS,
        "variant": scores["variant"] in VARIANTS,
        "epochs": 1 <= int(scores["epoch"]) <= int(scores["epochs"]),
        "frames": int(scores["frames"]) > 0,
        "experiment": all(isinstance(experiment[key], dict) for key in ("data", "model", "optim")),
        "training_data": isinstance(scores["training_data"], str),
        "recipe": isinstance(scores["recipe"], dict),
        "aus": len(scores["aus"]) > 0,
    }
    for key, most in (("mean_f1", 1), ("landmark_error", math.inf), ("failure_rate", 1)):
        value = scores[key]
        known[key] = value is None or (math.isfinite(value) and 0 <= value <= most)
    if wrong := [key for key, fits in known.items() if not fits]:
        return f"has a senseless {wrong[0]}"
    for au, row in scores["aus"].items():
        hits, alarms, misses = (row[kind] for kind in _COUNTS)
        total = 2 * hits + alarms + misses
        if min(hits, alarms, misses, row["frames"] - hits - alarms - misses) < 0:
            return f"has senseless counts of {au}"
        f1 = None if total == 0 else 2 * hits / total
        if not _equal(row["f1"], f1):
            return f"has F1 {row['f1']} of {au}, whose counts give {f1}"
        if row["auc"] is not None and not 0 <= row["auc"] <= 1:
            return f"has a senseless area under the curve of {au}"
    rows = scores["aus"].values()
    mean = _mean_of(row for row in rows if row["true_positives"] + row["false_negatives"])
    # Older files average over AUs that nobody shows and that are called as well.
    if not any(_equal(scores["mean_f1"], each) for each in (mean, _mean_of(rows))):
        return f"has a mean F1 of {scores['mean_f1']}, and its AUs one of {mean}"
    return None


def _equal(found: float | None, wanted: float | None) -> bool:
    """Compare two F1, within rounding; None is equal to None alone, and NaN to nothing."""
    if found is None or wanted is None:
        return found is wanted
    return math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-12)


def _mean_of(rows: Iterable[dict]) -> float | None:
    """Average the F1 of the AUs that have one."""
    each = [row["f1"] for row in rows if row["f1"] is not None]
    return sum(each) / len(each) if each else None
