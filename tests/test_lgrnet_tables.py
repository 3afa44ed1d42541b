"""``python -m lgrnet.tables``: figures counted again from its JSON, and what is missing."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from some_scores import CONFIGS, measured, tables, write_run

from lgrnet.evaluation.fold_scores import (
    fold_scores,
    read_fold_scores,
    write_fold_scores,
)
from lgrnet.evaluation.metrics import always_on_f1, area_under_curve, f1_frame
from lgrnet.evaluation.scoring import Evaluation
from lgrnet.experiment import fold_run, load_experiment
from lgrnet.network.variants import VARIANTS
from lgrnet.tables import published
from lgrnet.tables.__main__ import main
from lgrnet.tables.fold_means import find_runs
from lgrnet.tables.paper import Row, Table, make_tables
from lgrnet.tables.text import ranks, to_markdown

# EAC-Net's and LP-Net's averages on BP4D are not the means of their rows in the paper: 55.6 and
# 62.0 would be. The paper's are kept.
NOT_MEANS = {("EAC-Net [14]", 55.9), ("LP-Net [23]", 61.0)}


@pytest.mark.parametrize("table", [1, 2, 3, 4])
def test_published_averages_are_the_means_of_their_rows(table):
    rows = getattr(published, f"TABLE_{table}")
    for row in rows:
        assert len(row.f1) == (8 if table in (1, 3) else 12)
        # In tenths of a per cent, so that nothing is rounded; the mean is printed to one of them.
        tenths = [round(10 * value) for value in row.f1]
        off = abs(sum(tenths) - len(tenths) * round(10 * row.average))
        assert (2 * off <= len(tenths)) == ((row.name, row.average) not in NOT_MEANS), row


def test_notes_say_what_was_trained_and_by_whom(tmp_path):
    changes = ["model.stem_widths=[4, 4]", "distil.teacher=big.pt", "distil.weight=2"]
    for fold in (1, 2, 3):
        write_run(tmp_path / "runs", "disfa", "lgrnet", fold, *changes)
    found, _ = tables(tmp_path / "runs", out=tmp_path / "t")
    (note,) = [each for each in found["I", "last"]["notes"] if "batches" in each]
    assert "`paper` with stem_widths [4, 4] at 176 px" in note
    assert "taught by big.pt (weight 2)" in note


def test_a_folder_may_be_named_twice(tmp_path, monkeypatch):
    write_run(tmp_path / "runs", "disfa", "lgrnet", 1)
    monkeypatch.chdir(tmp_path)
    tables(tmp_path / "runs", "runs", out=tmp_path / "t")


def test_f1_is_pooled_over_a_fold_then_averaged(tmp_path):
    results = [write_run(tmp_path / "runs", "disfa", "lgrnet", fold, seed=3) for fold in (1, 2, 3)]
    found, record = tables(tmp_path / "runs", out=tmp_path / "t")
    for kind, of in (("last", "last"), ("best", "best_on_test")):
        folds = [f1_frame(each[of].probability >= 0.5, each[of].presence) for each in results]
        wanted = 100 * np.mean(folds, axis=0)
        row = measured(found["I", kind], "LGRNet")
        assert row["values"] == pytest.approx([*wanted, wanted.mean()])
        assert measured(found["III", kind], "LGRNet")["values"] == row["values"]
        errors = 100 * np.mean([each[of].errors.mean() for each in results])
        failures = 100 * np.mean([(each[of].errors > 0.1).mean() for each in results])
        values = measured(found["V", kind], "LGRNet")["values"]
        assert values[:2] == pytest.approx([errors, failures])
        assert values[2:] == [None, None]  # BP4D is not trained
    # What an average F1 is to be compared with: every AU seen in every frame.
    floors = [f1_frame(np.ones((40, 8), bool), each["last"].presence).mean() for each in results]
    measures = record["measured"]["last epoch"]["disfa"]["LGRNet"]
    assert measures["always_on_f1"] == pytest.approx(np.mean(floors))
    assert f"gives F1 {100 * np.mean(floors):.1f}" in " ".join(found["I", "last"]["notes"])
    # All of it again from the counts in the JSON.
    for epochs, corpora in record["measured"].items():
        kind = epochs.split()[0]
        f1 = []
        for fold in corpora["disfa"]["LGRNet"]["folds"].values():
            counts = fold["aus"].values()
            f1.append([
                2 * c["true_positives"]
                / (2 * c["true_positives"] + c["false_positives"] + c["false_negatives"])
                for c in counts
            ])  # fmt: skip
        again = 100 * np.mean(f1, axis=0)
        assert measured(found["I", kind], "LGRNet")["values"][:-1] == pytest.approx(again)


def test_reported_rows_have_their_own_ticks_and_columns(tmp_path):
    """Of Tables III and IV the ticks of S-B and F&R, of Table V the errors as the paper prints."""
    write_run(tmp_path / "runs", "disfa", "lgrnet", 1)
    made = make_tables(find_runs([tmp_path / "runs"]))[0]
    ticks = {
        "w/o full": ("", ""), "w/o F&R": ("√", ""), "w/o S-B": ("", "√"), "w/ Bi": ("", "√"),
        "LGRNet": ("√", "√"),
    }  # fmt: skip
    for table in (each for each in made if each.number in ("III", "IV")):
        assert table.heads[:2] == ("S-B", "F&R")
        assert {row.name: row.marks for row in table.rows if row.reported} == ticks
    for table in (each for each in made if each.number == "V"):
        heads = ("DISFA mean error", "DISFA failures", "BP4D mean error", "BP4D failures")
        assert table.heads == heads
        values = {row.name: row.values for row in table.rows if row.reported}
        assert values["JÂA-Net"] == (4.02, None, 3.80, None)
        assert values["LGRNet"] == (3.68, None, 3.34, None)
        of = dict(zip([(row.name, row.reported) for row in table.rows], ranks(table), strict=True))
        assert of["LGRNet", True] == [0, None, 0, None], "the lower an error the better"
        assert of["JÂA-Net", True] == [1, None, 1, None]


def test_one_synthetic_corpus_makes_a_row_synthetic(tmp_path):
    for fold in (1, 2, 3):
        write_run(tmp_path / "runs", "disfa", "lgrnet", fold, "training_data=synthetic faces")
        write_run(tmp_path / "runs", "bp4d", "lgrnet", fold, "training_data=real faces")
    found, _ = tables(tmp_path / "runs", out=tmp_path / "t")
    synthetic = {name: measured(found[name, "last"], "LGRNet")["synthetic"] for name in ("I", "II")}
    assert synthetic == {"I": True, "II": False}
    assert measured(found["V", "last"], "LGRNet")["synthetic"]


def test_what_is_missing_is_said_and_never_0(tmp_path):
    runs = tmp_path / "runs"
    for fold in (1, 3):
        write_run(runs, "disfa", "lgrnet", fold)
    write_run(runs, "disfa", "jaanet", 1)
    write_run(runs, "disfa", "jaanet", 2)
    write_run(runs, "disfa", "jaanet", 3, epochs=(1, 1))  # stopped half-way
    found, _ = tables(runs, out=tmp_path / "t")
    for kind in ("last", "best"):
        table = found["I", kind]
        assert measured(table, "LGRNet")["values"] == [None] * 9
        assert measured(table, "JÂA-Net")["values"] == [None] * 9
        notes = " ".join(table["notes"])
        assert "LGRNet: fold 2 is not trained" in notes
        assert "JÂA-Net: fold 3 has got to epoch 1 of 2" in notes
        assert "Missing of JÂA-Net on BP4D: fold 1" in " ".join(found["V", kind]["notes"])
    for suffix in ("md", "tex"):
        text = (tmp_path / f"t.{suffix}").read_text()
        lines = [line for line in text.splitlines() if line.startswith(("| LGRNet", "LGRNet"))]
        ours = [line for line in lines if "reported" not in line and "dagger" not in line]
        assert ours
        assert all("missing" in line and " 0.0" not in line for line in ours)


def test_what_a_network_began_with_is_said(tmp_path):
    for fold in (1, 2, 3):
        changes = ["init=bp4d/last.pt", "init_rule=jaanet"]
        write_run(tmp_path / "runs", "disfa", "lgrnet", fold, *changes)
    found, _ = tables(tmp_path / "runs", out=tmp_path / "t")
    notes = " ".join(found["I", "last"]["notes"])
    assert (
        "batches of 16, seed 0; begun with bp4d/last.pt (jaanet); 120 faces of 27 people." in notes
    )


def test_a_fold_that_shows_nothing_has_null_and_not_nan(tmp_path):
    run = fold_run(load_experiment(CONFIGS / "disfa.toml"), 1, "lgrnet")
    nothing = Evaluation(np.zeros((4, 8)), np.zeros((4, 8), np.uint8), np.full(4, np.nan))
    path = tmp_path / "last.json"
    write_fold_scores(path, fold_scores(run, 1, nothing, {}))
    scores = read_fold_scores(path)
    assert {row["f1"] for row in scores["aus"].values()} == {None}
    assert scores["mean_f1"] is scores["landmark_error"] is None
    json.loads(path.read_text(), parse_constant=pytest.fail)  # NaN or Infinity


def never_shown(path, au, alarms):
    """Make a fold's test people never show an AU, which is called in some of its frames."""
    scores = read_fold_scores(path)
    called = {"true_positives": 0, "false_positives": alarms, "false_negatives": 0}
    scores["aus"][au] |= {**called, "f1": 0.0 if alarms else None, "auc": None}
    others = [row["f1"] for row in scores["aus"].values() if row["true_positives"]]
    scores["mean_f1"] = sum(others) / len(others)
    write_fold_scores(path, scores)


