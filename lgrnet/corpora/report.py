"""What came of a preparation: ``report.json`` and ``report.txt`` beside the shards."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from lgrnet.corpora import folds
from lgrnet.corpora.sequence import REASONS, Dropped, FrameSequence
from lgrnet.corpora.writing import read_frames, shard_table
from lgrnet.data.shards import MISSING, read_labels
from runtime.action_units import au_key
from runtime.files.atomic import PendingFile, write_json

_FEW = 20
"""Lines of a kind that the text shows; JSON has all."""


def make_report(
    out: Path,
    corpus: str,
    aus: Sequence[int],
    sequences: Sequence[FrameSequence],
    left_out: Sequence[str],
) -> dict:
    """Gather what was written and what was dropped.

    Args:
        out: Folder of the data set, whose shards are all there.
        corpus: ``"bp4d"``, ``"disfa"`` or ``"own"``, whose ``by_subject`` is by split.
        aus: FACS numbers of the label columns.
        sequences: What it was made from.
        left_out: What was missing and allowed to be.

    Returns:
        The report, for :func:`write_report`.
    """
    written: dict[str, int] = {}
    dropped: list[dict] = []
    found: list[dict] = []
    people: set[int] = set()
    present, absent = np.zeros(len(aus), np.int64), np.zeros(len(aus), np.int64)
    unknown = np.zeros(len(aus), np.int64)
    for sequence, shards in zip(sequences, shard_table(sequences), strict=True):
        lost, mended = list(sequence.dropped), list[int]()
        for shard in shards:
            listed = read_frames(out, shard)
            lost += [Dropped(*entry) for entry in listed["dropped"]]
            mended += listed["found"]
            written[sequence.subject] = written.get(sequence.subject, 0) + len(listed["frames"])
            labels = read_labels(out / f"{shard}.labels.npz", len(aus))
            people.update(labels["subject"].tolist())
            presence = labels["presence"]
            present += (presence == 1).sum(0)
            absent += (presence == 0).sum(0)
            unknown += (presence == MISSING).sum(0)
        if mended:
            found.append(
                {
                    "subject": sequence.subject,
                    "task": sequence.task,
                    "count": len(mended),
                    "frames": _ranges(sorted(mended)),
                }
            )
        for reason in REASONS:
            if frames := sorted(frame for frame, why in lost if why == reason):
                dropped.append(
                    {
                        "subject": sequence.subject,
                        "task": sequence.task,
                        "reason": reason,
                        "count": len(frames),
                        "frames": _ranges(frames),
                    }
                )
    reasons = {
        reason: sum(entry["count"] for entry in dropped if entry["reason"] == reason)
        for reason in REASONS
    }
    total = sum(written.values())
    published = folds.PUBLISHED_FRAMES.get(corpus, {})
    return {
        "corpus": corpus,
        "subjects": len(people),
        "sequences": len(sequences),
        "labelled": total + sum(reasons.values()),
        "written": total,
        "dropped": reasons,
        "dropped_frames": dropped,
        "landmarks_found": sum(entry["count"] for entry in found),
        "landmarks_found_frames": found,
        "unlabelled_pictures": sum(sequence.unlabelled for sequence in sequences),
        "left_out": list(left_out),
        "notes": [f"{seq.name}: {note}" for seq in sequences for note in seq.notes],
        "aus": {
            au_key(au): {
                "present": int(present[column]),
                "absent": int(absent[column]),
                "unknown": int(unknown[column]),
            }
            for column, au in enumerate(aus)
        },
        "by_subject": {
            name: {"written": count, "jaanet_lists": published.get(name)}
            for name, count in sorted(written.items())
        },
    }


def write_report(out: Path, report: dict) -> str:
    """Write ``report.json`` and ``report.txt``; returns the text."""
    text = format_report(report)
    write_json(out / "report.json", report)
    with PendingFile(out / "report.txt") as path:
        path.write_text(text, encoding="utf-8")
    return text


def format_report(report: dict) -> str:
    """Write a report as text."""
    lines = [
        f"{report['corpus']}: {report['subjects']} subjects, {report['sequences']} sequences, "
        f"{report['labelled']} labelled frames",
        f"written  {report['written']:>8}",
        f"dropped  {sum(report['dropped'].values()):>8}",
        *(f"  {count:>8}  {reason}" for reason, count in report["dropped"].items() if count),
    ]
    if report["landmarks_found"]:
        lines.append(
            f"of those written, {report['landmarks_found']} had no landmarks; theirs were found by "
            "the detector"
        )
    if report["unlabelled_pictures"]:
        lines.append(
            f"{report['unlabelled_pictures']} pictures have no label and were not looked at"
        )
    details = [
        f"{_name(entry)}: {entry['reason']}, {entry['count']} frames ({entry['frames']})"
        for entry in report["dropped_frames"]
    ]
    lines += _section("Dropped frames", details)
    details = [
        f"{_name(entry)}: {entry['count']} frames ({entry['frames']})"
        for entry in report["landmarks_found_frames"]
    ]
    lines += _section("Landmarks found by the detector", details)
    lines += _section("Missing, left out as asked", report["left_out"])
    lines += _section("Notes", report["notes"])
    lines += ["", "AU       present    absent   unknown  share present"]
    for name, counts in report["aus"].items():
        known = counts["present"] + counts["absent"]
        share = f"{counts['present'] / known:8.3f}" if known else "     none"
        lines.append(
            f"{name}  {counts['present']:>9} {counts['absent']:>9} {counts['unknown']:>9} {share}"
        )
    if report["corpus"] in folds.CORPORA:
        lines += ["", "subject  written  in JÂA-Net's lists"]
    else:
        lines += ["", "split    written"]
    for name, counts in report["by_subject"].items():
        listed = counts["jaanet_lists"] or "none" if report["corpus"] in folds.CORPORA else ""
        lines.append(f"{name:<7}  {counts['written']:>7}  {listed:>7}".rstrip())
    return "\n".join(lines) + "\n"


def _name(entry: dict) -> str:
    return f"{entry['subject']} {entry['task']}".rstrip()


def _section(title: str, lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    more = len(lines) - _FEW
    tail = [f"  … and {more} more, see report.json"] if more > 0 else []
    return ["", f"{title} ({len(lines)})", *(f"  {line}" for line in lines[:_FEW]), *tail]


def _ranges(numbers: Sequence[int]) -> str:
    """Write ascending numbers as ranges: 3-5, 9."""
    breaks = [place for place, (a, b) in enumerate(pairwise(numbers), 1) if b != a + 1]
    edges = [0, *breaks, len(numbers)]
    runs = [(numbers[start], numbers[stop - 1]) for start, stop in pairwise(edges)]
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
