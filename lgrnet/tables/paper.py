"""The paper's Tables I to V with what was measured beside what it reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lgrnet.network.variants import ABLATIONS, VARIANTS
from lgrnet.tables.fold_means import EPOCHS, Key, Measured, measure
from lgrnet.tables.published import TABLE_1, TABLE_2, TABLE_3, TABLE_4, TABLE_5, Reported
from runtime.action_units import BP4D_AUS, DISFA_AUS, au_key

CORPUS_NAMES = {"disfa": "DISFA", "bp4d": "BP4D"}
_AUS = {"disfa": DISFA_AUS, "bp4d": BP4D_AUS}
_MARKS = {
    "without_full": ("", ""), "without_fr": ("√", ""), "without_sb": ("", "√"),
    "with_bi": ("", "√"), "lgrnet": ("√", "√"),
}  # fmt: skip
"""Variant → whether it has S-B and F&R, as Tables III and IV tick them."""


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        name: Of the method.
        reported: Whether the paper reports it; else it was measured.
        marks: What stands before the figures, such as ticks.
        values: The figures, %; None where missing or not reported.
        synthetic: Whether it was measured on synthetic data.
    """

    name: str
    reported: bool
    marks: tuple[str, ...]
    values: tuple[float | None, ...]
    synthetic: bool = False


@dataclass(frozen=True)
class Table:
    """A table, as the paper has it.

    Attributes:
        number: ``"I"`` to ``"V"``.
        epochs: Which epochs the measured rows are of, in words.
        title: The paper's, shortened.
        heads: Of the columns after the method's name.
        rows: The rows.
        higher: For each column of figures, whether more is better.
        notes: What must be said of it.
    """

    number: str
    epochs: str
    title: str
    heads: tuple[str, ...]
    rows: tuple[Row, ...]
    higher: tuple[bool, ...]
    notes: tuple[str, ...] = field(default=())


def make_tables(runs: Mapping[Key, Path]) -> tuple[list[Table], dict[str, dict]]:
    """Make all tables, of the last epochs and of the best ones apart.

    Args:
        runs: From :func:`lgrnet.tables.fold_means.find_runs`.

    Returns:
        Ten tables; and what they are made of: for each kind of epoch, corpus and variant the
        averages and the scores of the folds.
    """
    tables, sources = [], {}
    for file, epochs in EPOCHS.items():
        found = {
            (corpus, variant): measure(runs, corpus, variant, [*map(au_key, aus)], file)
            for corpus, aus in _AUS.items()
            for variant in VARIANTS
        }
        tables += [
            _comparison("I", "disfa", TABLE_1, epochs, found),
            _comparison("II", "bp4d", TABLE_2, epochs, found),
            _ablation("III", "disfa", TABLE_3, epochs, found),
            _ablation("IV", "bp4d", TABLE_4, epochs, found),
            _alignment(epochs, found),
        ]
        sources[epochs] = {
            corpus: {
                VARIANTS[variant]: _plain(each)
                for (of, variant), each in found.items()
                if of == corpus and each.folds
            }
            for corpus in _AUS
        }
    return tables, sources


_Found = Mapping[tuple[str, str], Measured]


def _f1_row(name: str, measured: Measured, marks: tuple[str, ...] = ()) -> Row:
    values = tuple(_percent(each) for each in (*measured.f1.values(), measured.average))
    return Row(name, False, marks, values, measured.synthetic)


def _reported_row(row: Reported, marks: tuple[str, ...] = ()) -> Row:
    return Row(row.name, True, marks, (*row.f1, row.average))


def _comparison(
    number: str, corpus: str, reported: Sequence[Reported], epochs: str, found: _Found
) -> Table:
    rows = [_reported_row(row) for row in reported]
    ours = {variant: found[corpus, variant] for variant in ("jaanet", "lgrnet")}
    rows += [_f1_row(VARIANTS[variant], each) for variant, each in ours.items()]
    aus = _AUS[corpus]
    return Table(
        number, epochs, f"{len(aus)} AUs of {CORPUS_NAMES[corpus]}, F1-frame in %",
        (*map(str, aus), "Avg."), tuple(rows), (True,) * (len(aus) + 1),
        (*_notes(ours), *_left_out(ours), *_floors(ours)),
    )  # fmt: skip


