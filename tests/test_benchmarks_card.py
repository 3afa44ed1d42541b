import json
import shutil
from pathlib import Path

import pytest

from benchmarks import card

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", card.DOCUMENTS)
def test_the_documents_say_what_the_json_holds(name):
    text = (ROOT / name).read_text()
    assert card.filled(text, ROOT) == text, "run `python -m benchmarks.card`"


def test_every_table_is_in_a_document():
    text = "".join((ROOT / name).read_text() for name in card.DOCUMENTS)
    for name in card.TABLES:
        assert text.count(f"<!-- table: {name} -->") == 1
    assert text.count("<!-- end -->") == len(card.TABLES)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "runtime" / "models").mkdir(parents=True)
    (tmp_path / "benchmarks" / "results").mkdir(parents=True)
    for pattern in ("docs/*.json", "runtime/models/*.accuracy.json", "benchmarks/results/*.json"):
        for path in ROOT.glob(pattern):
            shutil.copy(path, tmp_path / path.relative_to(ROOT))
    return tmp_path


def cells(table: str, first: str) -> list[str]:
    (line,) = [line for line in table.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_numbers_are_those_of_the_file(root):
    path = root / "docs" / "evaluation_edge.json"
    record = json.loads(path.read_text())
    record["aus"]["AU04"].update(f1=0.1234, f1_at_threshold=0.5678, threshold=0.45, auc=0.9)
    record["mean"]["all"]["f1"] = 0.4321
    path.write_text(json.dumps(record))
    row = cells(card.scores(root), "AU04")
    assert "**0.123**" in row
    assert "0.568 (0.45)" in row
    assert "0.900" in row
    assert "0.432" in card.summary(root)


def test_what_is_seen_at_rest_is_sorted_and_rare_things_are_left_out(root):
    path = root / "docs" / "clips_edge.json"
    record = json.loads(path.read_text())
    shares = (("a.mp4", "AU01", 0.2), ("a.mp4", "AU02", 0.9), ("a.mp4", "AU04", 0.001))
    shares += (("b.mp4", "AU04", 0.001),)
    record["resting"] = [{"clip": c, "au": au, "share": s} for c, au, s in shares]
    path.write_text(json.dumps(record))
    assert cells(card.rest(root), "a.mp4")[1] == "AU02 90 %, AU01 20 %"
    assert cells(card.rest(root), "b.mp4")[1] == "none"


def test_the_worst_au_of_8_bits_is_named(root):
    path = root / "runtime" / "models" / "lgrnet_edge_int8.accuracy.json"
    report = json.loads(path.read_text())
    report["aus"]["AU12"]["f1"] = report["aus"]["AU12"]["f1_fp32"] - 0.25
    path.write_text(json.dumps(report))
    assert "AU12 -0.250" in card.precision(root)


def test_only_marked_tables_change(root):
    text = "before\n<!-- table: rest -->\nold\n<!-- end -->\nafter"
    result = card.filled(text, root)
    assert result == f"before\n<!-- table: rest -->\n{card.rest(root)}\n<!-- end -->\nafter"
    with pytest.raises(ValueError, match="table 'nonsense' is unknown"):
        card.filled(text.replace("rest", "nonsense"), root)


def test_the_command_checks_and_writes(root, monkeypatch, capsys):
    for name in card.DOCUMENTS:
        shutil.copy(ROOT / name, root / name)
    monkeypatch.setattr(card, "ROOT", root)
    assert card.main(["--check"]) == 0
    path = root / "MODEL_CARD.md"
    before = path.read_text()
    path.write_text(before.replace("| AU12 |", "| AU13 |", 1))
    assert card.main(["--check"]) == 1
    assert "MODEL_CARD.md" in capsys.readouterr().out
    assert card.main([]) == 0
    assert path.read_text() == before
