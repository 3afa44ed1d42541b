"""The committed tables, every digit counted again from the counts of the folds by plain loops.

No NumPy and nothing of lgrnet: exact fractions, from ``docs/tables_synthetic.json`` to the text of
``docs/tables_synthetic.md``.
"""

import json
import re
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
RECORD = json.loads((DOCS / "tables_synthetic.json").read_text("utf-8"))
LAST, BEST = "last epoch", "best epoch, chosen on the test people"
CORPUS = {"I": "disfa", "II": "bp4d", "III": "disfa", "IV": "bp4d"}
PEOPLE = {"disfa": "27", "bp4d": "41"}
AUS = {"disfa": [1, 2, 4, 6, 9, 12, 25, 26], "bp4d": [1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24]}
NAMES = {"w/o full", "w/o F&R", "w/o S-B", "w/ Bi", "LGRNet", "JÂA-Net"}


def f1(counts):
    """Compute F1-frame of the counts of one AU in one fold."""
    hits = counts["true_positives"]
    faults = counts["false_positives"] + counts["false_negatives"]
    return Fraction(2 * hits, 2 * hits + faults)


def mean(values):
    total = Fraction(0)
    for value in values:
        total += value
    return total / len(values)


def counted(epochs, corpus, name):
    """Compute a row of F1: of all frames of a fold at once, then the mean of three folds; %."""
    folds = RECORD["measured"][epochs][corpus][name]["folds"]
    assert list(folds) == ["1", "2", "3"]
    row = []
    for au in AUS[corpus]:
        of_folds = []
        for fold in folds.values():
            of_folds.append(f1(fold["aus"][f"AU{au:02d}"]))
        row.append(mean(of_folds))
    return [100 * value for value in [*row, mean(row)]]


def shown(value, digits):
    """Write an exact number as the tables do."""
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    return str(exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN))


def printed():
    """Read the Markdown: (table, epochs) → name → cells of our rows, without bold and underline."""
    text = (DOCS / "tables_synthetic.md").read_text("utf-8")
    found = {}
    for part in text.split("## Table ")[1:]:
        number, epochs = re.match(r"([IV]+): .*\(([^()]*)\)\n", part).groups()
        rows = found.setdefault((number, epochs), {})
        for line in part.splitlines():
            cells = [re.sub(r"\*\*|</?u>", "", cell).strip() for cell in line.split("|")[1:-1]]
            if cells and cells[0] in NAMES:
                rows[cells[0]] = cells[1:]
    return found


PRINTED = printed()


def test_both_kinds_of_epochs_have_five_tables_each():
    tables = [(each["table"], each["epochs"]) for each in RECORD["tables"]]
    wanted = [
        (number, epochs) for epochs in (LAST, BEST) for number in ("I", "II", "III", "IV", "V")
    ]
    assert tables == wanted == list(PRINTED)


@pytest.mark.parametrize("epochs", [LAST, BEST])
@pytest.mark.parametrize("number", CORPUS)
def test_every_f1_follows_from_the_counts(number, epochs):
    (table,) = [t for t in RECORD["tables"] if (t["table"], t["epochs"]) == (number, epochs)]
    corpus = CORPUS[number]
    assert table["columns"] == [*map(str, AUS[corpus]), "Avg."]
    ours = {row["name"]: row for row in table["rows"] if not row["reported"]}
    assert set(ours) == (NAMES - {"JÂA-Net"} if number in ("III", "IV") else {"LGRNet", "JÂA-Net"})
    for name, row in ours.items():
        again = counted(epochs, corpus, name)
        assert row["values"] == pytest.approx([float(value) for value in again], abs=1e-9)
        cells = PRINTED[number, epochs][name][-len(again) :]
        assert cells == [shown(value, 1) for value in again], name
        assert row["synthetic"]


@pytest.mark.parametrize("epochs", [LAST, BEST])
def test_landmark_errors_are_the_means_of_the_folds(epochs):
    for name in ("JÂA-Net", "LGRNet"):
        wanted = []
        for corpus in ("disfa", "bp4d"):
            folds = RECORD["measured"][epochs][corpus][name]["folds"].values()
            for key in ("landmark_error", "failure_rate"):
                wanted.append(100 * mean([Fraction(fold[key]) for fold in folds]))
        assert PRINTED["V", epochs][name] == [shown(value, 2) for value in wanted]


@pytest.mark.parametrize("corpus", AUS)
def test_the_best_epoch_is_no_worse_than_the_last_and_apart(corpus):
    assert set(RECORD["measured"][LAST][corpus]) == NAMES
    differ = 0
    for name in NAMES:
        for fold in ("1", "2", "3"):
            last, best = (
                RECORD["measured"][epochs][corpus][name]["folds"][fold] for epochs in (LAST, BEST)
            )
            assert last["epoch"] == last["epochs"] == best["epochs"]
            assert 1 <= best["epoch"] <= last["epoch"]
            own = [mean([f1(counts) for counts in kind["aus"].values()]) for kind in (last, best)]
            assert own[0] <= own[1]
            assert [float(value) for value in own] == pytest.approx(
                [last["mean_f1"], best["mean_f1"]]
            )
            assert (last["aus"] == best["aus"]) == (last["epoch"] == best["epoch"])
            differ += last["epoch"] != best["epoch"]
    assert differ, "last and best epochs are the same in every fold"


@pytest.mark.parametrize("corpus", AUS)
def test_no_frame_is_judged_twice_and_none_is_lost(corpus):
    """All networks are judged on the same frames, whose labels are the same."""
    seen = set()
    for epochs in (LAST, BEST):
        for name in NAMES:
            folds = RECORD["measured"][epochs][corpus][name]["folds"]
            seen.add(
                tuple(
                    (fold["frames"], au, counts["frames"],
                     counts["true_positives"] + counts["false_negatives"])
                    for fold in folds.values()
                    for au, counts in fold["aus"].items()
                )
            )  # fmt: skip
    assert len(seen) == 1
    (only,) = seen
    for frames, _, judged, there in only:
        assert 0 < there < judged <= frames


def test_the_page_says_what_it_is_of_and_how_large_that_is():
    text = (DOCS / "tables_synthetic.md").read_text("utf-8")
    assert text.startswith("# Tables on synthetic data, not on BP4D and DISFA\n")
    assert "missing" not in text
    for corpus, people in PEOPLE.items():
        folds = RECORD["measured"][LAST][corpus]["LGRNet"]["folds"].values()
        frames = sum(fold["frames"] for fold in folds)
        assert f"{frames} faces of {people} people" in text
