import json
import re

import numpy as np
import pytest

from benchmarks import chart, table
from benchmarks.inference.rows import ROWS
from benchmarks.shared.record import FORMAT, RecordError, read_record, write_record
from runtime.installed import how_to_install

SPREAD = {"calls": 40, "mean": 11.0, "p90": 12.0, "p95": 13.0, "p99": 14.0, "min": 9.0, "max": 15.0}
PROBE = {"import_s": 0.2, "load_s": 0.31, "first_result_s": 0.74, "peak_megabytes": 151.4}


def engine(row, p50, ratio):
    return {
        "key": row.key,
        "name": row.name,
        "library": row.library,
        "provider": "some 1.0",
        "graph": row.graph,
        "precision": row.precision,
        "active": row.active or row.precision,
        "threads": 1,
        **SPREAD,
        "p50": p50,
        "cv": 0.05,
        "fps": 1e3 / p50,
        "share_late": 0.25,
        "p50_interval": [0.9 * p50, 1.1 * p50],
        "ratio_to_eager": ratio,
        "ratio_interval": [0.9 * ratio, 1.1 * ratio],
        "max_au_difference": 0.0 if row.key == "eager" else 2e-6,
        "nodes": None,
        "megabytes": 13.0,
        **PROBE,
    }


def network(preset, threads, rows):
    return {
        "preset": preset,
        "weights": "w.pt",
        "aus": 15,
        "threads": threads,
        "batch": 1,
        "faces_compared": 17,
        "rounds": 8,
        "engines": [engine(row, 32.0 / (1 + i), 1.0 + i) for i, row in enumerate(rows)],
        "unavailable": [{"key": "ov-bf16", "name": "OpenVINO bf16", "reason": "no such CPU"}],
        "warnings": ["A and B cannot be told apart"],
    }


@pytest.fixture
def record():
    phases = ("frame", "decode", "network", "draw")
    pipeline = {
        "clip": "clip.mp4, 640 × 360, 216 frames",
        "threads": 2,
        "drawing_counts": False,
        "rows": [
            {
                "key": "default",
                "name": "packaged model",
                "detector": "Detector(...)",
                **SPREAD,
                "p50": 17.25,
                "cv": 0.1,
                "fps": 55.55,
                "fps_interval": [54.0, 57.0],
                "share_late": 0.008,
                "p50_interval": [17.0, 17.5],
                "passes": 8,
                "frames_with_a_face": 1.0,
                "ms": {phase: {**SPREAD, "p50": float(i)} for i, phase in enumerate(phases)},
                **PROBE,
            }
        ],
        "unavailable": [],
        "warnings": [],
    }
    return {
        "format": FORMAT,
        "machine": {
            "date": "2026-11-24T19:00:00+00:00",
            "cpu": "Some CPU",
            "cpu_flags": ["avx2"],
            "cores": 2,
            "versions": {"torch": "2.13.0", "onnxruntime": "1.32.0", "numpy": "2.4.6"},
            "revision": "abc1234",
        },
        "networks": [network("edge", 1, ROWS[:4]), network("edge", 2, ROWS[:4])],
        "pipelines": [pipeline],
        "warnings": ["the load average was 3.00"],
    }


def cells(text, start):
    (line,) = [each for each in text.splitlines() if each.startswith(start)]
    return [cell.strip() for cell in line.strip("|").split("|")]


def header(text, holding):
    lines = [each for each in text.splitlines() if each.startswith("|") and holding in each]
    return [cell.strip() for cell in lines[0].strip("|").split("|")]


def test_readme_table_holds_the_numbers_of_the_record(record):
    text = table.readme_tables(record)
    row = cells(text, "| `edge`, 15 AUs | 1 | ONNX Runtime, plain")
    named = dict(zip(header(text, "engine"), row, strict=True))
    assert named == {
        "network": "`edge`, 15 AUs",
        "threads": "1",
        "engine": "ONNX Runtime, plain",
        "p50 ms": "10.7",
        "p95": "13.0",
        "p99": "14.0",
        "× eager": "3.00",
        "max AU diff": "2e-06",
        "peak MB": "151",
        "load s": "0.31",
    }
    assert "abc1234" in text
    assert "no such CPU" in text
    named = dict(zip(header(text, "detector"), cells(text, "| packaged model"), strict=True))
    assert named["FPS"] == "55.5 (54.0–57.0)"
    assert (named["late %"], named["network"], named["draw"]) == ("0.8", "2.0", "3.0")
    assert named["threads"] == "2"


def test_full_tables_say_everything(record):
    text = table.full_tables(record)
    for word in ("p90", "CV %", "FPS", "late %", "3.00 (2.70–3.30)", "first result s"):
        assert word in text
    for warning in ("A and B cannot be told apart", "the load average was 3.00"):
        assert f"Warning: {warning}." in text
    assert "OpenVINO bf16 (no such CPU)" in text


