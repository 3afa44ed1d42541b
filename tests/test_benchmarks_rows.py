import os
import shutil

import pytest
import torch

from benchmarks import fps
from benchmarks.inference import exports
from benchmarks.inference.engines import open_engine
from benchmarks.inference.exports import Exports, ModelFile, Unavailable
from benchmarks.inference.rows import EAGER, GPU_EAGER, GPU_ROWS, PIPELINES, ROWS, Row, choose_rows
from benchmarks.shared.memory import ask_gpu, gpu_megabytes
from export.errors import ExportError
from lgrnet.checkpoint import CheckpointError
from runtime.backends.tensorrt_plan import FLAVOURS
from runtime.errors import DeviceError
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
    assert {row.backend for row in PIPELINES} == {"onnxruntime", "openvino", "native"}


def test_eager_is_always_among_the_chosen_and_the_order_stays():
    assert choose_rows(None) == ROWS
    assert [row.key for row in choose_rows(["ov-int8", "compile"])] == [
        *("eager", "compile", "ov-int8"),
    ]
    with pytest.raises(ValueError, match="no tensorrt; choose from eager, "):
        choose_rows(["tensorrt"])


def test_rows_of_a_gpu():
    assert GPU_ROWS[0] is GPU_EAGER
    assert choose_rows(None, "cuda") == GPU_ROWS
    assert [row.key for row in choose_rows(["cuda-fused"], "cuda")] == ["cuda-eager", "cuda-fused"]
    for device, key in (("cuda", "eager"), ("cpu", "cuda-eager")):
        with pytest.raises(ValueError, match=f"engines: no {key}; choose from"):
            choose_rows([key], device)
    every = [*ROWS, *GPU_ROWS]
    assert len({row.key for row in every}) == len(every)
    assert {row.device for row in GPU_ROWS} == {"cuda"}
    for row in GPU_ROWS:
        assert row.library in ("pytorch", *ENGINES)
        assert row.precision in PRECISIONS
        assert row.flavour in (None, *FLAVOURS)


def test_without_a_gpu_its_rows_say_so(tmp_path, capsys):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(DeviceError, match="sees no GPU"):
        open_engine("pytorch", tmp_path / "net.pt", 1, device="cuda")
    path = tmp_path / "out.json"
    assert fps.main(["--device", "cuda", "--presets", "edge", "--json", str(path)]) == 2
    assert "error: " in capsys.readouterr().err
    assert not path.exists()


def test_what_a_gpu_holds_is_asked_of_nvidias_tool(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text('#!/bin/sh\n[ "$3" = --query-gpu=memory.used ] && echo 1000 || exit 9\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert gpu_megabytes() == pytest.approx(1048.576)
    with pytest.raises(OSError, match="ended with code 9"):
        ask_gpu("name")
    tool.write_text('#!/bin/sh\necho "$2"\n')
    for visible, first in (("", "0"), ("2,0", "2"), ("GPU-8c, 1", "GPU-8c")):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert ask_gpu("name") == first
    monkeypatch.setenv("PATH", "")
    with pytest.raises(OSError):  # noqa: PT011  (whatever the system calls it)
        ask_gpu("name")


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
    # The graph of the first need not be traced again for the second.
    known = [{"traced": ()}, {"traced": (files["a"].path,)}]
    expected = [
        ("openvino", "plain", "fp32", 3, known[0]),
        ("onnxruntime", "plain", "fp32", 3, known[1]),
    ]
    assert asked == expected
    assert exports.files(rows, checkpoint, batch=3) == files
    assert asked == expected
    other = exports.files(rows[3:], checkpoint, batch=1)["c"]
    *same, options = asked[2]
    assert same == ["onnxruntime", "plain", "fp32", 1]
    assert options["traced"] == (files["a"].path, files["c"].path)
    assert other.path != files["c"].path
    assert files["eager"].path == checkpoint
    assert files["eager"].nodes is None
    assert files["a"].path == files["b"].path != files["c"].path
    assert files["a"].nodes > 100
    assert files["a"].megabytes == pytest.approx(model_path(None).stat().st_size / 1e6)


def test_what_a_folder_holds_is_used_again_until_something_changes(
    monkeypatch, checkpoint, tmp_path
):
    asked = fake_export(monkeypatch)
    rows = [Row("a", "A", "openvino", "plain")]
    (tmp_path / "kept").mkdir()
    before = Exports(tmp_path / "kept").files(rows, checkpoint, batch=1)
    assert Exports(tmp_path / "kept").files(rows, checkpoint, batch=1) == before
    assert len(asked) == 1
    other = tmp_path / checkpoint.name
    other.write_bytes(checkpoint.read_bytes() + b"x")
    Exports(tmp_path / "kept").files(rows, other, batch=1)
    assert len(asked) == 2, "other weights"
    Exports(tmp_path / "kept").files(rows, checkpoint, batch=1, trained=False)
    assert len(asked) == 3, "other options"
    monkeypatch.setattr("benchmarks.inference.exports._exporters", lambda: "another release")
    Exports(tmp_path / "kept").files(rows, checkpoint, batch=1)
    assert len(asked) == 4, "other exporters"


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
    random = {} if trained else {"mean_change": float("inf")}
    assert options == {"judge": False, "traced": (), **random}


@pytest.mark.parametrize(
    "error",
    [
        *(ImportError("no nncf"), ExportError("differs"), ValueError("no such graph")),
        FloatingPointError("overflow in cast"),
    ],
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
