"""ONNX Runtime on NVIDIA GPUs, where there is none: sessions that claim to be on one."""

import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
from test_runtime_backends import faces
from test_runtime_fixtures import write_model

from runtime.backends import open_backend, ort
from runtime.backends.ort_gpu import (
    CUDA,
    TENSORRT,
    BoundSession,
    missing_library,
    providers,
    tensorrt_precision,
)
from runtime.errors import DeviceError, ModelError


class FakeSession:
    """Takes any provider, and makes those in `works` active, like ONNX Runtime."""

    works = ("CPUExecutionProvider",)

    def __init__(self, path, options, providers) -> None:
        self.real = ORIGINAL_SESSION(path, options, providers=["CPUExecutionProvider"])
        names = [p if isinstance(p, str) else p[0] for p in providers]
        self.active = [name for name in names if name in self.works]

    def __getattr__(self, name):
        return getattr(self.real, name)

    def get_providers(self) -> list[str]:
        return self.active


ORIGINAL_SESSION = onnxruntime.InferenceSession


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_cuda_that_is_not_built_in(monkeypatch, tmp_path, device):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(DeviceError, match=r'without CUDA.*-e "\.\[gpu\]"'):
        open_backend(write_model(tmp_path / "m.onnx"), device)


def test_cuda_that_does_not_become_active(monkeypatch, tmp_path):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA])
    monkeypatch.setattr(onnxruntime, "InferenceSession", FakeSession)
    path = write_model(tmp_path / "m.onnx")
    with pytest.raises(DeviceError, match="device 1 could not be used: check nvidia-smi"):
        open_backend(path, "cuda:1")
    assert open_backend(path, "auto").device == "cpu"


def test_cuda_that_works(monkeypatch, tmp_path):
    asked = []

    def session(path, options, providers):
        asked.append(providers)
        return FakeSession(path, options, providers)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA])
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    monkeypatch.setattr(FakeSession, "works", (CUDA,))
    monkeypatch.setattr(ort, "BoundSession", bound_on_the_cpu)
    for device, index in [("cuda", 0), ("cuda:1", 1), ("auto", 0)]:
        asked.clear()
        backend = open_backend(write_model(tmp_path / "m.onnx"), device)
        assert backend.device == f"cuda:{index}"
        assert backend.provider.endswith(f"{CUDA}, CUDA graph")
        # An fp32 file is computed in fp32, not in TF32.
        options = {"device_id": index, "use_tf32": 0, "enable_cuda_graph": 1}
        assert asked[-1][0] == (CUDA, options)


def bound_on_the_cpu(module, session, spec, device, index):
    assert device == "cuda"
    return BoundSession(module, session, spec, "cpu", 0)


@pytest.mark.parametrize(("count", "intensity"), [(1, False), (3, True), (5, False)])
def test_a_bound_session_says_what_a_free_one_says(monkeypatch, tmp_path, count, intensity):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA])
    monkeypatch.setattr(onnxruntime, "InferenceSession", FakeSession)
    monkeypatch.setattr(FakeSession, "works", (CUDA,))
    monkeypatch.setattr(ort, "BoundSession", bound_on_the_cpu)
    path = write_model(tmp_path / "m.onnx", batch=2, intensity=intensity)
    free, bound = open_backend(path), open_backend(path, "cuda")
    first, second = faces(count), faces(count + 1)
    kept = bound(first)
    for a, b in zip(bound(second), free(second), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(kept, free(first), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_graph_that_cannot_be_recorded_is_said(monkeypatch, tmp_path, caplog):
    def session(path, options, providers):
        if providers[0][1]["enable_cuda_graph"]:
            raise RuntimeError("not all nodes are on CUDA\nmore")
        return FakeSession(path, options, providers)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA])
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    monkeypatch.setattr(FakeSession, "works", (CUDA,))
    monkeypatch.setattr(ort, "BoundSession", bound_on_the_cpu)
    backend = open_backend(write_model(tmp_path / "m.onnx"), "cuda")
    assert "not recorded as a CUDA graph: not all nodes are on CUDA" in caplog.text
    assert backend.provider.endswith(CUDA)