def test_all_lines_of_a_table_have_as_many_cells(record):
    for text in (table.readme_tables(record), table.full_tables(record)):
        for block in text.split("\n\n"):
            if block.startswith("|"):
                assert len({line.count("|") for line in block.splitlines()}) == 1


def test_unknown_memory_is_an_empty_cell(record):
    record["networks"][0]["engines"][0]["peak_megabytes"] = None
    text = table.readme_tables(record)
    assert cells(text, "| `edge`, 15 AUs | 1 | PyTorch eager")[-2] == ""


def test_record_comes_back_and_others_are_refused(record, tmp_path):
    path = tmp_path / "deep" / "fps.json"
    write_record(record, path)
    assert read_record(path) == json.loads(json.dumps(record))
    assert [each.name for each in path.parent.iterdir()] == ["fps.json"]
    with pytest.raises(RecordError, match="cannot be read"):
        read_record(tmp_path / "no.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(RecordError, match="not JSON"):
        read_record(tmp_path / "bad.json")
    write_record({"networks": []}, tmp_path / "old.json")
    with pytest.raises(RecordError, match=r"format None.*measure again"):
        read_record(tmp_path / "old.json")


def test_commands_print_and_report(record, tmp_path, capsys):
    path = tmp_path / "fps.json"
    write_record(record, path)
    assert table.main([str(path)]) == 0
    assert capsys.readouterr().out.strip() == table.readme_tables(record)
    assert table.main([str(path), "--full"]) == 0
    assert capsys.readouterr().out.strip() == table.full_tables(record)
    assert table.main([str(tmp_path / "no.json")]) == 2
    assert chart.main([str(tmp_path / "no.json")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_chart_has_a_bar_a_row_as_long_as_its_ratio(record):
    pytest.importorskip("matplotlib")
    figure = chart.draw_chart(record)
    panels = [axes for axes in figure.axes if axes.patches]
    assert len(panels) == 2
    for panel, run in zip(panels, record["networks"], strict=True):
        widths = [bar.get_width() for bar in panel.patches]
        assert widths == [each["ratio_to_eager"] for each in run["engines"]]
        names = [label.get_text() for label in panel.get_yticklabels()]
        assert names == [each["name"] for each in run["engines"]]
        assert f"{run['threads']} thread" in panel.get_title(loc="left")
    bars = zip(ROWS, panels[0].patches, strict=False)
    colours = {row.library: bar.get_facecolor() for row, bar in bars}
    assert len(set(colours.values())) == len(colours) == 2
    words = " ".join(text.get_text() for text in figure.texts)
    assert "Some CPU" in words
    assert "2026-11-24" in words
    assert figure.get_facecolor() == (1, 1, 1, 1)


def test_chart_command_writes_a_picture(record, tmp_path):
    pytest.importorskip("matplotlib")
    import cv2

    write_record(record, tmp_path / "fps.json")
    assert chart.main([str(tmp_path / "fps.json"), "-o", str(tmp_path / "speed.png")]) == 0
    picture = cv2.imread(str(tmp_path / "speed.png"))
    assert min(picture.shape[:2]) > 400
    assert (picture[0, 0] == 255).all()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["fps.json", "speed.png"]


def test_chart_of_nothing_is_an_error(record):
    record["networks"] = []
    with pytest.raises(RecordError, match="no networks"):
        chart.draw_chart(record)


def test_without_matplotlib_the_chart_says_how_to_get_it(record, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=re.escape(how_to_install("bench"))):
        chart.write_chart(record, tmp_path / "speed.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("time", "cell"), [(30.7026, "30.7"), (1.04, "1.0"), (0.21564, "0.216")])
def test_what_takes_less_than_a_millisecond_has_more_digits(time, cell):
    assert table.milliseconds("p50", 1)({"p50": time}) == cell


def test_what_is_undefined_is_null_in_a_record(tmp_path):
    path, nan = tmp_path / "record.json", float("nan")
    row = {"f1": nan, "between": (0.25, np.float64("nan")), "frames": 3, "of": [{"auc": nan}]}
    write_record({"format": FORMAT, "rows": [row]}, path)
    read = json.loads(path.read_text(), parse_constant=pytest.fail)
    null = {"f1": None, "between": [0.25, None], "frames": 3, "of": [{"auc": None}]}
    assert read["rows"] == [null]


def test_a_difference_that_there_is_not_is_an_empty_cell():
    cell = table.difference(2)
    row = {"difference": -0.014, "difference_95": [-0.02, 0.001]}
    assert cell(row) == "-0.01 (-0.02 to +0.00)"
    assert cell({"difference": None, "difference_95": [None, None]}) == ""


@pytest.mark.parametrize("unknown", [None, float("nan")])
def test_what_is_not_known_is_an_empty_cell(unknown):
    row = {"auc": unknown, "difference": unknown, "difference_95": [0.1, 0.2]}
    assert table.number("auc", 2)(row) == table.difference(2)(row) == ""
    assert table.number("auc", 1, 100)({"auc": 0.5}) == "50.0"
    assert table.difference(1)({"difference": 0.1, "difference_95": [unknown, 0.2]}) == ""
