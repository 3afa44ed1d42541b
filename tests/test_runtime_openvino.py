"""OpenVINO's own; what holds for every backend is in test_runtime_backends."""

import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from test_runtime_fixtures import write_model

from runtime.backends import open_backend
from runtime.backends import openvino as backend_module
from runtime.errors import DeviceError, ModelError
from runtime.packaged import model_path

openvino = pytest.importorskip("openvino")

ROOT = Path(__file__).parents[1]
HAS_BF16 = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
needs_bf16 = pytest.mark.skipif(not HAS_BF16, reason="this CPU has no bfloat16 arithmetic")


def compiled(backend):
    return backend._request.get_compiled_model()


def python(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_settings_are_active(tmp_path):
    backend = open_backend(write_model(tmp_path / "m.onnx"), threads=1, backend="openvino")
    properties = {
        name: compiled(backend).get_property(name)
        for name in ("INFERENCE_PRECISION_HINT", "INFERENCE_NUM_THREADS", "NUM_STREAMS")
    }
    assert properties["INFERENCE_PRECISION_HINT"] == openvino.Type.f32
    assert (properties["INFERENCE_NUM_THREADS"], properties["NUM_STREAMS"]) == (1, 1)
    assert "LATENCY" in str(compiled(backend).get_property("PERFORMANCE_HINT"))


def test_ctrl_c_is_no_crash_after_models_that_came_and_went(tmp_path):
    path = str(write_model(tmp_path / "m.onnx"))
    said = python(f"""
import signal
from runtime.backends import open_backend
first, second = (open_backend({path!r}, backend="openvino") for _ in range(2))
first.close()
del first
second.close()
del second
try:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("as ever")
""")
    assert said.endswith("as ever")


def test_threads_are_those_that_openvino_takes(tmp_path):
    backend = open_backend(write_model(tmp_path / "m.onnx"), threads=1024, backend="openvino")
    assert 1 <= backend.threads <= os.cpu_count()
    assert backend.threads == compiled(backend).get_property("INFERENCE_NUM_THREADS")


def test_auto_is_the_cpu(tmp_path):
    backend = open_backend(write_model(tmp_path / "m.onnx"), "auto", backend="openvino")
    assert backend.device == "cpu"


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_cuda_is_refused(tmp_path, device):
    with pytest.raises(DeviceError, match="not run on NVIDIA GPUs: give backend 'onnxruntime'"):
        open_backend(write_model(tmp_path / "m.onnx"), device, backend="openvino")


def arithmetic(backend) -> set[str]:
    """What convolutions really run in, from OpenVINO's execution graph."""
    infos = [node.get_rt_info() for node in compiled(backend).get_runtime_model().get_ops()]
    found = {
        info["runtimePrecision"].astype(str)
        for info in infos
        if info["layerType"].astype(str) == "Convolution"
    }
    assert found
    return found


def test_floats_stay_fp32_unless_asked():
    # By itself OpenVINO takes bf16 on every CPU that has it.
    assert arithmetic(open_backend(model_path(None), threads=1, backend="openvino")) == {"f32"}


@needs_bf16
def test_bf16_where_asked():
    backend = open_backend(model_path(None), "cpu", 1, "openvino", "bf16")
    assert backend.precision == "bf16"
    assert compiled(backend).get_property("INFERENCE_PRECISION_HINT") == openvino.Type.bf16
    assert "bf16" in arithmetic(backend)


@needs_bf16
@pytest.mark.parametrize(
    ("file", "active"), [("fp32", "bf16"), ("fp16", "bf16"), ("int8", "int8+bf16")]
)
def test_active_precision_with_bf16(tmp_path, file, active):
    path = write_model(tmp_path / "m.onnx", precision=file)
    backend = open_backend(path, "cpu", 1, "openvino", "bf16")
    assert (backend.spec.precision, backend.precision) == (file, active)


def test_bf16_on_a_cpu_without_it(tmp_path, monkeypatch):
    answers = {"OPTIMIZATION_CAPABILITIES": ["FP32", "INT8"], "FULL_DEVICE_NAME": "An Old CPU"}
    monkeypatch.setattr(openvino.Core, "get_property", lambda self, device, name: answers[name])
    path = write_model(tmp_path / "m.onnx")
    with pytest.raises(DeviceError, match=r"no bfloat16 .*\(An Old CPU\): give no precision"):
        open_backend(path, backend="openvino", precision="bf16")
    assert open_backend(path, backend="openvino").precision == "fp32"


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("chosen", ["f16", "f32", "bf16"])
def test_another_precision_than_asked_is_an_error(bf16, chosen):
    # Which CPU takes which hint differs, so the compiled model is made up here.
    class Compiled:
        def get_property(self, name):
            assert name == "INFERENCE_PRECISION_HINT"
            return getattr(openvino.Type, chosen)

    asked = "bf16" if bf16 else "f32"
    if chosen == asked:
        assert backend_module._floats(Compiled(), bf16) == asked.replace("f32", "fp32")
        return
    with pytest.raises(DeviceError, match=f"and chose {chosen.replace('f32', 'fp32')}"):
        backend_module._floats(Compiled(), bf16)


def test_operator_that_openvino_lacks(tmp_path):
    path = write_model(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.graph.node[2].op_type, model.graph.node[2].domain = "Unheard", "of.nobody"
    model.opset_import.append(onnx.helper.make_opsetid("of.nobody", 1))
    onnx.save(model, path)
    with pytest.raises(ModelError, match=r"m\.onnx cannot be opened by OpenVINO .*Unheard"):
        open_backend(path, backend="openvino")


def test_only_openvino_is_needed(tmp_path):
    path = write_model(tmp_path / "m.onnx")
    said = python(
        "import sys, runtime\n"
        "assert 'openvino' not in sys.modules\n"
        "for name in ('onnx', 'onnxruntime', 'torch'): sys.modules[name] = None\n"
        "from runtime.backends import open_backend\n"
        f"print(open_backend({str(path)!r}, backend='openvino').provider)"
    )
    assert said == f"openvino {openvino.__version__.partition('-')[0]} CPU"
