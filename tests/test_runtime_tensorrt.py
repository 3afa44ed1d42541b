"""TensorRT engines and their sidecars, on a machine that is made up (tests/fake_cuda.py)."""

import json
import sys
from dataclasses import replace
from types import ModuleType

import fake_cuda
import numpy as np
import pytest
from tiny_engine import SPEC, compute, faces, install, plan_of, write_engine

from runtime import Detector
from runtime.backends import open_backend
from runtime.backends.tensorrt_plan import read_plan, sidecar, write_plan
from runtime.errors import DeviceError, ModelError, SpecError


@pytest.fixture
def file(tmp_path):
    return write_engine(tmp_path)


@pytest.fixture
def gpu(monkeypatch):
    return install(monkeypatch)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
def test_any_number_of_faces_goes_through_the_gpu(gpu, file, count):
    backend = open_backend(file, "cuda")
    result = backend(faces(count))
    for got, wanted in zip(result[:2], compute(faces(count)), strict=False):
        np.testing.assert_allclose(got, wanted, atol=1e-6)
        assert got.dtype == np.float32
    assert result.intensity is None
    assert gpu.launches == -(-count // 2)
    assert gpu.pushed == 0


def test_the_gpus_own_time_and_its_kernels(gpu, file):
    backend = open_backend(file, "cuda")
    backend(faces(2))
    before = gpu.launches
    assert backend.gpu_seconds() == pytest.approx(0.25e-3)  # of one launch, in the stand-in
    assert gpu.launches == before + 1
    assert backend.kernels == 4, "the stand-in counts copies too: one there, the network, two back"
    assert gpu.pushed == 0


def test_a_batch_allocates_nothing_and_a_closed_engine_frees_all(gpu, file):
    backend = open_backend(file, "auto")
    before = dict(gpu.memory)
    first = backend(faces(2)).probability.copy()
    backend(faces(3))
    np.testing.assert_array_equal(backend(faces(2)).probability, first)
    assert gpu.memory.keys() == before.keys()
    assert len(before) == 3
    backend.close()
    assert not gpu.memory
    assert gpu.pushed == 0
    backend.close()  # which does nothing
    for call in (lambda: backend(faces(1)), backend.gpu_seconds):
        with pytest.raises(RuntimeError, match="closed"):
            call()


def test_it_says_what_is_active(gpu, file):
    backend = open_backend(file, "cuda:0")
    assert (backend.engine, backend.device, backend.precision) == ("tensorrt", "cuda:0", "fp16")
    assert backend.provider == "tensorrt_rtx 1.2.3, NVIDIA Fake"
    text = repr(Detector(file, device="cuda"))
    assert "fp16 on cuda:0, tensorrt_rtx 1.2.3, NVIDIA Fake" in text


def test_intensities(monkeypatch, tmp_path):
    spec = replace(SPEC, intensity=True)
    gpu = fake_cuda.Gpu()
    fake_cuda.install(monkeypatch, gpu, fake_cuda.tensorrt(gpu, spec, compute))
    path = tmp_path / "m.engine"
    path.write_bytes(b"engine")
    write_plan(path, plan_of(path, spec))
    backend = open_backend(path, "cuda")
    np.testing.assert_allclose(backend(faces(3)).intensity, compute(faces(3))[2], atol=1e-6)


def test_the_cpu_is_refused(gpu, file):
    with pytest.raises(DeviceError, match=r"'cpu' was asked for, but .*m.engine is for GPUs"):
        open_backend(file)
    with pytest.raises(ModelError, match=r"onnxruntime runs only .onnx"):
        open_backend(file, "cuda", backend="onnxruntime")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": "9.9"}, "built by rtx 9.9, here is 1.2.3"),
        ({"targets": ("8.0", "8.9")}, "compute capability 8.0, 8.9, and not for 8.6"),
    ],
)
def test_an_engine_for_something_else_is_refused_with_the_fix(gpu, file, changes, reason):
    write_plan(file, plan_of(file, **changes))
    with pytest.raises(ModelError, match=rf"{reason}.*export.tensorrt MODEL.onnx --flavour rtx"):
        open_backend(file, "cuda")


def test_an_engine_of_another_gpu_of_the_same_kind_is_told(gpu, file, caplog):
    write_plan(file, plan_of(file, gpu="NVIDIA Other"))
    caplog.set_level("INFO")
    open_backend(file, "cuda")
    assert "timed on NVIDIA Other, here is NVIDIA Fake" in caplog.text


