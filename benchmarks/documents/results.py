"""The table of docs/results.md: what smoothing does; see `benchmarks.card`."""

from pathlib import Path

from benchmarks import signals as measuring
from benchmarks.shared.record import read_scores
from benchmarks.table import Column, markdown, number

_OPTIONS = {
    "raw": "none",
    "hysteresis 0.3": "`--hysteresis 0.3`",
    "one-euro": "`--smooth one-euro`",
    "ema": "`--smooth ema`",
    "baseline 20": "`--baseline 20`",
}


def signals(root: Path) -> str:
    """Tabulate what is reported of the demo clip with each way of smoothing."""
    record = read_scores(root, "signals", measuring.FORMAT)["demo_clip"]
    columns: list[Column] = [
        ("options", "---", lambda row: row["options"]),
        ("onsets reported", "---:", number("onsets", 0)),
        ("mean F1", "---:", number("mean_f1", 3)),
    ]
    return markdown(columns, [{"options": _OPTIONS[way], **record[way]} for way in _OPTIONS])
