import shutil

import pytest

from benchmarks import exports
from benchmarks.exports import Exports, ModelFile, Unavailable
from benchmarks.rows import EAGER, PIPELINES, ROWS, Row, choose_rows
from export.errors import ExportError
from lgrnet.checkpoint import CheckpointError
from runtime.packaged import model_path
from runtime.spec import ENGINES, GRAPHS, PRECISIONS


def test_every_engine_of_the_issue_has_a_row():
    have = {(row.library, row.graph, row.precision, row.active, row.compiled) for row in ROWS}
    assert have >= {
        ("pytorch", None, "fp32", None, False),
        ("pytorch", None, "fp32", None, True),
        ("onnxruntime", "plain", "fp32", None, False),
        ("onnxruntime", "winograd", "fp32", None, False),
        ("onnxruntime", None, "int8", None, False),
        ("openvino", "plain", "fp32", None, False),
        ("openvino", "winograd", "fp32", None, False),
        ("openvino", "direct", "fp32", None, False),
        ("openvino", "plain", "fp32", "bf16", False),
        ("openvino", None, "fp32", "bf16", False),
        ("openvino", "plain", "int8", None, False),
        ("openvino", "direct", "int8", None, False),
        ("native", None, "fp32", None, False),
        ("native", None, "int8", None, False),
    }


def test_rows_are_what_exporter_and_runtime_know():
    assert ROWS[0] is EAGER
    for names in ([row.key for row in ROWS], [row.name for row in ROWS]):
        assert len(set(names)) == len(ROWS)
    for row in ROWS:
        assert row.library in ("pytorch", *ENGINES)
        assert row.graph in (None, *GRAPHS)
        assert row.precision in PRECISIONS
        assert row.active is None or row.library == "openvino"
    assert {row.backend for row in PIPELINES} == set(ENGINES)


def test_eager_is_always_among_the_chosen_and_the_order_stays():
    assert choose_rows(None) == ROWS
    assert [row.key for row in choose_rows(["ov-int8", "compile"])] == [
        *("eager", "compile", "ov-int8"),
    ]
    with pytest.raises(ValueError, match="no tensorrt; choose from eager, "):
        choose_rows(["tensorrt"])


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "net.pt"
    path.write_bytes(b"weights")
    return path


def fake_export(monkeypatch, fail=None):
    """Let the packaged model stand for every export; returns what was asked for."""
    asked = []

    def export(checkpoint, output, *, batch, graph, engine, precision, **options):
        asked.append((engine, graph, precision, batch, options))
        if fail is not None:
            raise fail
        return shutil.copy(model_path(None), output) and output

    monkeypatch.setattr(exports, "export_onnx", export)
    return asked


def test_rows_that_share_a_file_share_the_export(monkeypatch, checkpoint, tmp_path):
    asked = fake_export(monkeypatch)
    rows = [
        EAGER,
        Row("a", "A", "openvino", "plain"),
        Row("b", "B", "openvino", "plain", active="bf16"),
        Row("c", "C", "onnxruntime", "plain"),
    ]
    exports = Exports(tmp_path)
    files = exports.files(rows, checkpoint, batch=3)
    expected = [("openvino", "plain", "fp32", 3, {}), ("onnxruntime", "plain", "fp32", 3, {})]
    assert asked == expected
    assert exports.files(rows, checkpoint, batch=3) == files
    assert asked == expected
    other = exports.files(rows[3:], checkpoint, batch=1)["c"]
    assert asked[2:] == [("onnxruntime", "plain", "fp32", 1, {})]
    assert other.path != files["c"].path
    assert files["eager"].path == checkpoint
    assert files["eager"].nodes is None
    assert files["a"].path == files["b"].path != files["c"].path
    assert files["a"].nodes > 100
    assert files["a"].megabytes == pytest.approx(model_path(None).stat().st_size / 1e6)


def test_a_best_graph_that_has_a_row_already_is_not_measured_twice(
    monkeypatch, checkpoint, tmp_path
):
    fake_export(monkeypatch)
    rows = [Row("a", "A", "openvino", "winograd"), Row("b", "B", "openvino", None)]
    files = Exports(tmp_path).files(rows, checkpoint, batch=1)
    assert isinstance(files["a"], ModelFile)
    assert isinstance(files["b"], Unavailable)
    assert files["b"].reason.endswith("the graph of A")


@pytest.mark.parametrize("trained", [True, False])
def test_accuracy_is_not_judged_and_random_weights_have_none(
    monkeypatch, checkpoint, tmp_path, trained
):
    asked = fake_export(monkeypatch)
    rows = [Row("a", "A", "openvino", "direct", "int8")]
    Exports(tmp_path).files(rows, checkpoint, batch=1, trained=trained)
    ((*_, options),) = asked
    assert options == {"judge": False, **({} if trained else {"mean_change": float("inf")})}


@pytest.mark.parametrize(
    "error", [ImportError("no nncf"), ExportError("differs"), ValueError("no such graph")]
)
def test_a_failed_export_is_a_reason_not_a_missing_row(monkeypatch, checkpoint, tmp_path, error):
    fake_export(monkeypatch, fail=error)
    files = Exports(tmp_path).files([EAGER, ROWS[2]], checkpoint, batch=1)
    assert str(error) in files[ROWS[2].key].reason
    assert isinstance(files["eager"], ModelFile)


def test_a_checkpoint_that_is_none_stops_everything(monkeypatch, checkpoint, tmp_path):
    fake_export(monkeypatch, fail=CheckpointError("empty"))
    with pytest.raises(CheckpointError):
        Exports(tmp_path).files(ROWS, checkpoint, batch=1)
