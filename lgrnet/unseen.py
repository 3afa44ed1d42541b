"""Weights of another training must not have seen whom a fold tests.

A network that begins with weights of another fold of the same corpus, or learns from a teacher of
one, was shown its test people, and its scores would look like any others. So a checkpoint tells
what it has seen, also by way of the weights that its training began with or learned from, and of
the networks that it is a mean of; and so do the models that are exported from it.

Data sets without folds, such as rendered faces, are told by what they were made from. Whoever is
judged, or asked for a say in thresholds, is compared with these too.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from lgrnet.checkpoint import CheckpointError, load_checkpoint
from lgrnet.corpora.folds import CORPORA, test_subjects, train_subjects
from lgrnet.experiment import Experiment

SEEN = "seen"
"""Key of a checkpoint's metadata: corpora and folds, ``[["bp4d", 2]]``, or people of a corpus,
``[["bp4d", "F001"]]``, where a network was trained on one without a fold, or splits of another data
set, ``[["3f0c5a1e9b7d2468", "train"]]``."""

Seen = set[tuple[str, int | str]]

VALIDATION_RECIPE = "validation_recipe"
"""Key of a checkpoint's metadata: what those were made from on whom its training chose thresholds;
older ones do not tell it."""


def data_set(recipe: Mapping[str, Any]) -> str | None:
    """Name a data set, further ones in its recipe left out.

    Args:
        recipe: What it was made from.

    Returns:
        Its corpus, whose people have the same names however it was prepared; of others 16 digits of
        a digest of the recipe. None where nobody knows what it was made from.
    """
    if recipe.get("corpus") in CORPORA:
        return recipe["corpus"]
    own = {key: value for key, value in recipe.items() if key != "also"}
    return sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:16] if own else None


def _members(recipe: Any, splits: Iterable[str | None]) -> Seen:
    """Name splits of a data set, and of those that its recipe also names."""
    parts = [recipe, *recipe.get("also", ())] if isinstance(recipe, dict) else []
    names = {name for part in parts if (name := data_set(part)) is not None}
    return {(name, split) for name in names for split in splits if split is not None}


def seen_by(meta: Mapping[str, Any]) -> Seen:
    """Tell whom a network has seen in training.

    Args:
        meta: What its checkpoint says of it; older ones only tell their last training, and what
            they saw of corpora.

    Returns:
        Corpora, each with a fold or somebody's name, and other data sets, each with a split.
    """
    data = _settings(meta)
    corpus, fold = data.get("corpus"), data.get("fold")
    if corpus is not None:
        own: Seen = set() if fold is None else {(corpus, fold)}
    else:
        own = _members(meta.get("dataset_recipe"), [data.get("train")])
    for each in meta.get("trainings") or ():  # so means of networks told rendered faces before
        own |= _members(each["recipe"], [each["split"]])
    return {pair for pair in own | set(map(tuple, meta.get(SEEN) or ())) if None not in pair}


TUNED = ("thresholds", "intensities")
"""What is fitted to people beside the weights: :mod:`lgrnet.thresholds`, and
:mod:`lgrnet.intensities`."""


def tuned_on(meta: Mapping[str, Any], parts: Sequence[str] = TUNED) -> Seen:
    """Tell on whom a network's thresholds were chosen and its intensities fitted.

    Args:
        meta: What its checkpoint says of it; older ones do not tell splits of thresholds.
        parts: Which of :data:`TUNED`.

    Returns:
        As of :func:`seen_by`.
    """
    every: Seen = set()
    for part in parts:
        told = meta.get(f"{part}_from") or {}
        for faces in (told, told.get("own") or {}):
            every |= _members(faces.get("recipe"), faces.get("splits", ()))
        every |= set(map(tuple, told.get("kept", ())))  # whose those were that stayed as they were
    data = _settings(meta)
    if "thresholds" in parts and _chosen_in_training(meta):
        judges = meta.get(VALIDATION_RECIPE)
        if judges is None and data.get("val_root") is None and meta.get("dataset_recipe"):
            judges = {key: of for key, of in meta["dataset_recipe"].items() if key != "also"}
        every |= _members(judges, [data.get("val")])
    return every


def known_among(known: Seen, recipe: Mapping[str, Any], splits: Sequence[str]) -> list[str]:
    """Name the splits of a data set that a network knows.

    Args:
        known: From :func:`seen_by` or :func:`tuned_on`, or what an exported model tells.
        recipe: What the data set was made from.
        splits: Its splits; of a corpus they are people.
    """
    names = {data_set(part) for part in (recipe, *recipe.get("also", ()))}
    ours = [(name, whom) for name, whom in known if name in names]
    people = {whom for _, whom in ours if isinstance(whom, str)}
    folds = [(name, whom) for name, whom in ours if isinstance(whom, int)]
    people = people.union(*(train_subjects(*each) for each in folds))
    return [name for name in splits if name in people]


def warnings_of(
    seen: Seen,
    tuned: Seen,
    meta: Mapping[str, Any],
    recipe: Mapping[str, Any],
    splits: Sequence[str],
) -> list[str]:
    """Say where those who judge a network trained it, or had a say in what else it tells.

    Args:
        seen: From :func:`seen_by`, or what an exported model tells.
        tuned: From :func:`tuned_on`, likewise.
        meta: What a checkpoint says of the network; empty for an exported model.
        recipe: What the data set was made from.
        splits: Its splits that judge.
    """
    said = []
    if known := known_among(seen, recipe, splits):
        names = ", ".join(known)
        said.append(f"it was trained on {names}, who are judged: these are scores of its training")
    flatters = "F1 at the thresholds (F1*) or ICC flatters"
    if known := known_among(tuned, recipe, splits):
        names = ", ".join(known)
        said.append(f"{names}, who are judged, had a say in thresholds or intensities: {flatters}")
    data = _settings(meta)
    untold = _chosen_in_training(meta) and VALIDATION_RECIPE not in meta
    if untold and data.get("val_root") is not None and data.get("val") in splits:
        said.append(
            f"its thresholds were chosen on {data['val']} of {data['val_root']}, and its file does "
            f"not say what that was made from: if that is who is judged, {flatters}"
        )
    return said


def _settings(meta: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a training's settings of its data; nothing where it tells none."""
    told = meta.get("experiment")
    data = told.get("data") if isinstance(told, dict) else None
    return data if isinstance(data, dict) else {}


