"""Scores that tables are made of, and what may be wrong with their files."""

import json
import re

import pytest
from some_scores import write_run

from lgrnet.evaluation.fold_scores import (
    ScoresError,
    read_fold_scores,
    write_fold_scores,
)
from lgrnet.tables.__main__ import main

COUNTED = ("true_positive", "false_positive", "false_negative")


DAMAGE = {
    "another F1": (
        lambda s: s["aus"]["AU09"].update(f1=0.125),
        "has F1 0.125 of AU09, whose counts",
    ),
    "an F1 of 0": (lambda s: s["aus"]["AU09"].update(f1=0), "has F1 0 of AU09, whose counts give"),
    "an F1 that is none": (
        lambda s: s["aus"]["AU09"].update(f1=float("nan")),
        "has F1 nan of AU09, whose counts give",
    ),
    "an F1 where nothing is right": (
        lambda s: s["aus"]["AU09"].update(true_positives=0, f1=0.25),
        "has F1 0.25 of AU09, whose counts give 0.0",
    ),
    "a mean above 1": (lambda s: s.update(mean_f1=7), "has a senseless mean_f1"),
    "another mean": (
        lambda s: s.update(mean_f1=s["mean_f1"] + 1e-6),
        r"has a mean F1 of 0\.\d+, and its AUs one of 0\.\d+",
    ),
    "no mean": (lambda s: s.update(mean_f1=None), "has a mean F1 of None, and its AUs one of"),
    "failures below 0": (lambda s: s.update(failure_rate=-3), "has a senseless failure_rate"),
    "failures above 1": (lambda s: s.update(failure_rate=1.1), "has a senseless failure_rate"),
    "an error below 0": (
        lambda s: s.update(landmark_error=-0.1),
        "has a senseless landmark_error",
    ),
    "no F1": (lambda s: s["aus"]["AU09"].update(f1=None), "has F1 None of AU09, whose counts give"),
    "counts": (lambda s: s["aus"]["AU09"].update(frames=3), "has senseless counts of AU09"),
    "one frame too few": (
        lambda s: s["aus"]["AU09"].update(
            frames=sum(s["aus"]["AU09"][f"{kind}s"] for kind in COUNTED) - 1
        ),
        "has senseless counts of AU09",
    ),
    "an area above 1": (
        lambda s: s["aus"]["AU09"].update(auc=1.01),
        "has a senseless area under the curve of AU09",
    ),
    "an epoch that never was": (lambda s: s.update(epoch=3), "has a senseless epochs"),
    "no counts": (lambda s: s["aus"].update(AU09={}), "lacks something"),
    "a list": (lambda s: s.update(aus=[1, 2]), "lacks something"),
    "words": (lambda s: s.update(epoch="two"), "lacks something"),
    "no experiment": (lambda s: s.pop("experiment"), "lacks something.*'experiment'"),
    "no failures": (lambda s: s.pop("failure_rate"), "lacks something.*'failure_rate'"),
    "an infinite error": (
        lambda s: s.update(landmark_error=1e999),
        "has a senseless landmark_error",
    ),
    "a fold": (lambda s: s.update(fold=4), "has a senseless fold"),
    "a network": (lambda s: s.update(variant="other"), "has a senseless variant"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_scores_are_named(tmp_path, caplog, damage):
    write_run(tmp_path / "runs", "disfa", "lgrnet", 1)
    path = tmp_path / "runs" / "disfa" / "lgrnet" / "fold1" / "last.json"
    scores = read_fold_scores(path)
    spoil, message = DAMAGE[damage]
    spoil(scores)
    path.write_text(json.dumps(scores))  # without a checksum, as files of before
    assert main([str(tmp_path / "runs"), "--out", str(tmp_path / "t")]) == 2
    assert re.search(f"^{re.escape(str(path))} {message}", caplog.messages[0]), caplog.messages
    assert "train that fold again" in caplog.text
    assert not list(tmp_path.glob("t.*"))


def test_a_mean_over_aus_that_occur_or_of_older_files_and_no_other(tmp_path):
    """One AU is shown and never seen, F1 0; another is never shown and seen at times, F1 0."""
    write_run(tmp_path / "runs", "disfa", "lgrnet", 1)
    path = tmp_path / "runs" / "disfa" / "lgrnet" / "fold1" / "last.json"
    scores = read_fold_scores(path)
    rows = list(scores["aus"].values())
    counts = dict.fromkeys(("true_positives", "false_positives", "false_negatives"), 0)
    rows[0].update(counts, false_negatives=3, f1=0.0)
    rows[1].update(counts, false_positives=2, f1=0.0, auc=None)
    rows[2].update(counts, f1=None, auc=None)
    rest = [row["f1"] for row in rows[3:]]
    means = {"occurring": [0, *rest], "older": [0, 0, *rest], "seen": rest}
    for name, each in means.items():
        scores["mean_f1"] = sum(each) / len(each)
        write_fold_scores(path, scores)
        if name == "seen":
            with pytest.raises(ScoresError, match="has a mean F1 of"):
                read_fold_scores(path)
        else:
            assert read_fold_scores(path)["mean_f1"] == pytest.approx(sum(each) / len(each))


def test_a_digit_that_changed_is_told(tmp_path, caplog):
    write_run(tmp_path / "runs", "disfa", "lgrnet", 1)
    path = tmp_path / "runs" / "disfa" / "lgrnet" / "fold1" / "last.json"
    scores = read_fold_scores(path)
    text = path.read_text()
    error = f'"landmark_error": {scores["landmark_error"]}'
    assert error in text
    path.write_text(text.replace(error, error[:-1] + ("1" if error[-1] != "1" else "2")))
    assert main([str(tmp_path / "runs"), "--out", str(tmp_path / "t")]) == 2
    assert f"{path} does not match its checksum" in caplog.text
    # Files of before, which have none, are read.
    path.write_text(json.dumps(scores))
    assert read_fold_scores(path) == scores