@pytest.mark.parametrize("alarms", [0, 1, 7])
def test_a_fold_that_never_shows_an_au_is_left_out_of_its_mean(tmp_path, alarms):
    """Whatever the network says there: a false alarm is neither an F1 of 0 nor a missing mean."""
    runs = tmp_path / "runs"
    results = [write_run(runs, "disfa", "lgrnet", fold)["last"] for fold in (1, 2, 3)]
    never_shown(runs / "disfa" / "lgrnet" / "fold2" / "last.json", "AU09", alarms)
    found, record = tables(runs, out=tmp_path / "t")
    f1, area, always = np.array(
        [
            (
                f1_frame(each.probability >= 0.5, each.presence),
                area_under_curve(each.probability, each.presence),
                always_on_f1(each.presence),
            )
            for each in results
        ]
    ).transpose(1, 0, 2)
    for values in (f1, area, always):
        values[1, 4] = np.nan  # AU 9 in fold 2
    wanted = 100 * np.nanmean(f1, axis=0)
    assert measured(found["I", "last"], "LGRNet")["values"] == pytest.approx(
        [*wanted, wanted.mean()]
    )
    measures = record["measured"]["last epoch"]["disfa"]["LGRNet"]
    assert measures["auc"] == pytest.approx(np.nanmean(area, axis=0).mean())
    assert measures["always_on_f1"] == pytest.approx(np.nanmean(always, axis=0).mean())
    said = "an AU's mean leaves out a fold whose test people never show it (AU09 fold 2)."
    assert measures["left_out"] == ["AU09 fold 2"]
    assert not measures["missing"]
    for name, table in found.items():
        of_it = name in {("I", "last"), ("III", "last")}
        assert any(note.endswith(said) for note in table["notes"]) == of_it, name
    for suffix in ("md", "tex"):
        assert (tmp_path / f"t.{suffix}").read_text().count(said) == 2


