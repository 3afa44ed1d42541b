import json
import shutil
from pathlib import Path

import pytest

from benchmarks import card, writing
from benchmarks.documents import live as live_tables
from benchmarks.documents import real as real_tables
from benchmarks.documents import results as result_tables
from benchmarks.documents import variants as variant_tables
from benchmarks.documents.flip_test import flip_test
from benchmarks.shared.record import RecordError

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


def test_calls_by_strength_are_averaged_over_aus(root):
    path = root / "docs" / "evaluation_edge.json"
    record = json.loads(path.read_text())
    for number, row in enumerate(record["aus"].values()):
        row["strength"]["called"] = [0.01, 0.02, 0.3, 0.4, 0.5, 0.6 if number else 0.79]
    path.write_text(json.dumps(record))
    assert cells(card.strength(root), "AU01")[1:7] == ["1", "2", "30", "40", "50", "79"]
    assert cells(card.strength(root), "mean, all 19")[6] == "61"  # (0.79 + 18 × 0.6) / 19
    assert cells(card.strength(root), "mean, the 12 of BP4D")[6] == "62"  # (0.79 + 11 × 0.6) / 12


def test_what_was_trained_for_the_same_time_is_told_with_its_stages(root):
    path = root / "docs" / "comparison.json"
    record = json.loads(path.read_text())
    network, row = record["networks"][1], record["splits"]["control"]["rows"][1]
    network["stages"] = [{"faces": 1000, "seconds": 90}, {"faces": 234, "seconds": 30}]
    row["BP4D-12"]["f1_at_threshold"] = 0.4321
    row["all"].update(difference=-0.0123, difference_95=[-0.02, -0.01])
    path.write_text(json.dumps(record))
    said = cells(variant_tables.comparison(root), "JÂA-Net")
    assert said[2:4] == ["1,234", "2"]
    assert "0.432" in said
    assert said[-1] == "-0.012 (-0.020 to -0.010)"
    assert cells(variant_tables.comparison(root), "LGRNet")[-1] == ""


def test_thresholds_are_told_with_faces_that_had_no_say(root):
    path = root / "docs" / "thresholds_edge.json"
    record = json.loads(path.read_text())
    row = record["thresholds_from"]["own"]["aus"][1]
    row.update(threshold_by_f1=0.65, threshold=0.35, f1=0.9123, shown=0.72, shown_held_out=0.681)
    row.update(people_shown=17, people_lacking=12)
    path.write_text(json.dumps(record))
    said = cells(real_tables.thresholds(root), "AU06")
    assert said[1:4] == ["17 / 12", "0.65", "0.35"]
    assert said[5] == "0.912"
    assert said[7:9] == ["72", "68"]


def test_a_flip_test_is_told_beside_each_face_once(root):
    paths = [root / "docs" / f"evaluation_edge{end}.json" for end in ("", "_flip_test")]
    for path, f1 in zip(paths, (0.1234, 0.5678), strict=True):
        record = json.loads(path.read_text())
        record["mean"]["all"].update(f1_at_threshold=f1)
        path.write_text(json.dumps(record))
    table = flip_test(root)
    assert cells(table, "F1 at the file's thresholds")[1:] == ["0.123", "0.568"]
    path = root / "docs" / "noise_floor_flip_test.json"
    record = json.loads(path.read_text())
    for row in record["rows"]:
        row.update(mean_difference=0.25, calls_changed=0.5)
    path.write_text(json.dumps(record))
    path_of_scores = paths[1].read_text()
    paths[1].write_text(path_of_scores.replace('"flip_test": true', '"flip_test": false'))
    with pytest.raises(RecordError, match="is no flip test"):
        flip_test(root)
    paths[1].write_text(path_of_scores)
    changed = "clips mirrored: mean change of a probability; calls that change %"
    assert cells(flip_test(root), changed)[2] == "0.250; 50.0"


def test_tracking_is_told_on_known_and_on_held_out_clips(root):
    path = root / "benchmarks" / "results" / "tracking_held_out.json"
    record = json.loads(path.read_text())
    (ours,) = [row for row in record["trackers"] if row["name"] == "search every 30"]
    ours["clips"]["all"].update(mota=0.1234, idf1=0.5678, num_switches=7, num_misses=89)
    ours["clips"]["pillar"].update(mota=0.4321, num_switches=3)
    ours["clips"]["all"]["num_false_positives"] = 6
    path.write_text(json.dumps(record))
    row = cells(live_tables.tracking(root), "a search every 30 frames (default)")
    assert row[4:] == ["0.123", "0.568", "7 / 89 / 6"]
    assert "0.123" not in row[1:4]
    row = cells(live_tables.tracking_scenes(root), "pillar")
    assert (row[1], row[5], row[7]) == ("2", "0.432", "3")