def test_tensorrt_in_onnxruntime(monkeypatch, tmp_path):
    asked = []

    def session(path, options, providers):
        asked.append(providers)
        return FakeSession(path, options, providers)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [TENSORRT, CUDA])
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    monkeypatch.setattr(FakeSession, "works", (TENSORRT, CUDA))
    monkeypatch.setattr(ort, "BoundSession", bound_on_the_cpu)
    path = write_model(tmp_path / "m.onnx", precision="fp16")
    backend = open_backend(path, "cuda:2", backend="tensorrt")
    assert (backend.engine, backend.device, backend.precision) == ("tensorrt", "cuda:2", "fp16")
    assert f"{TENSORRT}, CUDA graph" in backend.provider
    name, options = asked[-1][0]
    assert name == TENSORRT
    assert options["device_id"] == 2
    assert asked[-1][1] == (CUDA, {"device_id": 2, "use_tf32": 0})
    assert options["trt_fp16_enable"]
    assert options["trt_engine_cache_enable"]
    folder = tmp_path / "cache" / "lgrnet" / "tensorrt"
    assert options["trt_timing_cache_path"] == str(folder)
    engines = Path(options["trt_engine_cache_path"])
    assert engines.is_dir()
    assert engines.parent == folder
    with pytest.raises(DeviceError, match="device 'cpu' was asked for, but TensorRT runs on"):
        open_backend(path, "cpu", backend="tensorrt")


def test_auto_is_the_cpu_where_the_gpu_opens_and_does_not_run(monkeypatch, tmp_path):
    class Broken(BoundSession):
        def __call__(self, faces):
            raise RuntimeError("CUDNN_STATUS_EXECUTION_FAILED\nmore")

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA])
    monkeypatch.setattr(onnxruntime, "InferenceSession", FakeSession)
    monkeypatch.setattr(FakeSession, "works", (CUDA,))
    monkeypatch.setattr(ort, "BoundSession", lambda m, s, spec, *_: Broken(m, s, spec, "cpu", 0))
    path = write_model(tmp_path / "m.onnx")
    with pytest.raises(DeviceError, match="cannot run the model there: CUDNN_STATUS"):
        open_backend(path, "cuda")
    backend = open_backend(path, "auto")
    assert backend.device == "cpu"
    assert len(backend(faces(2)).probability) == 2


