"""The scores of an evaluation as plain values, and as tables for people."""

import json
from collections.abc import Sequence

import numpy as np

from lgrnet.corpora.own import CORPUS as OWN
from lgrnet.data.batches import scored
from lgrnet.data.shards import MISSING, Labels
from lgrnet.evaluation.bootstrap import f1_counts, interval, resampled_mean_f1
from lgrnet.evaluation.calibration import reliability
from lgrnet.evaluation.defined import defined
from lgrnet.evaluation.groups import groups
from lgrnet.evaluation.metrics import (
    always_on_f1,
    area_under_curve,
    f1_frame,
    failure_rate,
    intensity_agreement,
    mean_f1,
    mean_of_occurring,
    occurring,
    precision_recall,
    recognised,
)
from lgrnet.evaluation.scoring import Evaluation
from lgrnet.evaluation.strength import LEVELS, by_strength
from runtime.action_units import AU_NAMES, BP4D_AUS, DISFA_AUS, au_key

_AVERAGED = (
    "always_on_f1", "f1", "f1_at_threshold", "precision", "recall", "auc", "calibration_error",
    "intensity_icc", "intensity_mae", "plain_f1_at_threshold",
)  # fmt: skip


def report(
    aus: Sequence[int], result: Evaluation, thresholds: Sequence[float], labels: Labels
) -> dict:
    """Collect scores as plain values.

    Args:
        aus: The AUs.
        result: Answers on a split.
        thresholds: The checkpoint's, one for each AU.
        labels: Of the split.

    Returns:
        Per-AU and mean scores, also over the subsets of BP4D and DISFA where they are complete.
        All means are over the AUs that any frame shows, ``averaged_aus`` of them, in a group over
        those that any of its frames shows; precision counts as 0 there where one is never called.
        What else is undefined of an AU is left out, as the area under the curve of one that every
        frame shows. Further:
        intervals of mean F1 at the thresholds over people, None where there is but one, among
        whom nothing can be drawn; groups by conditions; calls by
        the AUs' strength where the split knows it.
    """
    present = recognised(result.probability, np.asarray(thresholds))
    rows = _rows(aus, result, thresholds, present)
    strength = scored(labels.intensity)
    if not np.isnan(strength).all():
        _add_strength(rows, present, result.presence, strength)
    means, intervals = {}, {}
    occurs = occurring(result.presence)
    counts = f1_counts(present, result.presence, labels.subject)
    for name, subset in (("all", tuple(aus)), ("BP4D-12", BP4D_AUS), ("DISFA-8", DISFA_AUS)):
        if set(subset) <= set(aus):
            columns = [aus.index(au) for au in subset]
            means[name] = _means(
                [rows[au_key(au)] for au in subset],
                [rows[au_key(au)] for au, i in zip(subset, columns, strict=True) if occurs[i]],
            )
            drawn = resampled_mean_f1(counts[:, columns])
            intervals[name] = interval(drawn) if len(counts) > 1 else None
    return {
        "frames": len(result.presence),
        "people": len(counts),
        "aus": rows,
        "mean": means,
        "f1_at_threshold_95": intervals,
        "landmark_error": result.landmark_error,
        "failure_rate": result.failure_rate,
        "groups": _groups(result, present, labels),
    }


def _means(every: Sequence[dict], shown: Sequence[dict]) -> dict[str, float]:
    """Average what rows of AUs tell over those that occur."""
    means: dict[str, float] = {"averaged_aus": len(shown)}
    for key in _AVERAGED:
        if any(key in row for row in every):
            values = np.array([row[key] for row in shown if key in row])
            means[key] = mean_f1(np.nan_to_num(values) if key == "precision" else values)
    return means


def _rows(
    aus: Sequence[int], result: Evaluation, thresholds: Sequence[float], present: np.ndarray
) -> dict[str, dict]:
    floor = always_on_f1(result.presence)
    tuned = f1_frame(present, result.presence)
    precision, recall = precision_recall(present, result.presence)
    area = area_under_curve(result.probability, result.presence)
    rows = {}
    for i, au in enumerate(aus):
        known = result.presence[:, i] != MISSING
        curve = reliability(result.probability[:, i], result.presence[:, i])
        rows[au_key(au)] = {
            "name": AU_NAMES[au],
            "base_rate": _share(result.presence[known, i] == 1),
            "always_on_f1": float(floor[i]),
            "f1": float(result.f1[i]),
            "threshold": float(thresholds[i]),
            "f1_at_threshold": float(tuned[i]),
            "precision": float(precision[i]),
            "recall": float(recall[i]),
            "auc": float(area[i]),
            "calibration_error": curve.expected_error,
            "reliability": {
                "said": _plain(curve.said), "seen": _plain(curve.seen),
                "frames": curve.frames.tolist(),
            },
        }  # fmt: skip
    if result.intensity is not None:
        for row, icc, error in zip(
            rows.values(), *intensity_agreement(*result.intensity), strict=True
        ):
            row |= {"intensity_icc": float(icc), "intensity_mae": float(error)}
    return rows


def _add_strength(
    rows: dict[str, dict], present: np.ndarray, presence: np.ndarray, strength: np.ndarray
) -> None:
    found = by_strength(present, presence, strength)
    for i, row in enumerate(rows.values()):
        if not found.frames[:, i].any():  # as where a corpus codes no intensity of this AU
            continue
        row |= {
            "plain_f1_at_threshold": float(found.plain_f1[i]),
            "strength": {
                "levels": LEVELS,
                "called": _plain(found.called[:, i]),
                "frames": found.frames[:, i].tolist(),
            },
        }


