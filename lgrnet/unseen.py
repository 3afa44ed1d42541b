"""Weights of another training must not have seen whom a fold tests.

A network that begins with weights of another fold of the same corpus, or learns from a teacher of
one, was shown its test people, and its scores would look like any others. So a checkpoint tells
what it has seen, also by way of the weights that its training began with or learned from, and of
the networks that it is a mean of.

Of data sets without folds, such as rendered faces, a checkpoint tells the last training's alone, by
what they were made from, and exported models do not tell them; whoever is judged or asked for a say
is compared with these too.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lgrnet.checkpoint import CheckpointError, load_checkpoint
from lgrnet.corpora.folds import CORPORA, test_subjects, train_subjects
from lgrnet.experiment import Experiment

SEEN = "seen"
"""Key of a checkpoint's metadata: corpora and folds, ``[["bp4d", 2]]``, or people of a corpus,
``[["bp4d", "F001"]]``, where a network was trained on one without a fold."""

Seen = set[tuple[str, int | str]]


def seen_by(meta: Mapping[str, Any]) -> Seen:
    """Tell which folds' training people a network has seen.

    Args:
        meta: What its checkpoint says of it; older ones only tell their last training.

    Returns:
        Corpora, each with a fold or somebody's name.
    """
    told = meta.get("experiment")
    data = told.get("data") if isinstance(told, dict) else None
    own: list[tuple[Any, Any]] = []
    if isinstance(data, dict) and data.get("corpus") is not None:
        own = [(data["corpus"], data.get("fold"))]
    elif isinstance(data, dict):
        recipe = meta.get("dataset_recipe")
        own = [(recipe.get("corpus") if isinstance(recipe, dict) else None, data.get("train"))]
    every = [*own, *map(tuple, meta.get(SEEN) or ())]
    return {(corpus, whom) for corpus, whom in every if corpus in CORPORA and whom is not None}


TRAININGS = "trainings"
"""Key of what a mean of networks says of theirs, see :func:`trainings`."""

TUNED = ("thresholds", "intensities")
"""What is fitted to people beside the weights: :mod:`lgrnet.thresholds`, and
:mod:`lgrnet.intensities`."""


def tuned_on(meta: Mapping[str, Any], parts: Sequence[str] = TUNED) -> Seen:
    """Tell on whom of a corpus a network's thresholds were chosen and its intensities fitted.

    Args:
        meta: What its checkpoint says of it.
        parts: Which of :data:`TUNED`.
    """
    every: list[tuple[Any, ...]] = []
    for part in parts:
        told = meta.get(f"{part}_from") or {}
        every += [
            ((faces.get("recipe") or {}).get("corpus"), name)
            for faces in (told, told.get("own") or {})
            for name in faces.get("splits", ())
        ]
        every += map(tuple, told.get("kept", ()))  # on whom those were that stayed as they were
    return {(corpus, name) for corpus, name in every if corpus in CORPORA}


def people_of(seen: Seen, corpus: str) -> set[str]:
    """Name everybody of a corpus whom a network has seen."""
    ours = [whom for name, whom in seen if name == corpus]
    people = {whom for whom in ours if isinstance(whom, str)}
    return people.union(*(train_subjects(corpus, fold) for fold in ours if isinstance(fold, int)))


def trained_among(
    seen: Seen, meta: Mapping[str, Any], recipe: Mapping[str, Any], splits: Sequence[str]
) -> list[str]:
    """Name the splits of a data set that a network was trained on.

    Those of a corpus are people, of whom networks tell all whom they have seen. Those of another
    data set, such as rendered faces, are known by its recipe, and of the last training alone.

    Args:
        seen: From :func:`seen_by`, or what an exported model tells.
        meta: What a checkpoint says of the network; empty for an exported model.
        recipe: What the data set was made from.
        splits: Its splits.
    """
    known = {each["split"] for each in trainings(meta) if _share(each["recipe"], recipe)}
    people = people_of(seen, recipe.get("corpus", ""))
    return [name for name in splits if name in known | people]


def trainings(meta: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Tell on what data sets without folds a checkpoint says that it was trained.

    Args:
        meta: What it says of its network.

    Returns:
        ``recipe`` and ``split`` of its last training, or of those of the networks that it is a mean
        of, as plain values.
    """
    data, made_from = _last_training(meta)
    last = [{"recipe": dict(made_from), "split": data.get("train")}] if made_from else []
    return last + list(meta.get(TRAININGS, ()))


def tuned_among(
    tuned: Seen, meta: Mapping[str, Any], recipe: Mapping[str, Any], splits: Sequence[str]
) -> list[str]:
    """Name the splits of a data set on which thresholds were chosen or intensities fitted.

    Args:
        tuned: From :func:`tuned_on`, or what an exported model tells.
        meta: As for :func:`trained_among`; older ones do not tell splits of thresholds.
        recipe: What the data set was made from.
        splits: Its splits.
    """
    names = people_of(tuned, recipe.get("corpus", ""))
    for part in TUNED:
        told = meta.get(f"{part}_from") or {}
        for faces in (told, told.get("own") or {}):
            if _share(faces.get("recipe"), recipe):
                names |= set(faces.get("splits", ()))
    data, made_from = _last_training(meta)
    if "thresholds_from" not in meta and data.get("val_root") is None:  # training has chosen them
        own = {key: value for key, value in made_from.items() if key != "also"}
        names |= {data.get("val")} if _share(own, recipe) else set()
    return [name for name in splits if name in names]


def _last_training(meta: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return a training's settings of its data, and their recipe; nothing of one on a fold."""
    told, recipe = meta.get("experiment"), meta.get("dataset_recipe")
    data = told.get("data") if isinstance(told, dict) else None
    if not isinstance(data, dict) or not isinstance(recipe, dict) or data.get("fold") is not None:
        return {}, {}
    return data, recipe


def _share(recipe: Mapping[str, Any] | None, other: Mapping[str, Any]) -> bool:
    """Tell whether two recipes, which may name further ones, have a data set in common."""
    ours, theirs = (
        [{key: value for key, value in each.items() if key != "also"}, *each.get("also", ())]
        for each in (recipe or {}, other)
    )
    return any(each and each in theirs for each in ours)


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
