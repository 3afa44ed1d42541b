"""The tables of docs/live.md: long runs, writers, tracking; see `benchmarks.card`."""

from pathlib import Path

from benchmarks import finders as finding
from benchmarks import soak as soaking
from benchmarks import tracking as judging
from benchmarks import writing as growing
from benchmarks.shared.record import read_record
from benchmarks.table import Column, markdown, number
from runtime.settings import SEARCH_EVERY

_RESULTS = Path("benchmarks", "results")
SOAK = _RESULTS / "soak.json"
WRITING = _RESULTS / "writing.json"
TRACKING = _RESULTS / "tracking.json"
"""On clips of the seed that the tracker's settings were chosen on."""
HELD_OUT = _RESULTS / "tracking_held_out.json"
"""On clips of another seed: other people, light, backgrounds and motion on the same courses."""

FINDERS = Path("docs", "finders.json")

_DEFAULT = f"search every {SEARCH_EVERY}"
_TRACKERS = {
    "no search": "no search for newcomers",
    "search every 10": "a search every 10 frames",
    _DEFAULT: f"a search every {SEARCH_EVERY} frames (default)",
    f"{_DEFAULT}, cascade": "the same with OpenCV's cascade as `finder`",
    f"{_DEFAULT}, YuNet": "the same with YuNet",
}


def soak(root: Path) -> str:
    """Tabulate what came out of a long run."""
    columns: list[Column] = [
        ("played in a thread of its own", "---", lambda row: row["name"]),
        ("times", "---:", lambda row: f"{row['passes']:,}"),
        ("frames given", "---:", lambda row: f"{row['expected']:,}"),
        ("results", "---:", lambda row: f"{row['frames']:,}"),
        ("dropped, and counted", "---:", lambda row: f"{row['dropped']:,}"),
        ("lost", "---:", lambda row: f"{row['lost']:,}"),
    ]
    return markdown(columns, read_record(root / SOAK, soaking.FORMAT)["players"])


def soak_memory(root: Path) -> str:
    """Tabulate the memory of the same run, every five minutes."""
    samples = read_record(root / SOAK, soaking.FORMAT)["samples"]
    columns: list[Column] = [("after minutes", "---", lambda _: "resident memory, MB")]
    minutes = range(0, round(samples[-1]["s"] / 60) + 1, 5)
    row = {str(minute): _nearest(samples, 60 * minute)["rss_mb"] for minute in minutes}
    columns += [(minute, "---:", number(minute, 0)) for minute in row]
    return markdown(columns, [row])


def _nearest(samples: list[dict], seconds: float) -> dict:
    return min(samples, key=lambda one: abs(one["s"] - seconds))


def writing(root: Path) -> str:
    """Tabulate whether writers grow."""
    columns: list[Column] = [
        ("writer", "---", lambda row: row["kind"]),
        ("rows", "---:", lambda row: f"{row['rows']:,}"),
        ("file, MB", "---:", number("file_mb", 0)),
        ("memory half way, MB", "---:", lambda row: _held(row, 0.5)),
        ("at the end", "---:", lambda row: _held(row, 1.0)),
    ]
    return markdown(columns, read_record(root / WRITING, growing.FORMAT)["kinds"])


def _held(row: dict, part: float) -> str:
    samples = row["samples"]
    held: float | None = samples[round(part * (len(samples) - 1))]["rss_mb"]
    return "" if held is None else f"{held:.0f}"


def finders(root: Path) -> str:
    """Tabulate what which face finder sees."""
    return markdown(finding.TABLE, read_record(root / FINDERS, finding.FORMAT)["finders"])


def tracking(root: Path) -> str:
    """Tabulate how well faces keep their numbers, on known and on held-out clips."""
    columns: list[Column] = [("followed with", "---", lambda row: _TRACKERS[row["name"]])]
    columns += _metrics("known", "", misses=True) + _metrics("other", ", held out", misses=True)
    known, other = _judged(root)
    rows = [
        {"name": name, "known": known[name]["all"], "other": other[name]["all"]}
        for name in _TRACKERS
    ]
    return markdown(columns, rows)


def tracking_scenes(root: Path) -> str:
    """Tabulate the same of the default, scene by scene."""
    columns: list[Column] = [
        ("scene", "---", lambda row: row["name"].replace("_", " ")),
        ("people", "---:", lambda row: str(row["other"]["num_unique_objects"])),
    ]
    columns += _metrics("known", "", misses=False) + _metrics("other", ", held out", misses=False)
    known, other = (trackers[_DEFAULT] for trackers in _judged(root))
    rows = [{"name": name, "known": known[name], "other": other[name]} for name in known]
    return markdown(columns, rows)


def _judged(root: Path) -> list[dict[str, dict]]:
    """Read both measurements: name of a tracker → clip → metrics."""
    records = (read_record(root / path, judging.FORMAT) for path in (TRACKING, HELD_OUT))
    return [{row["name"]: row["clips"] for row in record["trackers"]} for record in records]


def _metrics(key: str, where: str, misses: bool) -> list[Column]:
    counts = ("switches", "misses", "false_positives") if misses else ("switches",)
    heading = " / ".join(counts).replace("_positives", "")
    return [
        (f"MOTA{where}", "---:", lambda row: f"{row[key]['mota']:.3f}"),
        (f"IDF1{where}", "---:", lambda row: f"{row[key]['idf1']:.3f}"),
        (
            *(f"{heading}{where}", "---:"),
            lambda row: " / ".join(str(row[key][f"num_{what}"]) for what in counts),
        ),
    ]
