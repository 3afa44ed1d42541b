"""Weights of another training must not have seen whom a fold tests.

A network that begins with weights of another fold of the same corpus, or learns from a teacher of
one, was shown its test people: each fold trains on those whom the others test. Its scores would
look like any others. So a checkpoint tells what it has seen, also by way of the weights that its
training began with or learned from, and of the networks that it is a mean of.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lgrnet.checkpoint import find_damage, load_checkpoint
from lgrnet.experiment import Experiment

SEEN = "seen"
"""Key of a checkpoint's metadata: corpora and folds, ``[["bp4d", 2]]``."""

Folds = set[tuple[str, int]]


def seen_by(meta: Mapping[str, Any]) -> Folds:
    """Tell which folds' training people a network has seen.

    Args:
        meta: What its checkpoint says of it; older ones only tell their last training.

    Returns:
        Corpora and folds.
    """
    told = meta.get("experiment")
    data = told.get("data") if isinstance(told, dict) else None
    own = [(data.get("corpus"), data.get("fold"))] if isinstance(data, dict) else []
    every = [*own, *map(tuple, meta.get(SEEN) or ())]
    return {(corpus, fold) for corpus, fold in every if corpus is not None and fold is not None}


def as_plain(folds: Folds) -> dict[str, list]:
    """Write what has been seen as metadata; nothing if that is nothing."""
    return {SEEN: [list(each) for each in sorted(folds)]} if folds else {}


def sources_of(experiment: Experiment) -> Iterable[tuple[str, Path]]:
    """Name the settings of a run that are checkpoints, and these."""
    every = (("init", experiment.init), ("distil.teacher", experiment.distil.teacher))
    return [(name, path) for name, path in every if path is not None]


def will_have_seen(experiment: Experiment, last: Path | None) -> Folds:
    """Tell whose people a run's network will have seen.

    Args:
        experiment: The run.
        last: The checkpoint of its last epoch, which knows it where its sources are gone; None
            where it has not begun.

    Returns:
        Corpora and folds, as far as there is a file that tells them.
    """
    sources = [path for _, path in sources_of(experiment) if path.is_file()]
    if last is not None and last.is_file() and not find_damage(last):
        sources = [last]
    own = seen_by({"experiment": experiment.to_dict()})
    return own.union(*(seen_by(load_checkpoint(path)[1]) for path in sources))


def check_sources(experiment: Experiment) -> None:
    """See that the weights which a run is to begin with, or learn from, are there and may be used.

    Args:
        experiment: The run, before it begins.

    Raises:
        CheckpointError: A file cannot be used.
        ValueError: It was trained on people whom this run is tested on.
    """
    ours = experiment.data
    for name, path in sources_of(experiment):
        seen = seen_by(load_checkpoint(path)[1])
        others = sorted(fold for corpus, fold in seen if corpus == ours.corpus)
        if ours.fold is not None and set(others) - {ours.fold}:
            raise ValueError(
                f"{name}: {path} was trained on people whom fold {ours.fold} of {ours.corpus} "
                f"tests, as it has seen fold {' and '.join(map(str, others))}: give one of the "
                "same fold ({fold} in the path stands for its number)"
            )
