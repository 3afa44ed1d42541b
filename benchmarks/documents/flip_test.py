"""The table of what a flip test gains, on rendered and on real people; see `benchmarks.card`."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks import clips, noise_floor, stills
from benchmarks.shared.record import RecordError, read_scores
from benchmarks.table import Column, markdown


def flip_test(root: Path) -> str:
    """Tabulate the same measurements without and with the mean of face and mirror image."""
    _check(root)
    alone, both = (_measured(root, suffix) for suffix in ("", "_flip_test"))
    columns: list[Column] = [
        ("", "---", lambda row: row["what"]),
        ("each face once", "---:", lambda row: row["alone"]),
        ("with a flip test", "---:", lambda row: row["both"]),
    ]
    return markdown(
        columns,
        [{"what": what, "alone": cell, "both": both[what]} for what, cell in alone.items()],
    )


def _check(root: Path) -> None:
    """See that what is compared is of the same weights and faces, and the second a flip test.

    Raises:
        RecordError: It is not.
    """
    alone, both = (read_scores(root, f"evaluation_edge{end}") for end in ("", "_flip_test"))
    if not both.get("flip_test") or any(alone[key] != both[key] for key in ("sha256", "data")):
        raise RecordError(
            "docs/evaluation_edge_flip_test.json is no flip test of what docs/evaluation_edge.json "
            "is of: run python -m benchmarks.release"
        )


def _measured(root: Path, suffix: str) -> dict[str, str]:
    """Collect cells from the four records of a way of asking."""
    return {
        **_rendered(read_scores(root, f"evaluation_edge{suffix}")),
        **_clips(read_scores(root, f"clips_edge{suffix}", clips.FORMAT)["ranked"]),
        **_stills(read_scores(root, f"stills_edge{suffix}", stills.FORMAT)),
        **_moved(read_scores(root, f"noise_floor{suffix}", noise_floor.FORMAT)["rows"]),
    }


def _rendered(scores: Mapping) -> dict[str, str]:
    mean = scores["mean"]["all"]
    return {
        "rendered test people: mean F1 at 0.5": f"{mean['f1']:.3f}",
        "F1 at the file's thresholds": f"{mean['f1_at_threshold']:.3f}",
        "AUC": f"{mean['auc']:.3f}",
        "ICC of intensities": f"{mean['intensity_icc']:.3f}",
        "their mean error": f"{mean['intensity_mae']:.3f}",
        "landmark error %": f"{100 * scores['landmark_error']:.2f}",
    }


def _clips(rows: list[dict]) -> dict[str, str]:
    def mean(key: str) -> str:
        return f"{100 * np.mean([row[key] for row in rows]):.0f}"

    lowest = min(row["auc"] for row in rows)
    return {
        "clips of real people: lowest AUC of a clip and AU": f"{lowest:.3f}",
        "called where it is there %": mean("called_on"),
        "where not %": mean("called_off"),
    }


def _stills(judged: Mapping) -> dict[str, str]:
    shown = [row["called"] for row in judged["aus"]]
    areas = [row["auc"] for row in judged["aus"]]
    return {
        "photographs: mean AUC against rest": f"{np.mean(areas):.3f}",
        "called in people who show it %": f"{100 * np.mean(shown):.0f}",
        "AUs called of a person at rest": f"{judged['rest']['aus_called']:.2f}",
    }


def _moved(rows: list[dict]) -> dict[str, str]:
    cells = {}
    for change in dict.fromkeys(row["change"] for row in rows):
        these = [row for row in rows if row["change"] == change]
        moved = np.mean([row["mean_difference"] for row in these])
        calls = 100 * np.mean([row["calls_changed"] for row in these])
        cells[f"clips {change}: mean change of a probability; calls that change %"] = (
            f"{moved:.3f}; {calls:.1f}"
        )
    return cells