def _ablation(
    number: str, corpus: str, reported: Sequence[Reported], epochs: str, found: _Found
) -> Table:
    rows = [
        _reported_row(row, _MARKS[variant])
        for variant, row in zip(ABLATIONS, reported, strict=True)
    ]
    ours = {variant: found[corpus, variant] for variant in ABLATIONS}
    rows += [_f1_row(VARIANTS[variant], each, _MARKS[variant]) for variant, each in ours.items()]
    aus = _AUS[corpus]
    return Table(
        number, epochs, f"Key components of LGRNet on {CORPUS_NAMES[corpus]}, F1-frame in %",
        ("S-B", "F&R", *map(str, aus), "Avg."), tuple(rows), (True,) * (len(aus) + 1),
        (*_notes(ours), *_left_out(ours), *_floors(ours)),
    )  # fmt: skip


def _alignment(epochs: str, found: _Found) -> Table:
    rows = []
    for name, errors in TABLE_5.items():
        rows.append(Row(name, True, (), (errors["disfa"], None, errors["bp4d"], None)))
    ours: dict[str, Measured] = {}
    for variant in ("jaanet", "lgrnet"):
        both = [found[corpus, variant] for corpus in CORPUS_NAMES]
        values = [
            _percent(value) for each in both for value in (each.landmark_error, each.failure_rate)
        ]
        synthetic = any(each.synthetic for each in both)
        rows.append(Row(VARIANTS[variant], False, (), tuple(values), synthetic))
        ours |= {
            f"{VARIANTS[variant]} on {CORPUS_NAMES[corpus]}": each
            for corpus, each in zip(CORPUS_NAMES, both, strict=True)
        }
    heads = tuple(
        f"{name} {what}" for name in CORPUS_NAMES.values() for what in ("mean error", "failures")
    )
    return Table(
        "V", epochs,
        "Face alignment: mean error in % of the inter-ocular distance, and % of faces above 10 %",
        heads, tuple(rows), (False,) * 4,
        (*_notes(ours), "The paper reports no failure rates."),
    )  # fmt: skip


def _left_out(ours: Mapping[str, Measured]) -> tuple[str, ...]:
    """Say which folds the F1 of which AUs is not of."""
    whose: dict[tuple[str, ...], list[str]] = {}
    for variant, each in ours.items():
        if each.left_out:
            whose.setdefault(each.left_out, []).append(VARIANTS[variant])
    return tuple(
        f"{', '.join(names)}: an AU's mean leaves out a fold whose test people never show it "
        f"({'; '.join(folds)})."
        for folds, names in whose.items()
    )


def _floors(ours: Mapping[str, Measured]) -> tuple[str, ...]:
    """Say what an average F1 is to be compared with."""
    notes = []
    for variant, each in ours.items():
        if each.average is None or each.auc is None or each.always_on is None:
            continue
        notes.append(
            f"{VARIANTS[variant]}: average F1 {100 * each.average:.1f}, area under the ROC curve "
            f"{each.auc:.3f}; seeing every AU in every frame gives F1 {100 * each.always_on:.1f}."
        )
    return tuple(notes)


def _notes(ours: Mapping[str, Measured]) -> tuple[str, ...]:
    """Say what is missing, what was measured on what, and whether it compares with the paper's."""
    notes = []
    for variant, each in ours.items():
        if each.missing:
            notes.append(f"Missing of {VARIANTS.get(variant, variant)}: {'; '.join(each.missing)}.")
    whose: dict[str, list[str]] = {}
    for variant, each in ours.items():
        if each.about:
            whose.setdefault(each.about, []).append(VARIANTS.get(variant, variant))
    for about, names in whose.items():
        who = "Measured" if len(whose) == 1 else f"{', '.join(names)}: measured"
        notes.append(f"{who} on {about}.")
    if any(each.synthetic for each in ours.values()):
        notes.append(
            "The measured rows are of synthetic data: they say nothing of the corpus, and do not "
            "compare with the reported ones."
        )
    return tuple(notes)


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _plain(measured: Measured) -> dict:
    """Write what a row is made of as plain values; F1 in [0, 1]."""
    kept = ("epoch", "epochs", "frames", "aus", "mean_f1", "landmark_error", "failure_rate")
    return {
        "f1": measured.f1,
        "average": measured.average,
        "auc": measured.auc,
        "always_on_f1": measured.always_on,
        "landmark_error": measured.landmark_error,
        "failure_rate": measured.failure_rate,
        "missing": list(measured.missing),
        "left_out": list(measured.left_out),
        "about": measured.about,
        "folds": {
            str(fold): {key: scores[key] for key in kept} for fold, scores in measured.folds.items()
        },
    }
