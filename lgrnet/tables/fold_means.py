"""From the scores of three folds to a row of a table: F1 of each fold, averaged over folds.

A fold in whose faces an AU does not occur has no F1 of it to reach: a single false alarm would make
it 0. So that fold is left out of the AU's mean, whatever the network says there, and the row tells.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lgrnet.corpora.folds import FOLDS, subjects
from lgrnet.evaluation.fold_scores import BEST_ON_TEST, LAST, ScoresError, read_fold_scores
from lgrnet.experiment import with_untold
from lgrnet.network.config import PRESETS

EPOCHS: dict[str, str] = {LAST: "last epoch", BEST_ON_TEST: "best epoch, chosen on the test people"}
"""File of a run → which epoch's scores it holds."""

_SIZES = (
    *("stem_stride", "stem_widths", "feature_widths", "refine_widths", "align_hidden"),
    *("head_hidden", "intensity"),
)
"""Fields of a network that no variant changes; the size of its input is always told."""

_SOURCES = ("init", "distil.teacher")

Key = tuple[str, str, int]
"""Corpus, variant, fold."""


class Measured(NamedTuple):
    """What a network is worth on a corpus.

    Attributes:
        f1: FACS key (``"AU01"``) → F1-frame in [0, 1], averaged over the folds in which the AU
            occurs; None where a fold is missing or it occurs in none.
        average: Mean over the AUs; None if one is None.
        auc: Mean area under the ROC curve, averaged likewise, or None.
        always_on: Mean F1 of a detector that sees every AU in every frame, the floor to beat,
            averaged likewise, or None.
        landmark_error: Mean error in inter-ocular distances, averaged over the folds, or None.
        failure_rate: Share of faces above 0.1, averaged over the folds, or None.
        folds: Fold → its own scores, of those there are.
        missing: What is missing, in words; nothing if all is there.
        left_out: Which folds the means of which AUs leave out, in words.
        synthetic: Whether the data are said to be synthetic.
        about: What was trained, in words.
    """

    f1: dict[str, float | None]
    average: float | None
    auc: float | None
    always_on: float | None
    landmark_error: float | None
    failure_rate: float | None
    folds: dict[int, dict[str, Any]]
    missing: tuple[str, ...]
    left_out: tuple[str, ...]
    synthetic: bool
    about: str


def find_runs(folders: Iterable[Path]) -> dict[Key, Path]:
    """Find all runs on folds in folders and below.

    Args:
        folders: Such as ``runs/bp4d``.

    Returns:
        Corpus, variant and fold → the run's folder.

    Raises:
        ScoresError: A folder is not there or holds no scores, or two runs are of the same network
            and fold.
    """
    found: dict[Key, Path] = {}
    for folder in folders:
        files = sorted(folder.rglob(LAST))
        if not files:
            raise ScoresError(
                f"{folder} is no folder that holds {LAST}: give folders that `python -m "
                "lgrnet.train CONFIG --fold all` has written to"
            )
        for file in files:
            scores = read_fold_scores(file)
            key = scores["corpus"], scores["variant"], scores["fold"]
            if found.get(key, file.parent).resolve() != file.parent.resolve():
                raise ScoresError(
                    f"{found[key]} and {file.parent} are both {key[1]} on fold {key[2]} of "
                    f"{key[0]}: give only one of them"
                )
            found[key] = file.parent
    return found


def measure(
    runs: Mapping[Key, Path], corpus: str, variant: str, aus: Sequence[str], file: str
) -> Measured:
    """Average a network's scores over the folds of a corpus.

    Args:
        runs: From :func:`find_runs`.
        corpus: ``"bp4d"`` or ``"disfa"``.
        variant: A key of :data:`lgrnet.network.variants.VARIANTS`.
        aus: FACS keys of the columns.
        file: A key of :data:`EPOCHS`.

    Returns:
        The averages; a fold that is not there or not trained to its end makes them None.

    Raises:
        ScoresError: A file is damaged, lacks an AU, or the folds were not trained alike.
    """
    folds: dict[int, dict[str, Any]] = {}
    missing: list[str] = []
    trained: dict[str, Any] = {}
    about, synthetic = "", False
    for fold in FOLDS:
        folder = runs.get((corpus, variant, fold))
        if folder is None:
            missing.append(f"fold {fold} is not trained")
            continue
        last, scores = read_fold_scores(folder / LAST), read_fold_scores(folder / file)
        if last["epoch"] < last["epochs"]:
            missing.append(f"fold {fold} has got to epoch {last['epoch']} of {last['epochs']}")
            continue
        absent = [au for au in aus if au not in scores["aus"]]
        if absent:
            raise ScoresError(f"{folder / file} has no scores of {', '.join(absent)}")
        _require_alike(trained, folder, scores)
        folds[fold] = scores
        about = _describe(scores, {name: _template(trained[name]) for name in _SOURCES})
        synthetic = "synthetic" in scores["training_data"].lower()
    whole = len(folds) == len(FOLDS)
    if whole:  # a run on a fold has all of its people
        faces = sum(scores["frames"] for scores in folds.values())
        about += f"; {faces} faces of {len(subjects(corpus))} people"
    errors = [each["landmark_error"] for each in folds.values()]
    failures = [each["failure_rate"] for each in folds.values()]
    rows: dict[str, list[dict[str, Any]]] = {}
    left_out: list[str] = []
    for au in aus:
        of = {fold: scores["aus"][au] for fold, scores in folds.items()}
        rows[au] = [row for row in of.values() if _shown(row)] if whole else []
        absent = [str(fold) for fold, row in of.items() if not _shown(row)]
        if whole and not rows[au]:
            missing.append(f"{au} does not occur in any fold")
        elif whole and absent:
            left_out.append(f"{au} fold {' and '.join(absent)}")
    f1 = {au: _mean([row["f1"] for row in rows[au]]) for au in aus}
    return Measured(
        f1=f1,
        average=_mean(list(f1.values())),
        auc=_mean([_mean([row["auc"] for row in rows[au]]) for au in aus]),
        always_on=_mean([_mean([_always_on(row) for row in rows[au]]) for au in aus]),
        landmark_error=_mean(errors) if whole else None,
        failure_rate=_mean(failures) if whole else None,
        folds=folds,
        missing=tuple(missing),
        left_out=tuple(left_out),
        synthetic=synthetic,
        about=about,
    )


