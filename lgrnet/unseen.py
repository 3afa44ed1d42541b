"""Weights of another training must not have seen whom a fold tests.

A network that begins with weights of another fold of the same corpus, or learns from a teacher of
one, was shown its test people: each fold trains on those whom the others test. Its scores would
look like any others.
"""

from pathlib import Path

from lgrnet.checkpoint import load_checkpoint
from lgrnet.experiment import Experiment


def check_sources(experiment: Experiment) -> None:
    """See that the weights which a run is to begin with, or learn from, are there and may be used.

    Args:
        experiment: The run, before it begins.

    Raises:
        CheckpointError: A file cannot be used.
        ValueError: It was trained on people whom this run is tested on.
    """
    for name, path in (("init", experiment.init), ("distil.teacher", experiment.distil.teacher)):
        if path is not None:
            _check_source(name, path, experiment)


def _check_source(name: str, path: Path, experiment: Experiment) -> None:
    _, meta = load_checkpoint(path)
    told = meta.get("experiment")
    theirs = told.get("data") if isinstance(told, dict) else None
    ours = experiment.data
    if not isinstance(theirs, dict) or ours.fold is None or theirs.get("corpus") != ours.corpus:
        return
    fold = theirs.get("fold")
    if fold not in (None, ours.fold):
        raise ValueError(
            f"{name}: {path} was trained on people whom fold {ours.fold} of {ours.corpus} tests, "
            f"as it is of fold {fold}: give one of the same fold ({{fold}} in the path stands for "
            "its number)"
        )