def test_long_run_loses_nothing_and_stays_flat(root):
    """What docs/live.md says in words."""
    record = json.loads((root / "benchmarks" / "results" / "soak.json").read_text())
    assert record["seconds"] >= 30 * 60
    assert record["lost"] == 0
    for player in record["players"]:
        assert player["error"] == ""
        assert player["expected"] == player["frames"] + player["dropped"] > 1000
    late = [s["rss_mb"] for s in record["samples"] if s["s"] > 15 * 60]
    assert max(late) < 1.05 * min(late)


def test_each_way_of_smoothing_has_its_own_row(root):
    path = root / "docs" / "signals.json"
    record = json.loads(path.read_text())
    for number, way in enumerate(("raw", "hysteresis 0.3", "ema", "one-euro", "baseline 20")):
        record["demo_clip"][way] = {"onsets": 50 + number, "mean_f1": number / 10}
    path.write_text(json.dumps(record))
    table = result_tables.signals(root)
    assert cells(table, "none")[1:] == ["50", "0.000"]
    assert cells(table, "`--smooth ema`")[1:] == ["52", "0.200"]
    assert cells(table, "`--smooth one-euro`")[1:] == ["53", "0.300"]
    assert cells(table, "`--baseline 20`")[1:] == ["54", "0.400"]


def test_writers_stay_flat(root):
    """But for the index of the annotated video, which docs/live.md tells of."""
    record = json.loads((root / "benchmarks" / "results" / "writing.json").read_text())
    assert [kind["kind"] for kind in record["kinds"]] == list(writing.KINDS)
    for kind in record["kinds"]:
        assert kind["rows"] == 200_000
        assert kind["growth_bytes_a_row"] < 50  # Parquet's groups come and go


def test_what_is_seen_at_rest_is_sorted_and_rare_things_are_left_out(root):
    path = root / "docs" / "clips_edge.json"
    record = json.loads(path.read_text())
    faces = {"a.mp4": {"AU01": 0.2, "AU02": 0.9, "AU04": 0.001}, "b.mp4": {"AU04": 0.001}}
    record["resting"] = [{"clip": c, "frames": 8, "called": aus} for c, aus in faces.items()]
    later = [
        {"clip": "a.mp4", "frames": 0, "called": {}},
        {"clip": "b.mp4", "frames": 3, "called": {"AU12": 1 / 3}},
    ]
    record["with_baseline"] = {"frames": 9, "ranked": [], "resting": later}
    path.write_text(json.dumps(record))
    row = cells(real_tables.rest(root), "a.mp4")
    assert row[1:] == ["8", "AU02 90 %, AU01 20 %", "no frame left"]
    assert cells(real_tables.rest(root), "b.mp4")[1:] == ["8", "none", "AU12 33 %"]


def test_stills_list_what_is_ranked_or_often_called_at_rest(root):
    path = root / "docs" / "stills_edge.json"
    record = json.loads(path.read_text())
    record["rest"] |= {"people": 7, "share": {"AU04": 0.0, "AU15": 0.25, "AU17": 0.05}}
    record["aus"] = [
        {"au": "AU04", "people": 9, "auc": 0.9, "called": 0.667, "called_95": [0.25, 0.888]}
    ]
    path.write_text(json.dumps(record))
    table = real_tables.stills(root)
    assert "% of 7 people" in table
    assert cells(table, "AU04") == ["AU04", "0", "9", "67", "25–89", "0.900"]
    assert cells(table, "AU15") == ["AU15", "25", "", "", "", ""]
    assert "AU17" not in table


def test_the_worst_au_of_8_bits_is_named(root):
    path = root / "runtime" / "models" / "lgrnet_edge_int8.accuracy.json"
    report = json.loads(path.read_text())
    report["aus"]["AU12"]["f1"] = report["aus"]["AU12"]["f1_fp32"] - 0.25
    path.write_text(json.dumps(report))
    assert "AU12 -0.250" in card.precision(root)


def test_agreement_names_engine_and_share_of_calls(root):
    path = root / "docs" / "agreement_edge.json"
    record = json.loads(path.read_text())
    row = {**record["rows"][0], "clip": "c.mp4", "calls_changed": 0.0123, "frames": 7}
    record["rows"] = [{**row, "detector": "Detector(edge int8 on cpu, native AVX2, 1 threads, x)"}]
    path.write_text(json.dumps(record))
    row = cells(real_tables.agreement(root), "c.mp4")
    assert row[1:3] == ["native AVX2, int8 on cpu", "7"]
    assert row[-1] == "1.23"


def test_only_marked_tables_change(root):
    text = "before\n<!-- table: rest -->\nold\n<!-- end -->\nafter"
    result = card.filled(text, root)
    assert result == f"before\n<!-- table: rest -->\n{real_tables.rest(root)}\n<!-- end -->\nafter"
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
