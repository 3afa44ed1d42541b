"""Fill the tables of the documents from the committed JSON: ``python -m benchmarks.card``.

A table stands between ``<!-- table: NAME -->`` and ``<!-- end -->``. So what the documents say of
the weights is what the files hold that were measured on them; a test checks that it is.
"""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.documents import live as live_tables
from benchmarks.documents import real as real_tables
from benchmarks.documents import results as result_tables
from benchmarks.documents import variants as variant_tables
from benchmarks.documents.flip_test import flip_test
from benchmarks.shared.paths import ROOT
from benchmarks.shared.record import RecordError, complete, read_record, read_scores
from benchmarks.table import Column, markdown, number, readme_tables
from lgrnet.evaluation.strength import LEVELS
from runtime.action_units import BP4D_AUS
from runtime.console.help import purpose
from runtime.console.stoppable import stoppable

DOCUMENTS = ("README.md", "MODEL_CARD.md", "docs/speed.md", "docs/live.md", "docs/results.md")
_RESULTS = Path("benchmarks", "results")
SPEED = _RESULTS / "amd_epyc_zen3_2_cores.json"
"""The measurement of all engines that the documents show."""
SPEED_AVX512 = _RESULTS / "amd_epyc_zen5_2_cores.json"
"""The same with AVX-512 and bfloat16, of fewer engines and of both presets."""
SPEED_ZEN4 = _RESULTS / "amd_epyc_zen4_2_cores.json"
"""The same on an older processor with both."""
SPEED_ZEN1 = _RESULTS / "amd_epyc_zen1_2_cores.json"
"""The same on an old one, with AVX2 in halves."""
END_TO_END = SPEED
"""The measurement from file to result that they show."""

_MARKED = re.compile(r"(<!-- table: ([\w-]+) -->)\n.*?(<!-- end -->)", re.DOTALL)
_OURS = "**LGRNet `edge`**"
_ENGINES = (
    ("lgrnet_edge_int8", "OpenVINO int8 (`edge-int8`)"),
    ("lgrnet_edge_native", "native engine, int8 (`edge-native`)"),
)


def scores(root: Path) -> str:
    """Tabulate what the network scores on test people, AU by AU, beside the baselines."""
    evaluation, baselines = (
        read_scores(root, "evaluation_edge"),
        read_scores(root, "baselines")["baselines"],
    )
    rows: list[dict] = [
        {"au": key, "bases": [each["f1"][key] for each in baselines.values()], **said}
        for key, said in evaluation["aus"].items()
    ]
    for part, name in (("all", f"all {len(rows)}"), ("BP4D-12", "the 12 of BP4D")):
        bases = [each[f"mean_{part}"] for each in baselines.values()]
        rows.append({"au": "mean", "name": name, **evaluation["mean"][part], "bases": bases})
    columns: list[Column] = [
        ("AU", "---", lambda row: row["au"]),
        ("", "---", lambda row: row["name"]),
        ("base rate", "---:", lambda row: f"{row['base_rate']:.2f}" if "base_rate" in row else ""),
    ]
    for place, name in enumerate(("always on", "landmarks", "plain CNN")):
        columns.append((name, "---:", _base(place)))
    columns += [
        (_OURS, "---:", lambda row: f"**{row['f1']:.3f}**"),
        ("at threshold", "---:", _at_threshold),
        ("precision / recall", "---:", lambda row: f"{row['precision']:.2f} / {row['recall']:.2f}"),
        ("AUC", "---:", number("auc", 3)),
        ("ECE", "---:", number("calibration_error", 3)),
        ("ICC", "---:", number("intensity_icc", 2)),
        ("MAE", "---:", number("intensity_mae", 2)),
    ]
    return markdown(columns, rows)


def _base(place: int) -> Callable[[dict], str]:
    return lambda row: f"{row['bases'][place]:.3f}"


def _at_threshold(row: dict) -> str:
    limit = f" ({row['threshold']:.2f})" if "threshold" in row else ""
    return f"{row['f1_at_threshold']:.3f}{limit}"