def _chosen_in_training(meta: Mapping[str, Any]) -> bool:
    """Tell whether thresholds are those of a training, which on folds chooses none."""
    return "thresholds_from" not in meta and _settings(meta).get("fold") is None


def as_plain(seen: Seen) -> dict[str, list]:
    """Write what has been seen as metadata; nothing if that is nothing."""
    return {SEEN: [list(each) for each in sorted(seen, key=str)]} if seen else {}


def overlap_with_fold(seen: Seen, corpus: str | None, fold: int | None) -> list[str]:
    """Name what a network has seen of the people whom a fold tests.

    Args:
        seen: From :func:`seen_by`.
        corpus: Of the fold; None for none.
        fold: 1 to 3; None for none.

    Returns:
        Such as ``["fold 2"]`` or ``["F001"]``; nothing if it may be tested on them.
    """
    if corpus is None or fold is None:
        return []
    tested = test_subjects(corpus, fold)
    ours = sorted((whom for name, whom in seen if name == corpus), key=str)
    # Each fold trains on those whom the others test.
    return [
        f"fold {whom}" if isinstance(whom, int) else whom
        for whom in ours
        if (whom != fold if isinstance(whom, int) else whom in tested)
    ]


def sources_of(experiment: Experiment) -> Iterable[tuple[str, Path]]:
    """Name the settings of a run that are checkpoints, and these."""
    every = (("init", experiment.init), ("distil.teacher", experiment.distil.teacher))
    return [(name, path) for name, path in every if path is not None]


def will_have_seen(
    experiment: Experiment, recipe: Mapping[str, Any], last: Path | None = None
) -> Seen:
    """Tell whose people a run's network will have seen.

    Args:
        experiment: The run.
        recipe: Of the data that it is trained on.
        last: The checkpoint of its last epoch, where it has begun: its sources may be gone since.

    Returns:
        Corpora, each with a fold or somebody's name, as far as there is a file that tells them.

    Raises:
        CheckpointError: A source of a run that has not begun cannot be used.
    """
    seen = seen_by({"experiment": experiment.to_dict(), "dataset_recipe": recipe})
    for path in (*(path for _, path in sources_of(experiment)), last):
        if path is None or not path.is_file():
            continue
        try:
            seen |= seen_by(load_checkpoint(path)[1])
        except CheckpointError:
            if last is None:
                raise
    return seen


def check_sources(experiment: Experiment) -> None:
    """Check that the weights a run is to begin with, or learn from, are there and may be used.

    Args:
        experiment: The run, before it begins.

    Raises:
        CheckpointError: A file cannot be used.
        ValueError: It was trained on people whom this run is tested on.
    """
    ours = experiment.data
    for name, path in sources_of(experiment):
        others = overlap_with_fold(seen_by(load_checkpoint(path)[1]), ours.corpus, ours.fold)
        if others:
            raise ValueError(
                f"{name}: {path} was trained on people whom fold {ours.fold} of {ours.corpus} "
                f"tests, as it has seen {' and '.join(others)}: give one of the same fold "
                "({fold} in the path stands for its number)"
            )
