"""Engines are built for real by TensorRT for RTX, which needs no GPU; nothing here runs them."""

import json
import logging
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import fake_cuda
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from tiny_network import draw_faces, tiny_network

from export.errors import ExportError
from export.half import halve
from export.plain import PlainGraph
from export.serialise import save, to_onnx
from export.tensorrt import build
from export.tensorrt.__main__ import main
from export.tensorrt.build import RTX_TARGETS, build_engine
from export.tensorrt.network import parse, read_onnx
from lgrnet.network.build import build_network
from lgrnet.network.config import model_config
from runtime.backends.tensorrt_plan import read_plan, sidecar, write_plan
from runtime.files.digest import file_sha256
from runtime.installed import how_to_install
from runtime.packaged import model_path
from runtime.spec import ModelSpec

rtx = pytest.importorskip("tensorrt_rtx")


def spec_of(model, **changes) -> ModelSpec:
    aus = model.config.aus
    fields = {
        **{"preset": "edge", "aus": aus, "thresholds": (0.5,) * len(aus), "precision": "fp32"},
        **{"graph": "plain", "engine": "onnxruntime", "batch": 1, "training_data": "none"},
        **{"licence": "CC0-1.0", "checkpoint_sha256": "0" * 64, "versions": {}},
        "intensity": model.config.intensity,
    }
    return ModelSpec(**{**fields, **changes})


def write(path, model, **changes):
    spec = spec_of(model, **changes)
    save(to_onnx(PlainGraph(model), spec.batch, spec.outputs), spec, path)
    return path


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tensorrt")
    changes = {"relation": "none", "fusion": False}  # which are traced sooner
    return write(folder / "tiny.onnx", tiny_network(aus=[1, 12], intensity=True, **changes))


@pytest.fixture
def model(original, tmp_path):
    path = tmp_path / "tiny.onnx"
    path.write_bytes(original.read_bytes())
    return path


def network_of(path):
    """Have the library parse a file; the network, the graph, and what must not be dropped."""
    proto = read_onnx(path)
    log = rtx.Logger(rtx.Logger.ERROR)
    builder = rtx.Builder(log)
    network = parse(rtx, builder, proto, log)
    return network, proto, (builder, log)  # which have to live as long


