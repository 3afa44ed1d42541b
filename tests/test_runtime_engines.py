"""The choice of engine, precision and threads, through `Detector` and the command line."""

import cv2
import numpy as np
import pytest
from test_runtime_fixtures import SpotFinder, write_model

from runtime import Detector, cli
from runtime.cli import main
from runtime.errors import DeviceError
from runtime.spec import ONNX_ENGINES


@pytest.fixture(params=ONNX_ENGINES)
def engine(request) -> str:
    pytest.importorskip(request.param)
    return request.param


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "m.onnx", precision="int8")


@pytest.fixture
def picture(tmp_path):
    cv2.imwrite(str(tmp_path / "black.png"), np.zeros((64, 64), np.uint8))
    return tmp_path / "black.png"


def test_detector_says_what_is_active(model, engine):
    detector = Detector(model, finder=SpotFinder(), threads=1, backend=engine)
    version = __import__(engine).__version__.partition("-")[0]
    provider = {"onnxruntime": "CPUExecutionProvider", "openvino": "CPU"}[engine]
    assert repr(detector) == (
        f"Detector(tiny int8 on cpu, {engine} {version} {provider}, 1 thread, finder spot)"
    )
    assert (detector.backend, detector.precision, detector.threads) == (engine, "int8", 1)


def test_repr_has_the_active_precision_beside_the_file_s(tmp_path, engine):
    model = write_model(tmp_path / "half.onnx", precision="fp16")
    detector = Detector(model, backend=engine)
    assert "tiny fp16 file computed in fp32 on cpu" in repr(detector)
    assert detector.spec.precision == "fp16"


def test_detector_passes_the_precision_on(model):
    with pytest.raises(DeviceError, match="give backend 'openvino' too"):
        Detector(model, precision="bf16")
    with pytest.raises(ValueError, match="precision 'half' is unknown"):
        Detector(model, precision="half")
    with pytest.raises(ValueError, match="backend 'tvm' is unknown"):
        Detector(model, backend="tvm")


def test_command_line(tmp_path, capsys, monkeypatch, model, picture, engine):
    given = []
    monkeypatch.setattr(cli.cv2, "setNumThreads", given.append)
    arguments = [str(picture), "--out", str(tmp_path / "out"), "--model", str(model)]
    arguments += ["--backend", engine, "--threads", "1", "--no-progress"]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert f"tiny int8 on cpu, {engine}" in said.splitlines()[0]
    assert given == [1]
    # The fixture's spec names ONNX Runtime.
    advice = "this file was tuned for onnxruntime: give --backend onnxruntime"
    assert (advice in said.splitlines()) == (engine != "onnxruntime")


def test_opencv_gets_as_many_threads_as_the_network(
    tmp_path, capsys, monkeypatch, model, picture, engine
):
    given = []
    monkeypatch.setattr(cli.cv2, "setNumThreads", given.append)
    arguments = [str(picture), "--out", str(tmp_path / "out"), "--model", str(model)]
    assert main([*arguments, "--backend", engine, "--no-progress"]) == 0
    assert f", {given[0]} threads, " in capsys.readouterr().out
    assert len(given) == 1


def test_bf16_with_onnxruntime_is_one_line(tmp_path, capsys, model, picture):
    out = ["--out", str(tmp_path / "out")]
    assert main([str(picture), *out, "--model", str(model), "--precision", "bf16"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "give backend 'openvino' too" in error


@pytest.mark.parametrize("arguments", [["--backend", "tvm"], ["--precision", "fp8"]])
def test_unknown_choices_on_the_command_line(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "invalid choice" in capsys.readouterr().err
