import inspect
import json
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_network import tiny_network
from tiny_shards import AUS, write_tiny_shards

from benchmarks import precision
from benchmarks.precision import main, table
from export.native.convert import export_native
from export.onnx import export_onnx
from lgrnet.checkpoint import save_checkpoint
from runtime.backends.base import Outputs


def cost(losses):
    """Return a row with these changes of F1, from 0.8, by AU."""
    aus = {f"AU{au:02d}": {"f1_fp32": 0.8, "f1": 0.8 + loss} for au, loss in losses.items()}
    mean = 0.8 + sum(losses.values()) / len(losses)
    changes = {"mean_change": 0.0123, "max_change": 0.4567}
    return {"name": "eight bits", "mean_f1_fp32": 0.8, "mean_f1": mean, "aus": aus, **changes}


def test_the_table_names_the_au_that_loses_most():
    lines = table([cost({1: 0.01, 4: -0.07, 12: 0.0})]).splitlines()
    assert lines[2] == ("| eight bits | 0.8000 | 0.7800 | -0.0200 | AU04 -0.070 | 0.0123 | 0.457 |")


def test_an_au_that_nobody_can_score_is_not_the_worst():
    row = cost({1: 0.02, 4: -0.01, 12: 0.03})
    row["aus"]["AU04"] = {"f1_fp32": None, "f1": None}
    assert "| AU01 +0.020 |" in table([row])


def test_where_no_face_shows_an_au_the_table_says_so():
    row = cost({1: 0.02, 4: -0.01}) | {"mean_f1_fp32": None, "mean_f1": None}
    row["aus"] = {au: {"f1_fp32": None, "f1": None} for au in row["aus"]}
    assert table([row]).splitlines()[2] == "| eight bits | – | – | – | – | 0.0123 | 0.457 |"
    unknown = row | {"mean_change": None, "max_change": None}
    assert table([unknown]).splitlines()[2] == "| eight bits | – | – | – | – | – | – |"


def test_what_cannot_be_had_keeps_its_reason():
    assert "| bf16 | this CPU has none |" in table(
        [{"name": "bf16", "unavailable": "this CPU has none"}]
    )


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "tiny.pt"
    save_checkpoint(path, tiny_network(aus=list(AUS)), {"thresholds": [0.5, 0.5]})
    return path


def named(row, checkpoint, path, **options):
    """Export nothing, but only by arguments that the exporter has."""
    exporter = export_native if row.library == "native" else export_onnx
    inspect.signature(exporter).bind_partial(**options)
    return path


class Says:
    """An opened model that sees AU 1 in a bright upper half, AU 12 in a lower one."""

    precision, provider = "fp32", "stand-in"
    spec = SimpleNamespace(aus=AUS, thresholds=(0.5, 0.5))

    def __init__(self, lost):
        self.lost, self.asked = lost, 0

    def __call__(self, faces):
        self.asked += 1
        upper, lower = faces[:, :88].mean((1, 2, 3)), faces[:, 88:].mean((1, 2, 3))
        sure = 0.2 + 0.6 * (np.stack([upper, lower], 1) > 115) - np.float32(self.lost)
        return Outputs(sure, np.zeros((len(faces), 49, 2), np.float32))

    def close(self):
        pass


def test_what_a_precision_loses_is_counted_on_test_people(checkpoint, tmp_path, monkeypatch):
    data, out = write_tiny_shards(tmp_path / "data"), tmp_path / "cost.json"
    models = [Says((0, 0)), Says((0, 0.4)), Says((0.1, 0))]  # 0.8 becomes 0.4: not called
    opened = iter(models)
    monkeypatch.setattr(precision, "export_onnx", lambda _, path: path)
    monkeypatch.setattr(precision, "export_row", named)
    monkeypatch.setattr(precision, "open_backend", lambda *_: next(opened))
    command = [checkpoint, "--data", data, "--json", out, "--engines", "ort-int8", "ort-fp16"]
    assert precision.main([*map(str, command)]) == 0
    assert [model.asked for model in models] == [1, 1, 1]  # float32 is slow, and says it once
    record = json.loads(out.read_text())
    assert record["checkpoint"] == "tiny.pt"
    first, second = record["rows"]
    assert (first["key"], second["key"]) == ("ort-int8", "ort-fp16")
    assert first["frames"] == second["frames"] == 12
    for row in (first, second):
        assert all(each["f1_fp32"] == 1 for each in row["aus"].values())
    assert {au: each["f1"] for au, each in first["aus"].items()} == {"AU01": 1, "AU12": 0}
    assert (first["mean_f1"], first["within_bounds"]) == (0.5, False)
    assert first["max_change"] == pytest.approx(0.4)
    assert (second["mean_f1"], second["within_bounds"]) == (1.0, True)
    assert second["mean_change"] == pytest.approx(0.05)


@pytest.mark.parametrize("what", ["nobody shows an AU", "answers are no numbers"])
def test_what_cannot_be_judged_is_told(checkpoint, tmp_path, monkeypatch, capsys, what):
    data, out = write_tiny_shards(tmp_path / "data"), tmp_path / "cost.json"
    if what == "nobody shows an AU":
        path = data / "test-00000.labels.npz"
        with np.load(path) as labels:
            arrays = {name: labels[name] for name in labels.files}
        np.savez(path, **arrays | {"presence": np.zeros_like(arrays["presence"])})
        models = iter([Says((0, 0)), Says((0, 0))])
    else:
        models = iter([Says((0, 0)), Says((0, np.nan))])
    monkeypatch.setattr(precision, "export_onnx", lambda _, path: path)
    monkeypatch.setattr(precision, "export_row", named)
    monkeypatch.setattr(precision, "open_backend", lambda *_: next(models))
    command = [checkpoint, "--data", data, "--json", out, "--engines", "ort-int8"]
    assert precision.main([*map(str, command)]) == 1
    printed = capsys.readouterr()
    assert "| – |" in printed.out
    assert "not judged, as no face" in printed.err
    (row,) = json.loads(out.read_text(), parse_constant=pytest.fail)["rows"]
    assert row["within_bounds"] is False


def test_an_engine_that_is_missing_stops_nothing(checkpoint, tmp_path, monkeypatch):
    def open_backend(path, *_):
        if "fp32" not in path.name:
            raise ImportError("no such engine here")
        return Says((0, 0))

    data, out = write_tiny_shards(tmp_path / "data"), tmp_path / "cost.json"
    monkeypatch.setattr(precision, "export_onnx", lambda _, path: path)
    monkeypatch.setattr(precision, "export_row", named)
    monkeypatch.setattr(precision, "open_backend", open_backend)
    command = [checkpoint, "--data", data, "--json", out, "--engines", "ort-int8", "ort-fp16"]
    assert precision.main([*map(str, command)]) == 0
    rows = json.loads(out.read_text())["rows"]
    assert [row["unavailable"] for row in rows] == ["ImportError: no such engine here"] * 2


@pytest.mark.parametrize("missing", ["checkpoint", "data"])
def test_what_is_missing_is_named(checkpoint, tmp_path, capsys, missing):
    given = {"checkpoint": checkpoint, "data": write_tiny_shards(tmp_path / "data")}
    given[missing] = tmp_path / "nowhere"
    out = tmp_path / "cost.json"
    command = [given["checkpoint"], "--data", given["data"], "--json", out]
    assert main([*map(str, command)]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert not out.exists()