def test_an_au_that_no_fold_shows_has_no_mean(tmp_path):
    runs = tmp_path / "runs"
    for fold in (1, 2, 3):
        write_run(runs, "disfa", "lgrnet", fold)
        never_shown(runs / "disfa" / "lgrnet" / f"fold{fold}" / "last.json", "AU09", fold)
    found, _ = tables(runs, out=tmp_path / "t")
    values = measured(found["I", "last"], "LGRNet")["values"]
    assert [value is None for value in values] == [*[False] * 4, True, *[False] * 3, True]
    assert "AU09 does not occur in any fold" in " ".join(found["I", "last"]["notes"])
    assert None not in measured(found["I", "best"], "LGRNet")["values"]


def test_folds_of_other_data_are_refused(tmp_path, caplog):
    for fold in (1, 2):
        write_run(tmp_path / "runs", "disfa", "lgrnet", fold)
    for path in (tmp_path / "runs" / "disfa" / "lgrnet" / "fold2").iterdir():
        write_fold_scores(path, {**read_fold_scores(path), "recipe": {"made by": "tests"}})
    assert main([str(tmp_path / "runs"), "--out", str(tmp_path / "t")]) == 2
    assert "were not trained alike (they differ in prepared data)" in caplog.text


def test_tables_that_cannot_be_written_are_told(tmp_path, caplog):
    write_run(tmp_path / "runs", "disfa", "lgrnet", 1)
    (tmp_path / "t.md").mkdir()
    assert main([str(tmp_path / "runs"), "--out", str(tmp_path / "t")]) == 2
    assert str(tmp_path / "t.md") in caplog.text