def test_models_of_one_name_do_not_share_tensorrt_engines(monkeypatch, tmp_path):
    """ONNX Runtime would take the engine of the first: it looks at names, not at weights."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    folders = []
    for run in ("run1", "run2", "run1"):
        path = tmp_path / run / "best.onnx"
        path.parent.mkdir(exist_ok=True)
        write_model(path, batch=1 + (run == "run2"))
        (_, options), *_ = providers(TENSORRT, 0, "fp32", True, path)
        folders.append(options["trt_engine_cache_path"])
    assert folders[0] == folders[2] != folders[1]
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")  # what was built with TF32 is no fp32
    (_, options), *_ = providers(TENSORRT, 0, "fp32", True, path)
    assert options["trt_engine_cache_path"] not in folders


@pytest.mark.parametrize(
    ("precision", "environment", "computes"),
    [("fp32", None, "tf32"), ("fp32", "1", "tf32"), ("fp32", "0", "fp32"), ("fp16", None, "fp16")],
)
def test_tensorrts_provider_may_take_tf32(monkeypatch, precision, environment, computes):
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    if environment:
        monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", environment)
    assert tensorrt_precision(precision) == computes


def test_a_recording_that_fails_at_the_first_run_is_said_at_opening(monkeypatch, tmp_path, caplog):
    recorded = []

    def session(path, options, providers):
        recorded.append(providers[0][1]["enable_cuda_graph"])
        return FakeSession(path, options, providers)

    class Bound(BoundSession):
        def __call__(self, faces):
            if recorded[-1]:
                raise RuntimeError("cudaErrorStreamCaptureUnsupported\nmore")
            return super().__call__(faces)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA])
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    monkeypatch.setattr(FakeSession, "works", (CUDA,))
    monkeypatch.setattr(ort, "BoundSession", lambda m, s, spec, *_: Bound(m, s, spec, "cpu", 0))
    backend = open_backend(write_model(tmp_path / "m.onnx"), "cuda")
    assert "not recorded as a CUDA graph: cudaErrorStreamCaptureUnsupported" in caplog.text
    assert recorded == [1, 0]
    assert backend.provider.endswith(CUDA)
    assert len(backend(faces(1)).probability) == 1


def test_tensorrt_that_is_not_built_in(monkeypatch, tmp_path):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    model = write_model(tmp_path / "m.onnx")
    for device in ("cuda", "auto"):
        with pytest.raises(
            DeviceError, match=r"^backend 'tensorrt' was asked for.*without TensorRT.*\.\[gpu\]"
        ) as caught:
            open_backend(model, device, backend="tensorrt")
        assert str(caught.value).endswith("or give backend onnxruntime"), "the CPU has none"


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler to make a library with")
def test_a_missing_library_is_named(monkeypatch, tmp_path):
    folder = tmp_path / "onnxruntime" / "capi"
    folder.mkdir(parents=True)
    (tmp_path / "empty.c").write_text("int lgrnet_nothing(void) { return 0; }\n")

    def library(name, *others):
        command = ["cc", "-shared", "-fPIC", tmp_path / "empty.c", "-o", folder / name]
        subprocess.run([*command, "-L", folder, "-Wl,--no-as-needed", *others], check=True)

    library("libcudnn_of_a_test.so")
    library("libonnxruntime_providers_shared.so")
    library("libonnxruntime_providers_cuda.so", "-lcudnn_of_a_test")
    (folder / "libcudnn_of_a_test.so").unlink()
    found = SimpleNamespace(__file__=str(folder.parent / "__init__.py"))
    assert "libcudnn_of_a_test.so: cannot open" in missing_library(CUDA, found)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA])
    monkeypatch.setattr(onnxruntime, "InferenceSession", FakeSession)
    monkeypatch.setattr(onnxruntime, "__file__", found.__file__)
    with pytest.raises(DeviceError, match=r"could not be used \(libcudnn_of_a_test.so: cannot"):
        open_backend(write_model(tmp_path / "m.onnx"), "cuda")


def test_without_the_provider_no_library_is_missing(tmp_path):
    assert missing_library(CUDA, SimpleNamespace(__file__=str(tmp_path / "__init__.py"))) == ""


def test_auto_without_cuda_is_the_cpu_and_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    backend = open_backend(write_model(tmp_path / "m.onnx"), "auto")
    assert backend.device == "cpu"
    assert "CPU" in backend.provider


@pytest.mark.parametrize("device", ["auto", "cuda", "cuda:0"])
def test_damaged_model_is_no_device_error(monkeypatch, tmp_path, device):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA])
    monkeypatch.setattr(onnxruntime, "InferenceSession", FakeSession)
    (tmp_path / "m.onnx").write_bytes(b"hello")
    with pytest.raises(ModelError, match="damaged, or not an ONNX file"):
        open_backend(tmp_path / "m.onnx", device)


def test_damaged_model_is_no_other_error_in_tensorrt(monkeypatch, tmp_path):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [TENSORRT, CUDA])
    monkeypatch.setattr(onnxruntime, "InferenceSession", FakeSession)
    (tmp_path / "m.onnx").write_bytes(b"hello")
    with pytest.raises(ModelError, match="damaged, or not an ONNX file"):
        open_backend(tmp_path / "m.onnx", "cuda", backend="tensorrt")


@pytest.mark.gpu
def test_cuda_equals_cpu(tmp_path):
    path = write_model(tmp_path / "m.onnx", batch=2)
    if CUDA not in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime was built without CUDA")
    outputs = (open_backend(path, device)(faces(3)) for device in ("cpu", "cuda"))
    for a, b in zip(*outputs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)