def strength(root: Path) -> str:
    """Tabulate how often an AU is called, by how strong it is."""
    evaluation = read_scores(root, "evaluation_edge")
    rows = [
        {
            "au": key,
            "f1": row["f1_at_threshold"],
            "plain": row["plain_f1_at_threshold"],
            **dict(zip(LEVELS, row["strength"]["called"], strict=True)),
        }
        for key, row in evaluation["aus"].items()
    ]
    means = []
    for part, name in (("all", f"mean, all {len(rows)}"), ("BP4D-12", "mean, the 12 of BP4D")):
        few = [row for row in rows if part == "all" or int(row["au"][2:]) in BP4D_AUS]
        keys = ("f1", "plain", *LEVELS)
        known = {key: [row[key] for row in few if row[key] is not None] for key in keys}
        averages = {key: float(np.mean(each)) if each else None for key, each in known.items()}
        means.append({"au": name, **averages})
    rows += means
    columns: list[Column] = [("AU", "---", lambda row: row["au"])]
    for level in LEVELS:
        columns.append((f"{level} %", "---:", number(level, 0, 100)))
    columns += [
        ("F1 at threshold", "---:", number("f1", 3)),
        ("F1 without B", "---:", number("plain", 3)),
    ]
    return markdown(columns, rows)


def groups(root: Path) -> str:
    """Tabulate the same by pose, light, skin tone and occlusion."""
    columns: list[Column] = [
        ("frames where", "---", lambda row: row["condition"]),
        ("", "---", lambda row: row["name"]),
        ("frames", "---:", lambda row: f"{row['frames']:,}"),
        ("F1 at threshold", "---:", number("f1_at_threshold", 3)),
        ("AUC", "---:", number("auc", 3)),
        ("landmark error %", "---:", number("landmark_error", 2, 100)),
        ("failures %", "---:", number("failure_rate", 2, 100)),
    ]
    return markdown(columns, read_scores(root, "evaluation_edge")["groups"])


def summary(root: Path) -> str:
    """Tabulate mean F1 beside the baselines."""
    evaluation, baselines = (
        read_scores(root, "evaluation_edge"),
        read_scores(root, "baselines")["baselines"],
    )
    rows = [
        {"name": name, "few": each["mean_BP4D-12"], "all": each["mean_all"]}
        for name, each in baselines.items()
    ]
    for name, key in (
        (f"{_OURS} (4.0 M parameters), at 0.5", "f1"),
        ("the same, at the file's thresholds", "f1_at_threshold"),
    ):
        few, every = (evaluation["mean"][part][key] for part in ("BP4D-12", "all"))
        rows.append({"name": name, "few": few, "all": every})
    what = (
        f"F1-frame, {evaluation['frames']:,} rendered faces of {evaluation['people']} unseen people"
    )
    columns: list[Column] = [
        (what, "---", lambda row: row["name"]),
        ("12 AUs of BP4D", "---:", number("few", 3)),
        (f"{len(evaluation['aus'])} AUs", "---:", number("all", 3)),
    ]
    return markdown(columns, rows)


def precision(root: Path) -> str:
    """Tabulate what 8 bits cost, each engine beside fp32 on the same faces."""
    rows = []
    for file, name in _ENGINES:
        path = root / "runtime" / "models" / f"{file}.accuracy.json"
        report = read_record(path, None)
        changes = {au: each["f1"] - each["f1_fp32"] for au, each in report["aus"].items()}
        worst = min(changes, key=changes.__getitem__)
        said = {"change": report["mean_f1"] - report["mean_f1_fp32"], "name": name}
        said["worst"] = f"{worst} {changes[worst]:+.3f}"
        rows.append({**report, **said, "intensity": report["intensity"]["mean"]})
    columns: list[Column] = [
        ("in 8 bits", "---", lambda row: row["name"]),
        ("faces of test people", "---:", lambda row: f"{row['frames']:,}"),
        ("mean F1 in fp32", "---:", number("mean_f1_fp32", 4)),
        ("in 8 bits", "---:", number("mean_f1", 4)),
        ("change", "---:", lambda row: f"{row['change']:+.4f}"),
        ("worst AU", "---:", lambda row: row["worst"]),
        ("mean change of a probability", "---:", number("mean_change", 4)),
        ("largest", "---:", number("max_change", 2)),
        ("of an intensity (0 to 5)", "---:", number("intensity", 3)),
    ]
    return markdown(columns, rows)


def speed(root: Path) -> str:
    """Tabulate what each engine takes for one face, the runs side by side."""
    return _paces(read_record(root / SPEED)["networks"])


def speed_avx512(root: Path) -> str:
    """Tabulate the same where there is AVX-512."""
    return _paces(read_record(root / SPEED_AVX512)["networks"])


