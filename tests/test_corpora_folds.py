"""The published folds: disjoint, complete, and of the published sizes."""

from pathlib import Path

import pytest
import tiny_corpus

from lgrnet import prepare
from lgrnet.corpora import folds

ROOT = Path(__file__).parents[1]


def test_every_corpus_is_in_every_table():
    for table in (folds._NAME, prepare._READERS, tiny_corpus.AUS):
        assert tuple(table) == folds.CORPORA
    for corpus in folds.CORPORA:
        assert (ROOT / "configs" / f"{corpus}.toml").exists()
        assert f"lgrnet.prepare {corpus} " in (ROOT / "docs" / "corpora.md").read_text("utf-8")


@pytest.mark.parametrize("corpus", folds.CORPORA)
def test_parts_are_disjoint_and_folds_complete(corpus):
    everyone = [name for part in folds.parts(corpus) for name in part]
    assert len(everyone) == len(set(everyone))
    held_out = []
    for fold in (1, 2, 3):
        train, test = folds.train_subjects(corpus, fold), folds.test_subjects(corpus, fold)
        assert not set(train) & set(test)
        assert sorted(train + test) == sorted(everyone)
        held_out += test
    assert sorted(held_out) == sorted(everyone)
    assert folds.folds(corpus) == tuple(folds.test_subjects(corpus, fold) for fold in (1, 2, 3))


def test_published_counts():
    # Subjects of parts 1, 2, 3 in JÂA-Net's lists; and all 41 and 27 of the corpora, by name.
    assert [len(part) for part in folds.parts("bp4d")] == [14, 14, 13]
    assert [len(part) for part in folds.parts("disfa")] == [9, 9, 9]
    women = [f"F{number:03d}" for number in range(1, 24)]
    men = [f"M{number:03d}" for number in range(1, 19)]
    assert list(folds.subjects("bp4d")) == women + men
    absent = {14, 15, 19, 20, 22}
    present = [f"SN{number:03d}" for number in range(1, 33) if number not in absent]
    assert list(folds.subjects("disfa")) == present


def test_published_frame_counts_fix_who_is_in_which_part():
    """The frames that JÂA-Net's lists hold of each subject add up to its parts only as listed."""
    for corpus, published in (
        ("bp4d", [50_601, 50_166, 45_809]),
        ("disfa", [43_173, 40_344, 42_627]),
    ):
        frames = folds.PUBLISHED_FRAMES[corpus]
        assert sorted(frames) == list(folds.subjects(corpus))
        totals = [sum(frames[name] for name in part) for part in folds.parts(corpus)]
        assert totals == published


def test_fold_one_is_tested_on_part_three():
    for fold, part in ((1, 3), (2, 2), (3, 1)):
        assert folds.test_subjects("bp4d", fold) == folds.parts("bp4d")[part - 1]


@pytest.mark.parametrize("corpus", folds.CORPORA)
def test_numbers_are_unique(corpus):
    numbers = [folds.subject_number(corpus, name) for name in folds.subjects(corpus)]
    assert len(set(numbers)) == len(numbers)
    assert folds.subject_number("bp4d", "M001") == 101
    assert folds.subject_number("disfa", "SN032") == 32


def test_wrong_names_are_refused():
    with pytest.raises(ValueError, match="ckplus"):
        folds.parts("ckplus")
    with pytest.raises(ValueError, match="fold must be 1, 2 or 3, got 0"):
        folds.train_subjects("bp4d", 0)
    with pytest.raises(ValueError, match="'SN001' is no subject of bp4d"):
        folds.subject_number("bp4d", "SN001")