def test_a_reader_that_goes_early_gets_no_traceback(tmp_path):
    write_run(tmp_path / "runs", "disfa", "lgrnet", 1)
    command = [sys.executable, "-m", "lgrnet.tables", tmp_path / "runs", "--out", tmp_path / "t"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        run.stdout.close()
        told = run.stderr.read().decode()
    assert run.returncode == 141
    assert "Traceback" not in told
    assert "BrokenPipe" not in told
    assert (tmp_path / "t.json").is_file()


def test_all_rows_of_the_paper_are_there(tmp_path):
    runs = tmp_path / "runs"
    for corpus in ("bp4d", "disfa"):
        for variant in VARIANTS:
            for fold in (1, 2, 3):
                write_run(runs, corpus, variant, fold, seed=len(variant))
    found, _ = tables(runs / "bp4d", runs / "disfa", out=tmp_path / "t")
    for number, rows in (("I", 8), ("II", 9), ("III", 10), ("IV", 10), ("V", 4)):
        table = found[number, "last"]
        assert len(table["rows"]) == rows
        assert sum(row["reported"] for row in table["rows"]) == rows - (5 if rows == 10 else 2)
        for row in table["rows"]:
            assert len(row["values"]) == len(table["columns"])
            assert row["reported"] or None not in row["values"]
    markdown, latex = ((tmp_path / f"t.{suffix}").read_text() for suffix in ("md", "tex"))
    plain = markdown.replace("*", "").replace("<u>", "").replace("</u>", "")
    assert "| JÂA-Net [29] (reported) | 62.4 | 60.7 |" in plain
    assert "synthetic" not in markdown
    assert markdown.startswith("# Tables\n")
    for block in latex.split(r"\begin{tabular}")[1:]:
        columns = block.split("}")[0].count("c") + 1
        body = block.split(r"\end{tabular}")[0].splitlines()
        rows = [line for line in body if line.endswith(r"\\")]
        assert {line.replace(r"\&", "").count("&") + 1 for line in rows} == {columns}


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize(("whole", "columns"), [(True, 2), (True, 1), (False, 2)])
def test_latex_compiles_and_fits_the_page(tmp_path, whole, columns):
    runs = tmp_path / "runs"
    words = r"training_data=all_of: 50 % \\of #1 {x} ~ ^ <&> $5 | × `y`, synthetic"
    for corpus in ("bp4d", "disfa") if whole else ("bp4d",):
        for variant in VARIANTS if whole else ("lgrnet",):
            for fold in (1, 2, 3):
                write_run(runs, corpus, variant, fold, words, seed=len(variant))
    tables(runs, out=tmp_path / "t")
    option = "twocolumn" if columns == 2 else "onecolumn"
    page = rf"\documentclass[{option}]{{article}}\begin{{document}}\input{{t}}\end{{document}}"
    (tmp_path / "page.tex").write_text(page)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
    assert "Missing character" not in (tmp_path / "page.log").read_text("latin-1")


def test_an_f1_of_0_is_not_the_best():
    rows = tuple(Row(name, False, (), (value, 5.0)) for name, value in (("a", 0.0), ("b", 0.04)))
    table = Table("I", "last epoch", "", ("1", "Avg."), rows, (True, True))
    assert ranks(table) == [[None, 0], [None, 0]]
    errors = Table("V", "last epoch", "", ("error", "failures"), rows, (False, False))
    assert ranks(errors) == [[0, 0], [1, 0]]
    assert "| a | 0.0 | **5.0** |" in to_markdown([table])


def test_the_best_is_bold_and_synthetic_data_do_not_compete(tmp_path):
    for kind, changes in (("real", []), ("drawn", ["training_data=synthetic faces"])):
        for fold in (1, 2, 3):
            write_run(tmp_path / kind, "disfa", "lgrnet", fold, *changes)
        tables(tmp_path / kind, out=tmp_path / kind)
    first = (tmp_path / "real.md").read_text().split("## Table")[1]
    assert "**67.3**" in first
    assert "<u>63.5</u>" in first
    drawn = (tmp_path / "drawn.md").read_text().split("## Table")[1]
    (ours,) = [line for line in drawn.splitlines() if line.startswith("| LGRNet |")]
    assert ours.count("**") == 2 * 9  # alone among its kind
    assert "say nothing of the corpus" in drawn
    assert (tmp_path / "drawn.md").read_text().startswith("# Tables on synthetic data, not on")


def test_folds_saved_more_or_less_often_go_together(tmp_path):
    write_run(tmp_path / "runs", "disfa", "lgrnet", 1)
    write_run(tmp_path / "runs", "disfa", "lgrnet", 2, "save_every=7", "data.workers=0")
    assert main([str(tmp_path / "runs"), "--out", str(tmp_path / "t")]) == 0


def test_runs_that_do_not_go_together_are_refused(tmp_path, caplog):
    assert main([str(tmp_path)]) == 2
    assert "no folder that holds last.json" in caplog.text
    write_run(tmp_path / "a", "disfa", "lgrnet", 1)
    write_run(tmp_path / "b", "disfa", "lgrnet", 1)
    assert main([str(tmp_path)]) == 2
    assert "are both lgrnet on fold 1 of disfa" in caplog.text
    write_run(tmp_path / "a", "disfa", "lgrnet", 2, "optim.lr=0.02")
    assert main([str(tmp_path / "a"), "--out", str(tmp_path / "t")]) == 2
    assert "were not trained alike (they differ in optim)" in caplog.text
    assert not (tmp_path / "t.md").exists()
    (tmp_path / "b" / "disfa" / "lgrnet" / "fold1" / "last.json").write_text("{")
    assert main([str(tmp_path / "b")]) == 2
    assert "cannot be read" in caplog.text


def test_after_two_that_are_best_comes_the_second_best():
    shown = [70.04, 69.96, 61.2, 50.0, 61.2]  # with one digit the first two are the same
    rows = tuple(Row(name, False, (), (value,)) for name, value in zip("abcde", shown, strict=True))
    table = Table("I", "last epoch", "", ("Avg.",), rows, (True,))
    assert ranks(table) == [[0], [0], [1], [2], [1]]
    text = to_markdown([table])
    for line in ("| a | **70.0** |", "| b | **70.0** |", "| c | <u>61.2</u> |", "| d | 50.0 |"):
        assert line in text