def test_the_cast_in_front_changes_nothing(original):
    before = onnxruntime.InferenceSession(str(original), providers=["CPUExecutionProvider"])
    after = onnxruntime.InferenceSession(
        read_onnx(original).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for face in draw_faces(3):
        results = (session.run(None, {"face": face[None]}) for session in (before, after))
        for a, b in zip(*results, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)
    graph = read_onnx(original).graph
    assert [node.op_type for node in graph.node if "face" in node.input] == ["Cast"]


def test_it_reads_every_output_with_its_shape(original):
    network, proto, _kept = network_of(original)
    outputs = [network.get_output(place) for place in range(network.num_outputs)]
    assert {out.name: tuple(out.shape) for out in outputs} == {
        "au_probability": (1, 2),
        "landmarks": (1, 49, 2),
        "au_intensity": (1, 2),
    }
    assert {out.dtype for out in outputs} == {rtx.float32}
    assert network.get_input(0).dtype == rtx.uint8
    layers = {network.get_layer(place).name for place in range(network.num_layers)}
    convolutions = [node.name for node in proto.graph.node if node.op_type == "Conv"]
    assert convolutions
    assert set(convolutions) <= layers


@pytest.mark.parametrize(
    ("preset", "precision", "size"), [("edge", "fp32", 4), ("paper", "fp16", 2)]
)
def test_presets_are_built(tmp_path, preset, precision, size):
    torch.manual_seed(0)  # of two AUs, as every further one adds the same again
    model = build_network(model_config(preset, aus=[1, 12])).eval()
    weights = sum(parameter.numel() for parameter in model.parameters())
    path = write(tmp_path / "m.onnx", model, preset=preset)
    if precision == "fp16":
        halve(path, tmp_path / "half.onnx")
        save(onnx.load(tmp_path / "half.onnx"), spec_of(model, precision="fp16"), path)
    engine = build_engine(path, flavour="rtx", targets=["8.6"])
    assert read_plan(engine).spec.precision == precision
    assert engine.stat().st_size > 0.8 * size * weights, "it does not hold all weights"


def test_an_engine_and_what_it_says(model, caplog):
    caplog.set_level(logging.INFO)
    engine = build_engine(model, flavour="rtx")
    assert engine == model.with_name("tiny_rtx.engine")
    plan = read_plan(engine)
    assert plan.flavour == "rtx"
    assert plan.version == rtx.__version__
    assert plan.targets == RTX_TARGETS
    assert plan.gpu is None
    assert plan.onnx_sha256 == file_sha256(model)
    assert plan.engine_sha256 == file_sha256(engine)
    assert plan.spec.engine == "tensorrt"
    assert plan.spec.aus == (1, 12)
    assert plan.shapes == {
        **{"face": (1, 176, 176, 3), "au_probability": (1, 2)},
        **{"landmarks": (1, 49, 2), "au_intensity": (1, 2)},
    }
    assert "fp32 rtx for compute capability 8.0, 8.6, 8.9, 12.0" in caplog.text


def test_an_engine_that_fits_is_not_built_again(model, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    contents = iter([f"engine {number}".encode() for number in range(9)])
    monkeypatch.setattr("export.tensorrt.build._compile", lambda *_: next(contents))
    engine = build_engine(model, flavour="rtx", targets=["8.6"])

    def again(**options):
        caplog.clear()
        before = engine.read_bytes()
        assert build_engine(model, flavour="rtx", **{"targets": ["8.6"], **options}) == engine
        assert read_plan(engine).engine_sha256 == file_sha256(engine)
        return engine.read_bytes() != before

    assert not again()
    assert "is up to date" in caplog.text
    assert again(targets=["8.6", "8.9"])
    assert "built again: it was built for compute capability 8.6, and not for 8.9" in caplog.text
    assert again()  # a smaller one is wanted
    assert "built again: it was also built for compute capability 8.9" in caplog.text
    assert again(force=True)
    assert not again()
    write_plan(engine, replace(read_plan(engine), version="1.0"))
    assert again()
    assert f"it was built by rtx 1.0, here is {rtx.__version__}" in caplog.text
    sidecar(engine).unlink()
    assert again()
    assert "has no tiny_rtx.engine.json" in caplog.text
    proto = onnx.load(model)
    proto.producer_version = "another"
    onnx.save(proto, model)
    assert again()
    assert "built from another model" in caplog.text


def test_graphs_that_tensorrt_cannot_read_name_the_node(tmp_path):
    path = Path(shutil.copy(model_path("edge"), tmp_path / "w.onnx"))  # a Winograd graph
    with pytest.raises(ExportError, match=r"cannot read the graph \(.*ScatterND.*--graph plain"):
        build_engine(path, flavour="rtx")
    assert [each.name for each in tmp_path.iterdir()] == ["w.onnx"]


def test_what_cannot_be_built_says_why(model, monkeypatch):
    # Turing, which the library knows: no float32 products there.
    monkeypatch.setattr("export.tensorrt.build.RTX_TARGETS", ("7.5",))
    with pytest.raises(ExportError, match=r"could not build the graph for 7.5: .*FP32"):
        build_engine(model, flavour="rtx")
    assert not model.with_name("tiny_rtx.engine").exists()


@pytest.mark.parametrize("target", ["9.0", "7.5", "8", "sm86"])
def test_targets_that_it_does_not_know(model, target):
    with pytest.raises(ValueError, match=rf"target '{target}': .*8.0, 8.6, 8.9, 12.0"):
        build_engine(model, flavour="rtx", targets=["8.6", target])


def test_wrong_input(model, tmp_path, capsys):
    def code(*arguments):
        result = main([*map(str, arguments)])
        return result, capsys.readouterr().err

    assert code(tmp_path / "no.onnx", "--flavour", "rtx") == (
        *(2, f"error: model {tmp_path / 'no.onnx'} does not exist\n"),
    )
    result, said = code(model, "--flavour", "rtx", "-o", tmp_path / "m.trt")
    assert result == 2
    assert "ends in .engine" in said
    (tmp_path / "text.onnx").write_text("hello")
    result, said = code(tmp_path / "text.onnx", "--flavour", "rtx")
    assert result == 1
    assert "is not an ONNX file" in said
    foreign = onnx.load(model)
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")
    result, said = code(tmp_path / "foreign.onnx", "--flavour", "rtx")
    assert result == 2
    assert "no lgrnet metadata" in said
    assert code(model, "--flavour", "rtx", "--targets", "8.6", "-o", tmp_path / "ok.engine")[0] == 0
    assert json.loads((tmp_path / "ok.engine.json").read_text())["targets"] == ["8.6"]


def test_a_tensorrt_that_is_not_installed(model, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert main([str(model)]) == 2
    assert how_to_install("tensorrt") in capsys.readouterr().err
    with pytest.raises(ValueError, match="flavour 'trt': give one of tensorrt, rtx"):
        build_engine(model, flavour="trt")


@pytest.mark.parametrize("fits", [True, False])
def test_a_timing_cache_that_does_not_fit_is_begun_anew(tmp_path, caplog, fits):
    class Config:
        """Takes caches of this GPU only, as TensorRT's does."""

        used = None

        @staticmethod
        def create_timing_cache(content):
            return content

        def set_timing_cache(self, cache, ignore_mismatch):
            assert not ignore_mismatch
            if cache not in (b"", b"of this GPU"):
                return False
            self.used = cache
            return True

    config, file = Config(), tmp_path / "m.timing"
    caplog.set_level("INFO")
    assert build._timing_cache(config, file) == config.used == b""  # the first time
    file.write_bytes(b"of this GPU" if fits else b"of another")
    assert build._timing_cache(config, file) == config.used == (b"of this GPU" if fits else b"")
    assert ("is of another GPU" in caplog.text) == (not fits)


def test_tensorrt_builds_for_the_gpu_that_is_there(model, monkeypatch):
    # The other flavour's interface is the same, so it stands in for it on a GPU that is made up.
    gpu = fake_cuda.Gpu("NVIDIA Fake", (9, 0))
    fake_cuda.install(monkeypatch, gpu, None)
    monkeypatch.setitem(sys.modules, "tensorrt", rtx)
    with pytest.raises(ValueError, match="targets: TensorRT builds for its GPU only"):
        build_engine(model, targets=["8.6"])
    compiled = build._compile

    def compile_there(*given):
        assert gpu.pushed == 1, "TensorRT builds for the GPU that is current"
        return compiled(*given)

    monkeypatch.setattr(build, "_compile", compile_there)
    engine = build_engine(model)
    assert gpu.pushed == 0
    plan = read_plan(engine)
    assert engine.name == "tiny.engine"
    assert (plan.flavour, plan.gpu, plan.targets) == ("tensorrt", "NVIDIA Fake", ("9.0",))
    assert engine.with_suffix(".timing").exists()