def _paces(runs: list[dict]) -> str:
    found = {
        (run["preset"], run["threads"], engine["name"]): engine
        for run in runs
        for engine in run["engines"]
    }
    # By the name that says what was computed: an engine that is absent from a run leaves a gap.
    names = list(dict.fromkeys(name for _, _, name in found))
    places = list(dict.fromkeys((preset, threads) for preset, threads, _ in found))
    columns: list[Column] = [("engine", "---", lambda row: row["name"])]
    for place in places:
        heading = f"`{place[0]}`, {_threads(place[1])}"
        columns.append((heading, "---:", _pace_at(place)))
    rows = [
        {"name": name, "said": {place: found.get((*place, name)) for place in places}}
        for name in names
    ]
    return markdown(columns, rows)


def detectors(root: Path) -> str:
    """Tabulate the way from file to result."""
    rows = [
        {"threads": run["threads"], **row}
        for run in read_record(root / END_TO_END)["pipelines"]
        for row in run["rows"]
    ]
    columns: list[Column] = [
        ("detector", "---", lambda row: row["name"]),
        ("threads", "---:", number("threads", 0)),
        ("FPS", "---:", number("fps", 0)),
        ("p50 ms", "---:", number("p50", 1)),
        ("p95", "---:", number("p95", 1)),
        ("p99", "---:", number("p99", 1)),
        ("peak MB", "---:", number("peak_megabytes", 0)),
        ("first result s", "---:", number("first_result_s", 2)),
    ]
    return markdown(columns, rows)


def speed_in_full(root: Path) -> str:
    """Tabulate the measurement of all engines with percentiles, memory and load times."""
    return readme_tables(read_record(root / SPEED))


def speed_avx512_in_full(root: Path) -> str:
    """Tabulate the same where there is AVX-512."""
    return readme_tables(read_record(root / SPEED_AVX512))


def speed_zen4_in_full(root: Path) -> str:
    """Tabulate the same on a Zen 4."""
    return readme_tables(read_record(root / SPEED_ZEN4))


def speed_zen1_in_full(root: Path) -> str:
    """Tabulate the same on a Zen 1."""
    return readme_tables(read_record(root / SPEED_ZEN1))


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def _pace_at(place: tuple[str, int]) -> Callable[[dict], str]:
    return lambda row: _pace(row["said"][place])


def _pace(engine: dict | None) -> str:
    """Write the median in ms, and how many times as fast as eager PyTorch that is."""
    return f"{engine['p50']:.1f} ms, {engine['ratio_to_eager']:.2f} ×" if engine else ""


TABLES: dict[str, Callable[[Path], str]] = {
    each.__name__: each
    for each in (
        *(scores, strength, groups, summary, precision, flip_test),
        *(variant_tables.ablation, variant_tables.comparison),
        *(real_tables.clips, real_tables.rest, real_tables.stills),
        *(real_tables.thresholds, real_tables.agreement, real_tables.noise_floor),
        *(speed, speed_avx512, detectors, speed_in_full, speed_avx512_in_full),
        speed_zen4_in_full,
        speed_zen1_in_full,
        *(live_tables.soak, live_tables.soak_memory, live_tables.writing),
        *(live_tables.finders, live_tables.tracking, live_tables.tracking_scenes),
        result_tables.signals,
    )
}
"""Name → what makes the table from the files below the project's root."""


def filled(text: str, root: Path) -> str:
    """Fill the tables of a document.

    Args:
        text: The document.
        root: The project's root, where the JSON lies.

    Returns:
        The document with every marked table made anew.

    Raises:
        RecordError: A record lacks what its table shows, or cannot be read.
        ValueError: A name is unknown.
    """

    def table(match: re.Match[str]) -> str:
        start, name, end = match.groups()
        if name not in TABLES:
            raise ValueError(f"table {name!r} is unknown: known are {', '.join(TABLES)}")
        with complete(f"a record of table {name!r}"):
            return f"{start}\n{TABLES[name](root)}\n{end}"

    return _MARKED.sub(table, text)


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code, 1 if ``--check`` finds an old table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.card", description=purpose(__doc__))
    parser.add_argument(
        "--check", action="store_true", help="only tell whether they are up to date"
    )
    args = parser.parse_args(argv)
    old = []
    for name in DOCUMENTS:
        path = ROOT / name
        before = path.read_text("utf-8")
        try:
            after = filled(before, ROOT)
        except RecordError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        if after != before:
            old.append(name)
            if not args.check:
                path.write_text(after, encoding="utf-8")
    if args.check and old:
        print(f"not what the JSON holds: {', '.join(old)}; run `python -m benchmarks.card`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
