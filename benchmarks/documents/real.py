"""The tables on clips and photographs of real people; see `benchmarks.card`."""

from pathlib import Path

from benchmarks import agreement as engines_on_clips
from benchmarks import clips as clips_of_people
from benchmarks import noise_floor as floor
from benchmarks import stills as photographs
from benchmarks.clips import seen_at_rest
from benchmarks.shared.record import read_scores
from benchmarks.table import Column, markdown, number
from lgrnet import thresholds as chosen

_OFTEN = 0.1
"""Share of people at rest from which an AU that few faces show is listed."""

_FEW = {"people": None, "called": None, "called_95": None, "auc": None}
"""What is known of an AU that fewer people show than it takes to judge."""


def clips(root: Path) -> str:
    """Tabulate how frames of real people are ranked."""
    columns: list[Column] = [
        ("clip", "---", lambda row: row["clip"]),
        ("AU", "---", lambda row: row["au"]),
        ("AUC", "---:", number("auc", 3)),
        ("median where it is there", "---:", number("median_on", 2)),
        ("where not", "---:", number("median_off", 2)),
        ("called where it is there %", "---:", number("called_on", 0, 100)),
        ("where not %", "---:", number("called_off", 0, 100)),
        ("frames", "---:", lambda row: f"{row['frames_on']} / {row['frames_off']}"),
    ]
    return markdown(columns, read_scores(root, "clips_edge", clips_of_people.FORMAT)["ranked"])


def rest(root: Path) -> str:
    """Tabulate what is seen in resting faces, without and with a baseline."""
    record = read_scores(root, "clips_edge", clips_of_people.FORMAT)
    later = record["with_baseline"]
    pairs = zip(record["resting"], later["resting"], strict=True)
    rows = [{"before": before, "after": after} for before, after in pairs]
    columns: list[Column] = [
        ("at rest", "---", lambda row: row["before"]["clip"]),
        ("frames", "---:", lambda row: str(row["before"]["frames"])),
        (
            "AUs that are called, and in how many of them",
            *("---", lambda row: seen_at_rest(row["before"])),
        ),
        (
            f"with a baseline of the clip's first {later['frames']} frames",
            *("---", lambda row: seen_at_rest(row["after"])),
        ),
    ]
    return markdown(columns, rows)


def stills(root: Path) -> str:
    """Tabulate what is called in photographs of people at rest, and in those that show an AU."""
    record = read_scores(root, "stills_edge", photographs.FORMAT)
    shown = {row["au"]: row for row in record["aus"]}
    rows = [
        {"au": key, "rest": share, **shown.get(key, _FEW)}
        for key, share in record["rest"]["share"].items()
        if key in shown or share >= _OFTEN
    ]
    columns: list[Column] = [
        ("AU", "---", lambda row: row["au"]),
        (f"called at rest, % of {record['rest']['people']} people", "---:", number("rest", 0, 100)),
        ("people who show it", "---:", number("people", 0)),
        ("called in them %", "---:", number("called", 0, 100)),
        ("95 %", "---:", _shares),
        ("AUC against rest", "---:", number("auc", 3)),
    ]
    return markdown(columns, rows)


def _people(row: dict) -> str:
    return f"{row['people_shown']} / {row['people_lacking']}"


def _shares(row: dict) -> str:
    """Write an interval of a share, in per cent."""
    if not row["called_95"]:
        return ""
    low, high = row["called_95"]
    return f"{100 * low:.0f}–{100 * high:.0f}"


def thresholds(root: Path) -> str:
    """Tabulate what photographs of real people changed about thresholds."""
    record = read_scores(root, "thresholds_edge", chosen.FORMAT)
    columns: list[Column] = [
        ("AU", "---", lambda row: row["au"]),
        ("people who show / lack it", "---:", _people),
        ("by F1 alone", "---:", number("threshold_by_f1", 2)),
        ("with photographs", "---:", number("threshold", 2)),
        ("F1, rendered", "---:", number("f1_by_f1", 3)),
        ("with", "---:", number("f1", 3)),
        ("called in faces that show it %", "---:", number("shown_by_f1", 0, 100)),
        ("with", "---:", number("shown", 0, 100)),
        ("held out", "---:", number("shown_held_out", 0, 100)),
        ("called at rest %", "---:", number("lacking_by_f1", 0, 100)),
        ("with", "---:", number("lacking", 0, 100)),
        ("held out", "---:", number("lacking_held_out", 0, 100)),
    ]
    return markdown(columns, record["thresholds_from"]["own"]["aus"])


def agreement(root: Path) -> str:
    """Tabulate how far 8 bits agree with fp32 on clips of real people."""
    rows = []
    for row in read_scores(root, "agreement_edge", engines_on_clips.FORMAT)["rows"]:
        precision, engine, *_ = row["detector"].removeprefix("Detector(edge ").split(", ")
        rows.append({**row, "engine": f"{engine}, {precision}"})
    columns: list[Column] = [
        ("clip", "---", lambda row: row["clip"]),
        ("model", "---", lambda row: row["engine"]),
        ("frames", "---:", number("frames", 0)),
        ("mean change of a probability", "---:", number("mean_difference", 4)),
        ("largest", "---:", number("max_difference", 2)),
        ("calls that change %", "---:", number("calls_changed", 2, 100)),
    ]
    return markdown(columns, rows)


def noise_floor(root: Path) -> str:
    """Tabulate how far answers move where nothing about a face has."""
    return markdown(floor.COLUMNS, read_scores(root, "noise_floor", floor.FORMAT)["rows"])
