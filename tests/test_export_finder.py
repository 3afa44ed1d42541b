"""Face finders as ONNX, and what their command refuses."""

import json

import cv2
import numpy as np
import onnx
import pytest
import torch
from native_engine import require_native

from export.errors import ExportError
from export.finder import convert
from export.finder.__main__ import main
from lgrnet.finder.network import FinderNetwork
from lgrnet.finder.weights import save_finder
from runtime.finders.grids_native import KEY, NativeGrids
from runtime.finders.grids_opencv import INPUT, OUTPUTS
from runtime.native import library
from runtime.native.archive import read_archive

META = {"heads": 12, "persons": 2, "faces": 5, "backgrounds": 3, "pictures": {"count": 7}}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A small network whose batch norms have seen something, so that folding them matters."""
    torch.manual_seed(0)
    network = FinderNetwork((4, 6, 8, 8, 8), (1, 1, 1, 1), 8)
    network.train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(2, 3, 96, 96) * 255)
    path = tmp_path_factory.mktemp("finder") / "finder.pt"
    save_finder(path, network, META)
    return path


@pytest.fixture(scope="module")
def path(checkpoint, tmp_path_factory):
    made = tmp_path_factory.mktemp("exported") / "f.onnx"
    assert main([str(checkpoint), "-o", str(made), "--licence", "MIT"]) == 0
    return made


@pytest.mark.parametrize("size", [(64, 64), (96, 160), (352, 224)])
def test_the_file_computes_what_pytorch_does_at_any_size(checkpoint, path, size):
    onnxruntime = pytest.importorskip("onnxruntime")
    network, _ = convert.load_finder(checkpoint)
    blob = np.random.default_rng(1).uniform(0, 255, (1, 3, *size)).astype(np.float32)
    with torch.inference_mode():
        wanted = network(torch.from_numpy(blob))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    opened = cv2.dnn.readNetFromONNX(str(path))
    opened.setInput(blob, INPUT)
    for answers in (session.run(list(OUTPUTS), {INPUT: blob}), opened.forward(OUTPUTS)):
        for found, right in zip(answers, wanted, strict=True):
            np.testing.assert_allclose(found, right.numpy(), atol=1e-4)


def test_the_file_says_what_it_is(path):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    said = {each.key: each.value for each in model.metadata_props}
    assert said["format"] == "lgrnet-face-finder-1"
    assert said["licence"] == "MIT"
    assert "12 rendered heads of 2 people" in said["training_data"]
    assert "7 pictures without faces" in said["training_data"]
    assert "/" not in said["checkpoint"]
    text = model.SerializeToString()
    assert b"site-packages" not in text  # no stack traces
    assert [each.name for each in model.graph.output] == list(OUTPUTS)


@pytest.mark.parametrize("size", [(32, 32), (96, 160), (352, 224)])
def test_the_native_engine_computes_what_pytorch_does(checkpoint, tmp_path, size):
    """Channels that fill no vector, and one layer a stage that is not in the packaged network."""
    require_native()
    path = tmp_path / "f.npz"
    assert main([str(checkpoint), "-o", str(path), "--licence", "MIT"]) == 0
    network, _ = convert.load_finder(checkpoint)
    picture = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    blob = torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float32))
    with torch.inference_mode():
        wanted = network(blob)
    for found, right in zip(NativeGrids(3, path)(picture), wanted, strict=True):
        np.testing.assert_allclose(found, right[0].numpy(), atol=1e-4)
    told = json.loads(str(read_archive(path)[KEY]))
    assert told["licence"] == "MIT"
    assert "7 pictures without faces" in told["training_data"]
    assert told["widths"] == network.config["widths"]


@pytest.mark.parametrize("suffix", [".onnx", ".npz"])
def test_another_finder_is_not_written_over_by_a_wrong_one(
    checkpoint, path, tmp_path, monkeypatch, suffix
):
    require_native()
    traced = onnx.load(path)  # tracing takes most of the time here
    monkeypatch.setattr("export.finder.graph._trace", lambda network: traced)
    path = tmp_path / f"f{suffix}"
    path.write_bytes(b"before")
    monkeypatch.setattr(convert, "TOLERANCE", -1.0)
    with pytest.raises(ExportError, match="computes other outputs than PyTorch"):
        convert.export_finder(checkpoint, path)
    assert path.read_bytes() == b"before"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_an_engine_that_is_not_compiled_is_told_before(checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(library, "BUILT", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert main([str(checkpoint), "-o", str(tmp_path / "f.npz")]) == 2
    assert "python -m runtime.native" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_is_no_finder_is_refused(tmp_path, capsys):
    torch.save({"format": "lgrnet-checkpoint-1"}, tmp_path / "au.pt")
    for name, why in (("none.pt", "no such file"), ("au.pt", "has format")):
        assert main([str(tmp_path / name)]) == 2
        assert why in capsys.readouterr().err


def test_other_suffixes_are_refused(checkpoint, capsys):
    assert main([str(checkpoint), "-o", "finder.pt"]) == 2
    assert "ends in .onnx" in capsys.readouterr().err