def test_what_tensorrt_cannot_open(gpu, tmp_path):
    path = tmp_path / "bad.engine"
    path.write_bytes(b"something else")
    write_plan(path, plan_of(path))
    with pytest.raises(ModelError, match="cannot be opened by tensorrt_rtx"):
        open_backend(path, "cuda")


def test_an_engine_that_is_not_what_its_sidecar_says(gpu, file):
    write_plan(file, plan_of(file, replace(SPEC, batch=1)))
    with pytest.raises(ModelError, match=r"'face' should be uint8 \[1, .*has uint8 \[2, "):
        open_backend(file, "cuda")


def test_no_pycuda(monkeypatch, gpu, file):
    monkeypatch.setitem(sys.modules, "pycuda", None)
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    with pytest.raises(ImportError, match=r'pycuda is not installed.*-e "\.\[cuda\]"'):
        open_backend(file, "cuda")


def test_no_tensorrt(monkeypatch, gpu, file):
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    with pytest.raises(ImportError, match=r'tensorrt_rtx does not load.*-e "\.\[rtx\]"'):
        open_backend(file, "cuda")


def test_no_driver(monkeypatch, gpu, file):
    class Broken(ModuleType):
        def __getattr__(self, name):
            raise ImportError("libcuda.so.1: cannot open shared object file")

    monkeypatch.setitem(sys.modules, "pycuda", Broken("pycuda"))
    monkeypatch.delitem(sys.modules, "pycuda.driver")
    sys.modules["pycuda"].__path__ = []
    monkeypatch.setattr(sys, "meta_path", [_Finder(), *sys.meta_path])
    with pytest.raises(DeviceError, match=r"driver does not load \(libcuda.so.1: cannot open"):
        open_backend(file, "cuda")


class _Finder:
    """Finds pycuda.driver and fails to load it, as the real one without a driver."""

    def find_spec(self, name, path=None, target=None):
        if name == "pycuda.driver":
            raise ImportError("libcuda.so.1: cannot open shared object file")
        return None


def test_no_such_gpu(gpu, file):
    with pytest.raises(DeviceError, match="'cuda:3' was asked for, but there are 1 GPUs"):
        open_backend(file, "cuda:3")


def test_a_gpu_that_does_not_start(monkeypatch, gpu, file):
    def fail():
        raise fake_cuda.CudaError("no device")

    monkeypatch.setattr(sys.modules["pycuda.driver"], "init", fail)
    with pytest.raises(DeviceError, match=r"CUDA does not start \(no device\)"):
        open_backend(file, "cuda")


def test_a_sidecar_comes_back_as_it_was_written(file):
    assert read_plan(file) == plan_of(file)
    assert sidecar(file).name == "m.engine.json"


def test_broken_sidecars(gpu, file):
    again = r"build it again with `python -m export.tensorrt"
    path = sidecar(file)
    good = json.loads(path.read_text())
    path.unlink()
    with pytest.raises(ModelError, match=rf"has no m.engine.json beside it: {again}"):
        open_backend(file, "cuda")
    for text in ("", "[]", "{}", json.dumps({**good, "format": "x"}), json.dumps({**good, "x": 1})):
        path.write_text(text)
        with pytest.raises(ModelError, match=again):
            open_backend(file, "cuda")
    path.write_text(json.dumps({**good, "flavour": "vulkan"}))
    with pytest.raises(ModelError, match="flavour 'vulkan'"):
        open_backend(file, "cuda")
    path.write_text(json.dumps({**good, "spec": {}}))
    with pytest.raises(SpecError, match="no lgrnet metadata"):
        open_backend(file, "cuda")
    path.write_text(json.dumps(good))
    file.write_bytes(b"engine of another day")
    with pytest.raises(ModelError, match=r"is not the one that m.engine.json tells of"):
        open_backend(file, "cuda")


def test_a_gpu_without_room_to_run_it(monkeypatch, gpu, file):
    library = sys.modules["tensorrt_rtx"]
    engine = library.Runtime(None).deserialize_cuda_engine(b"engine")
    monkeypatch.setattr(type(engine), "create_execution_context", staticmethod(lambda: None))
    with pytest.raises(DeviceError, match=r"has no room to run .*m\.engine"):
        open_backend(file, "cuda")
    assert gpu.pushed == 0