def _groups(result: Evaluation, present: np.ndarray, labels: Labels) -> list[dict]:
    rows = []
    for condition, name, chosen in groups(labels.conditions):
        row = {"condition": condition, "name": name, "frames": int(chosen.sum())}
        if chosen.any():
            truth = result.presence[chosen]
            row |= {
                "people": len(np.unique(labels.subject[chosen])),
                "averaged_aus": int(occurring(truth).sum()),
                "f1_at_threshold": mean_of_occurring(f1_frame(present[chosen], truth), truth),
                "auc": mean_of_occurring(
                    area_under_curve(result.probability[chosen], truth), truth
                ),
                "landmark_error": float(result.errors[chosen].mean()),
                "failure_rate": failure_rate(result.errors[chosen]),
            }
        rows.append(row)
    return rows


def to_json(scores: object) -> str:
    """Write scores as JSON; what is undefined, NaN here, is null there.

    Args:
        scores: Plain values: dicts, lists, numbers and strings.

    Returns:
        The text, with a line end.
    """
    return json.dumps(defined(scores), indent=2, allow_nan=False) + "\n"


def _share(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _plain(values: np.ndarray) -> list[float | None]:
    """Turn NaN into null, which JSON has."""
    return [None if np.isnan(value) else round(float(value), 4) for value in values]


def format_report(scores: dict) -> str:
    """Write scores as a table for people."""
    columns = [("F1", "f1"), ("F1*", "f1_at_threshold"), ("prec*", "precision")]
    columns += [("rec*", "recall"), ("AUC", "auc"), ("ECE", "calibration_error")]
    if "intensity_icc" in scores["mean"]["all"]:
        columns += [("ICC", "intensity_icc"), ("MAE", "intensity_mae")]
    head = f"{'AU':<6}{'name':<22}{'rate':>7}{'always on':>11}"
    head += "".join(f"{title:>8}" for title, _ in columns)
    lines = [head, "-" * len(head)]
    for key, row in scores["aus"].items():
        lines.append(
            f"{key:<6}{row['name']:<22}{row['base_rate']:>7.2f}{row['always_on_f1']:>11.3f}"
            + "".join(f"{row[column]:>8.3f}" for _, column in columns)
        )
    lines.append("-" * len(head))
    for name, row in scores["mean"].items():
        lines.append(
            f"{'mean':<6}{name:<22}{'':>7}{row['always_on_f1']:>11.3f}"
            + "".join(f"{row[column]:>8.3f}" for _, column in columns)
        )
    averaged = [f"{name} {row['averaged_aus']}" for name, row in scores["mean"].items()]
    lines.append(f"means are over the AUs that any face shows: {', '.join(averaged)}")
    for name, between in scores["f1_at_threshold_95"].items():
        if between is None:
            continue
        low, high = between
        lines.append(
            f"F1* of {name}: 95 % of resamples of the {scores['people']} people lie in "
            f"{low:.3f} to {high:.3f}"
        )
    lines.append(
        f"landmarks: mean error {100 * scores['landmark_error']:.2f} % of inter-ocular distance, "
        f"{100 * scores['failure_rate']:.2f} % of {scores['frames']} faces above 10 %"
    )
    recipe = scores.get("data", {}).get("recipe", {})
    if recipe.get("corpus") == OWN:
        lines.append(f"  from those that were found by {recipe['landmarks_found_by']}")
    lines += _format_strength(scores)
    lines.append("F1 at 0.5; with * at the checkpoint's thresholds, tuned on validation people,")
    lines.append("or 0.5 too if it is of a fold, which has none;")
    lines.append("ECE: expected calibration error")
    if "intensity_icc" in scores["mean"]["all"]:
        lines.append("ICC(3,1) and mean absolute error of the intensities, 0 to 5")
    return "\n".join(lines + _format_groups(scores["groups"]))


def _format_strength(scores: dict) -> list[str]:
    shown = [row for row in scores["aus"].values() if row["base_rate"] > 0]
    rows = [row["strength"] for row in shown if "strength" in row]
    if not rows:
        return []
    said = []
    for number, level in enumerate(LEVELS):
        shares = [row["called"][number] for row in rows if row["called"][number] is not None]
        said.append(f"{level} {100 * np.mean(shares):.0f} %" if shares else f"{level} -")
    plain = scores["mean"]["all"]["plain_f1_at_threshold"]
    return [
        f"called at the thresholds by how strong an AU is, mean of the AUs: {', '.join(said)};",
        f"F1* without those present and weaker than C: {plain:.3f}",
    ]


def _format_groups(rows: list[dict]) -> list[str]:
    if not rows:
        return []
    head = f"{'frames where':<34}{'':<16}{'frames':>8}{'F1*':>8}{'AUC':>8}{'landm. %':>10}"
    lines = ["", head, "-" * len(head)]
    for row in rows:
        line = f"{row['condition']:<34}{row['name']:<16}{row['frames']:>8}"
        if row["frames"]:
            line += f"{row['f1_at_threshold']:>8.3f}{row['auc']:>8.3f}"
            line += f"{100 * row['landmark_error']:>10.2f}"
        lines.append(line)
    return lines
