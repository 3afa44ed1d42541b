"""Which folds may be averaged, and what tables tell of how they were trained."""

import pytest
from some_scores import tables, write_run

from lgrnet.evaluation.fold_scores import read_fold_scores, write_fold_scores
from lgrnet.tables.__main__ import main


@pytest.mark.parametrize("setting", ["init", "distil.teacher"])
def test_folds_that_began_with_the_same_fold_each_are_alike(tmp_path, setting):
    for fold in (1, 2, 3):
        write_run(tmp_path / "runs", "disfa", "lgrnet", fold, f"{setting}=bp/fold{{fold}}/last.pt")
    tables(tmp_path / "runs", out=tmp_path / "t")
    write_run(tmp_path / "runs", "disfa", "lgrnet", 3, f"{setting}=other/fold{{fold}}/last.pt")
    assert main([str(tmp_path / "runs"), "--out", str(tmp_path / "t")]) == 2


def test_folds_that_heard_their_teacher_more_or_less_are_not_alike(tmp_path, caplog):
    for fold in (1, 2, 3):
        taught = ("distil.teacher=big.pt", f"distil.weight={2 if fold == 2 else 1}")
        write_run(tmp_path / "runs", "disfa", "lgrnet", fold, *taught)
    assert main([str(tmp_path / "runs"), "--out", str(tmp_path / "t")]) == 2
    assert "differ in distil.weight" in caplog.text


def test_a_fold_of_before_there_were_means_is_one_without(tmp_path):
    for fold in (1, 2, 3):
        write_run(tmp_path / "runs", "disfa", "lgrnet", fold)
    for name in ("last", "best_on_test"):
        path = tmp_path / "runs" / "disfa" / "lgrnet" / "fold2" / f"{name}.json"
        told = read_fold_scores(path)
        del told["experiment"]["optim"]["average_from"]
        write_fold_scores(path, told)
    tables(tmp_path / "runs", out=tmp_path / "t")


def test_a_fold_that_began_with_another_one_is_noticed(tmp_path):
    for fold, began in ((1, 2), (2, 2), (3, 3)):
        write_run(tmp_path / "runs", "disfa", "lgrnet", fold, f"init=w/a{began}.pt")
    assert main([str(tmp_path / "runs"), "--out", str(tmp_path / "t")]) == 2


def test_other_numbers_in_the_path_are_no_folds(tmp_path):
    for fold in (1, 2, 3):
        write_run(tmp_path / "runs", "disfa", "lgrnet", fold, "init=v2/t1/fold{fold}/last.pt")
    tables(tmp_path / "runs", out=tmp_path / "t")
    write_run(tmp_path / "runs", "disfa", "lgrnet", 3, "init=v2/t1/fold13/last.pt")
    assert main([str(tmp_path / "runs"), "--out", str(tmp_path / "t")]) == 2


@pytest.mark.parametrize("first", [1, 3])
@pytest.mark.parametrize(
    "changes",
    [
        ("data.limit=1{fold}",),
        ("training_data=set {fold}",),
        ("distil.teacher=big.pt", "init=other.pt"),
        ("init=small.pt",),
    ],
)
def test_other_data_or_sources_of_one_fold_are_refused(tmp_path, first, changes):
    """Whichever fold comes first, and also where a number differs as folds do."""
    for fold in (1, 2, 3):
        mine = [change.format(fold=fold) for change in changes] if fold == first else []
        write_run(tmp_path / "runs", "disfa", "lgrnet", fold, *mine)
    if first == 3:  # as runs of before there were such settings tell them
        path = tmp_path / "runs" / "disfa" / "lgrnet" / "fold1" / "last.json"
        told = read_fold_scores(path)
        del told["experiment"]["distil"], told["experiment"]["init"]
        write_fold_scores(path, told)
    assert main([str(tmp_path / "runs"), "--out", str(tmp_path / "t")]) == 2


def test_where_the_data_lie_is_no_matter(tmp_path):
    for fold in (1, 2, 3):
        write_run(tmp_path / "runs", "disfa", "lgrnet", fold, f"data.root=/disc{fold}/disfa")
    tables(tmp_path / "runs", out=tmp_path / "t")


def test_each_network_is_told_with_what_it_was_trained_on(tmp_path):
    for fold in (1, 2, 3):
        changes = [f"init=bp3/fold{fold}/last.pt", "seed=5", "data.limit=8"]
        write_run(tmp_path / "runs", "disfa", "lgrnet", fold)
        write_run(tmp_path / "runs", "disfa", "without_sb", fold, *changes)
    found, _ = tables(tmp_path / "runs", out=tmp_path / "t")
    notes = [note for note in found["III", "last"]["notes"] if "batches" in note]
    assert [note.split(":")[0] for note in notes] == ["w/o S-B", "LGRNet"]
    assert "seed 5; begun with bp3/fold{fold}/last.pt (shared); 8 faces at most;" in notes[0]
    assert "begun" not in notes[1]
    assert "seed 0;" in notes[1]


def test_folds_that_began_with_one_network_are_alike(tmp_path):
    for fold in (1, 2, 3):
        write_run(tmp_path / "runs", "disfa", "lgrnet", fold, "init=bp4d/fold2/last.pt")
    tables(tmp_path / "runs", out=tmp_path / "t")
