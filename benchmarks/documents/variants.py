"""Tables of LGRNet beside its ablations and JÂA-Net."""

from pathlib import Path

from benchmarks.shared.record import read_scores
from benchmarks.table import Column, difference, inside, markdown, number


def ablation(root: Path) -> str:
    """Tabulate the paper's ablations and JÂA-Net, on test and on control people."""
    splits = read_scores(root, "ablation")["splits"]
    rows = [
        {"test": test, "control": control}
        for test, control in zip(splits["test"]["rows"], splits["control"]["rows"], strict=True)
    ]
    columns: list[Column] = [("", "---", lambda row: row["test"]["variant"])]
    for split in ("test", "control"):
        columns += [
            (f"F1, {split}", "---:", inside(split, number("f1", 3))),
            ("of the seeds", "---", inside(split, _seeds)),
            ("AUC", "---:", inside(split, number("auc", 3))),
            ("difference (95 %)", "---:", inside(split, _difference)),
        ]
    return markdown(columns, rows)


def comparison(root: Path) -> str:
    """Tabulate networks that were trained for the same time, on test and on control people."""
    record = read_scores(root, "comparison")
    splits = {name: said["rows"] for name, said in record["splits"].items()}
    rows = [
        {
            "faces": sum(stage["faces"] for stage in network["stages"]),
            "parameters": network["parameters"],
            "minutes": sum(stage["seconds"] for stage in network["stages"]) / 60,
            "more": "after" in network,
            "test": test,
            "control": control,
        }
        for network, test, control in zip(
            record["networks"], splits["test"], splits["control"], strict=True
        )
    ]
    columns: list[Column] = [
        ("", "---", lambda row: row["test"]["variant"]),
        ("parameters, millions", "---:", number("parameters", 1, 1e-6)),
        ("faces seen", "---:", lambda row: f"{row['faces']:,}"),
        ("minutes", "---:", lambda row: f"{row['minutes']:.0f}{' and more' * row['more']}"),
        ("landmark error %", "---:", inside("test", number("landmark_error", 2, 100))),
    ]
    for split in ("test", "control"):
        for part, name in (("BP4D-12", "12 of BP4D"), ("all", "all 19")):
            score = number("f1_at_threshold", 3)
            columns.append((f"F1, {split}, {name}", "---:", inside(split, inside(part, score))))
        columns += [
            ("AUC", "---:", inside(split, inside("all", number("auc", 3)))),
            ("difference of F1 (95 %)", "---:", inside(split, inside("all", _difference))),
        ]
    return markdown(columns, rows)


def _seeds(row: dict) -> str:
    return ", ".join(f"{f1:.3f}" for f1 in row["f1_of_seeds"])


def _difference(row: dict) -> str:
    """Write the difference to the first row, which has none."""
    return "" if row["difference_95"] == [0, 0] else difference(3)(row)