def _shown(row: Mapping[str, int]) -> int:
    """Count the frames that show an AU."""
    return row["true_positives"] + row["false_negatives"]


def _always_on(row: Mapping[str, int]) -> float:
    """Compute 2 P / (P + N) of an AU that is there in P of N frames, P at least 1."""
    return 2 * _shown(row) / (_shown(row) + row["frames"])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _require_alike(trained: dict[str, Any], folder: Path, scores: dict[str, Any]) -> None:
    """Refuse to average folds of different networks, data or schedules."""
    experiment = with_untold(scores["experiment"])
    distil = experiment.get("distil") or {}
    sources = dict(zip(_SOURCES, (experiment.get("init"), distil.get("teacher")), strict=True))
    told = ("out", "data", "save_every", "init", "distil")
    plain = {key: value for key, value in experiment.items() if key not in told}
    if distil.get("teacher"):
        plain |= {f"distil.{key}": value for key, value in distil.items() if key != "teacher"}
    plain["prepared data"] = scores["recipe"]
    # Where the data lie is no matter: what they are has been compared.
    apart = ("fold", "workers", "root")
    plain |= {f"data.{key}": v for key, v in experiment["data"].items() if key not in apart}
    fold = experiment["data"]["fold"]
    every = {name: {**trained.get(name, {}), fold: path} for name, path in sources.items()}
    if trained:
        before = trained["plain"]
        different = [
            *(key for key in sorted(before.keys() | plain) if before.get(key) != plain.get(key)),
            *(name for name, paths in every.items() if _template(paths) is None),
        ]
        if different:
            raise ScoresError(
                f"{trained['folder']} and {folder} were not trained alike (they differ in "
                f"{', '.join(different)}): their scores cannot be averaged"
            )
    trained.update(plain=plain, folder=folder, **every)


def _template(paths: Mapping[int, str | None]) -> str | None:
    """Write the checkpoints of folds as one path, with ``{fold}`` where each has its own number.

    Args:
        paths: Fold → checkpoint, None for none.

    Returns:
        The path, empty where none has one; None where they do not go together.
    """
    if set(paths.values()) == {None}:
        return ""
    parts = [re.split(r"(\d+)", path or "") for path in paths.values()]
    if None in paths.values() or len({len(each) for each in parts}) > 1:
        return None
    said = []
    for values in zip(*parts, strict=True):
        if len(set(values)) == 1:
            said.append(values[0])
        elif list(values) == list(map(str, paths)):
            said.append("{fold}")
        else:
            return None
    return "".join(said)


def _describe(scores: dict[str, Any], templates: Mapping[str, str | None]) -> str:
    """Say in words what was trained.

    Args:
        scores: Of a fold.
        templates: The checkpoints that all folds so far began with or learned from; ``{fold}``
            stands for a fold's number where each has its own.
    """
    experiment = scores["experiment"]
    model, optim = experiment["model"], experiment["optim"]
    network = f"`{model['preset']}`"
    preset = PRESETS[model["preset"]].to_dict() if model["preset"] in PRESETS else {}
    sizes = [name for name in _SIZES if name in model]  # older runs tell fewer
    changed = [f"{name} {model[name]}" for name in sizes if model[name] != preset.get(name)]
    if changed:
        network += f" with {', '.join(changed)}"
    sources = ""
    if experiment.get("init"):
        sources = f"; begun with {templates['init']} ({experiment.get('init_rule', 'shared')})"
    distil = experiment.get("distil") or {}
    if distil.get("teacher"):
        sources += f"; taught by {templates['distil.teacher']} (weight {distil['weight']:g})"
    if experiment["data"].get("limit"):
        sources += f"; {experiment['data']['limit']} faces at most"
    return (
        f"{scores['training_data']}; {network} at {model['input_size']} px, "
        f"{optim['optimiser']}, {optim['epochs']} epochs, batches of {optim['batch']}, "
        f"seed {experiment['seed']}{sources}"
    )
