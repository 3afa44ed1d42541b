"""Scores of runs on folds that tests of the tables share."""

import json
from pathlib import Path

import numpy as np

from lgrnet.evaluation.fold_scores import fold_scores, write_fold_scores
from lgrnet.evaluation.scoring import Evaluation
from lgrnet.experiment import fold_run, load_experiment
from lgrnet.tables.__main__ import main

CONFIGS = Path(__file__).parents[1] / "configs"


def evaluation(seed, aus, frames=40):
    rng = np.random.default_rng(seed)
    presence = rng.integers(0, 2, (frames, aus)).astype(np.uint8)
    presence[rng.random(presence.shape) < 0.1] = 9
    return Evaluation(rng.random((frames, aus)), presence, rng.random(frames) * 0.2)


def write_run(folder, corpus, variant, fold, *changes, seed=0, epochs=(2, 1)):
    """Write the scores of a run; gives what they are of."""
    run = fold_run(load_experiment(CONFIGS / f"{corpus}.toml", ["optim.epochs=2", *changes]),
                   fold, variant)  # fmt: skip
    results = {}
    for name, epoch in zip(("last", "best_on_test"), epochs, strict=True):
        results[name] = evaluation([seed, fold, epoch], len(run.model.aus))
        path = folder / corpus / variant / f"fold{fold}" / f"{name}.json"
        write_fold_scores(path, fold_scores(run, epoch, results[name], {"made for": "tests"}))
    return results


def tables(*arguments, out):
    assert main([*map(str, arguments), "--out", str(out)]) == 0
    record = json.loads(out.with_name(out.name + ".json").read_text())
    found = {(each["table"], each["epochs"].split()[0]): each for each in record["tables"]}
    assert len(found) == len(record["tables"]) == 10
    return found, record


def measured(table, name):
    (row,) = [each for each in table["rows"] if each["name"] == name and not each["reported"]]
    return row
