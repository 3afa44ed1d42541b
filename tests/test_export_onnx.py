import hashlib
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from test_export_faces import write_faces
from tiny_network import draw_faces, tiny_network

from export.bounds import Bounds
from export.direct import DirectGraph
from export.onnx import export_onnx, main
from export.plain import PlainGraph
from export.winograd import WinogradGraph
from lgrnet.checkpoint import CheckpointError, save_checkpoint
from runtime.backends import open_backend
from runtime.spec import INTENSITY_NAME, OUTPUT_NAMES

ROOT = Path(__file__).parents[1]
META = {
    "thresholds": [0.25, 0.75],
    "training_data": "drawn faces",
    "licence": "CC0-1.0",
}
BATCH = 3


@pytest.fixture(scope="module")
def model():
    return tiny_network(aus=[1, 12], intensity=True)


def fill(folder, model):
    """Write a checkpoint and faces."""
    save_checkpoint(folder / "net.pt", model, META)
    write_faces(folder / "faces", draw_faces(8))
    return folder


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    """Run the command line once, as a user does, and return its folder and what it said."""
    folder = fill(tmp_path_factory.mktemp("exported"), model)
    command = [sys.executable, "-m", "export.onnx", "net.pt", "-o", "new/model.onnx"]
    command += ["--faces", "faces", "--batch", str(BATCH)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder, (done.stdout + done.stderr).splitlines()


@pytest.fixture(scope="module")
def traced(exported):
    """Return the graph that the exporter made, which takes seconds, and what could go wrong."""
    right = onnx.load(exported[0] / "new" / "model.onnx")
    return {
        "right": right,
        "off": changed(right, "classify.heads.bias", lambda weight: weight + 0.1),
        "moved": changed(right, "align.bias", lambda weight: weight + 0.1),
        "constant": changed(
            changed(right, "align.weight", np.zeros_like), "classify.heads.weight", np.zeros_like
        ),
        "invalid": disconnected(right),
    }


def changed(proto, name, change):
    """Return a copy in which a weight is another."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    (tensor,) = [tensor for tensor in copy.graph.initializer if tensor.name == name]
    weight = change(onnx.numpy_helper.to_array(tensor))
    tensor.CopyFrom(onnx.numpy_helper.from_array(weight, name))
    return copy


def disconnected(proto):
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    copy.graph.node[-1].input[0] = "nowhere"
    return copy


@pytest.fixture
def folder(tmp_path, model):
    """Return a folder with a checkpoint and faces."""
    return fill(tmp_path, model)


@pytest.fixture
def export(folder, traced, monkeypatch, capsys):
    """Return the command line, with the exporter's result at hand; gives code and message."""

    kinds = {"plain": PlainGraph, "winograd": WinogradGraph, "direct": DirectGraph}

    def run(*arguments, graph="right", checkpoint=folder / "net.pt"):
        def fake(module, batch, outputs):
            assert outputs == (*OUTPUT_NAMES, INTENSITY_NAME)
            assert isinstance(module, kinds[arguments[1] if "--graph" in arguments else "winograd"])
            copy = onnx.ModelProto()
            copy.CopyFrom(traced[graph])
            return copy

        monkeypatch.setattr("export.serialise.to_onnx", fake)
        options = {"--faces": folder / "faces", "--batch": BATCH}
        missing = [part for pair in options.items() if pair[0] not in arguments for part in pair]
        code = main([str(checkpoint), *map(str, (*missing, *arguments))])
        return code, capsys.readouterr().err

    return run


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_command_line_writes_a_file_that_the_runtime_runs(exported, model):
    folder, said = exported
    assert len(said) == 3
    assert said[0].startswith(
        "compared with PyTorch on 8 faces: AU probabilities differ by at most"
    )
    assert said[1].startswith("winograd graph, ")
    assert " nodes: " in said[1]
    assert said[2].startswith("new/model.onnx: fp32 for onnxruntime, ")
    assert said[2].endswith(" MB")

    assert names(folder / "new") == ["model.onnx"]
    backend = open_backend(folder / "new" / "model.onnx")
    spec = backend.spec
    assert spec.aus == (1, 12)
    assert spec.thresholds == (0.25, 0.75)
    assert (spec.precision, spec.graph, spec.batch) == ("fp32", "winograd", BATCH)
    assert spec.intensity
    assert spec.engine == "onnxruntime"
    assert (spec.training_data, spec.licence) == ("drawn faces", "CC0-1.0")
    assert spec.checkpoint_sha256 == hashlib.sha256((folder / "net.pt").read_bytes()).hexdigest()
    assert set(spec.versions) == {"lgrnet", "torch", "onnx", "opset"}
    assert (spec.aligned_size, spec.crop_size) == (200, 176)

    faces = draw_faces(5, seed=9)
    with torch.inference_mode():
        expected = PlainGraph(model)(torch.from_numpy(faces))
    tolerances = (5e-5, 1e-3, 2.5e-4)
    for found, wanted, tolerance in zip(backend(faces), expected, tolerances, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance)


def test_output_lies_beside_the_checkpoint_and_holds_everything(folder, export):
    assert export()[0] == 0
    assert names(folder) == ["faces", "net.onnx", "net.pt"]
    written = onnx.load(folder / "net.onnx", load_external_data=False)
    assert not any(tensor.external_data for tensor in written.graph.initializer)
    text = (folder / "net.onnx").read_bytes()
    assert str(ROOT).encode() not in text


def test_without_thresholds_they_are_a_half(folder, export, model):
    save_checkpoint(folder / "net.pt", model, {})
    assert export()[0] == 0
    spec = open_backend(folder / "net.onnx").spec
    assert spec.thresholds == (0.5, 0.5)
    assert (spec.training_data, spec.licence) == ("not stated", "not stated")


@pytest.mark.parametrize("graph", ["plain", "direct"])
def test_another_graph_says_so(folder, export, graph):
    assert export("--graph", graph, "-o", folder / "other.onnx")[0] == 0
    assert open_backend(folder / "other.onnx").spec.graph == graph


@pytest.mark.parametrize(
    ("arguments", "graph", "message"),
    [
        (["--tolerance", "0"], "right", "AU probabilities differ from PyTorch's by up to"),
        (["--landmark-tolerance", "0"], "right", "landmarks differ from PyTorch's by up to"),
        ([], "off", "AU probabilities differ from PyTorch's by up to"),
        ([], "moved", "landmarks differ from PyTorch's by up to 1.00e-01"),
        (["--tolerance", "1", "--landmark-tolerance", "1e3"], "constant", "not tell faces apart"),
        ([], "invalid", "the file is not valid"),
    ],
    ids=["no tolerance", "none for landmarks", "off", "moved", "constant", "invalid"],
)
def test_an_export_that_fails_leaves_what_was_there(folder, export, arguments, graph, message):
    code, said = export(*arguments, graph=graph)
    assert code == 1
    assert said.splitlines()[-1].startswith("not exported")
    assert message in said
    assert names(folder) == ["faces", "net.pt"]

    (folder / "net.onnx").write_bytes(b"an older export")
    assert export(*arguments, graph=graph)[0] == 1
    assert (folder / "net.onnx").read_bytes() == b"an older export"
    assert names(folder) == ["faces", "net.onnx", "net.pt"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interruption_leaves_nothing(folder, export, monkeypatch, error):
    def interrupt(*arguments):
        raise error

    monkeypatch.setattr("export.judge.compare", interrupt)
    if error is KeyboardInterrupt:
        assert export()[0] == 130
    else:
        with pytest.raises(error):
            export()
    assert names(folder) == ["faces", "net.pt"]


def bad_checkpoints(folder, model):
    whole = (folder / "net.pt").read_bytes()
    (folder / "truncated.pt").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.pt").write_bytes(b"")
    (folder / "text.pt").write_text("weights")
    torch.save(model.state_dict(), folder / "weights_only.pt")
    save_checkpoint(folder / "thresholds.pt", model, {"thresholds": [0.5]})
    return {
        "missing.pt": "no such file",
        "truncated.pt": "truncated",
        "empty.pt": "is empty",
        "text.pt": "not a PyTorch checkpoint",
        "weights_only.pt": "not a checkpoint of lgrnet",
        "thresholds.pt": "2 AUs but 1 thresholds",
    }


def test_bad_checkpoints_are_refused_in_one_line(folder, export, model):
    cases = bad_checkpoints(folder, model)
    before = names(folder)
    for name, message in cases.items():
        code, said = export(checkpoint=folder / name)
        assert code == 2
        assert said.count("\n") == 1
        assert said.startswith("error: ")
        assert name in said
        assert message in said
    assert names(folder) == before
    with pytest.raises(CheckpointError, match="empty"):
        export_onnx(folder / "empty.pt", faces=folder / "faces")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "model.pt"], r"output model.pt: give a name that ends in .onnx"),
        (["--faces", "nowhere"], "--faces nowhere: no such folder"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(folder, export, arguments, message):
    code, said = export(*arguments)
    assert code == 2
    assert said.count("\n") == 1
    assert message in said
    assert names(folder) == ["faces", "net.pt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch": 0}, "batch: must be at least 1, got 0"),
        ({"tolerance": -1}, "tolerance: must be at least 0"),
        ({"tolerance": math.nan}, "tolerance: must be at least 0"),
        ({"held_out_faces": 0}, "held-out faces: must be at least 1"),
    ],
)
def test_wrong_numbers_are_refused(folder, arguments, message):
    with pytest.raises(ValueError, match=message):
        export_onnx(folder / "net.pt", faces=folder / "faces", **arguments)
    with pytest.raises(ValueError, match=r"bound f1: must be at least 0, got -1\.0"):
        Bounds(f1=-1.0)
    with pytest.raises(ValueError, match="bound change: must be at least 0"):
        Bounds(change=math.nan)
    assert names(folder) == ["faces", "net.pt"]


def test_an_output_that_is_a_folder_or_lies_in_a_file_is_refused(folder, export):
    (folder / "a.onnx").mkdir()
    assert export("-o", folder / "a.onnx") == (
        2,
        f"error: output {folder}/a.onnx is a folder: give the name of a file\n",
    )
    code, said = export("-o", folder / "net.pt" / "model.onnx")
    assert code == 2
    assert "a file is in its place" in said


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        *(["--batch", "many", "x.pt"], ["--batch", "0", "x.pt"], ["--tolerance", "nan", "x.pt"]),
        *(["--held-out-faces", "0", "x.pt"], ["--max-f1-loss", "-1", "x.pt"]),
        ["--opset", "9", "x.pt"],
        ["--precision", "int4", "x.pt"],
        ["--engine", "tvm", "x.pt"],
        ["--graph", "fused", "x.pt"],
    ],
)
def test_the_parser_refuses_what_it_does_not_know(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_run_as_a_file_it_says_how_to_run_it():
    done = subprocess.run(
        [sys.executable, ROOT / "export" / "onnx.py", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "run `python -m export.onnx`" in done.stderr
