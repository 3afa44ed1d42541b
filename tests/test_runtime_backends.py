import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from test_runtime_fixtures import MEAN_FACE, write_model

from runtime.backends import open_backend
from runtime.backends import ort as ort_backend
from runtime.errors import DeviceError, ModelError, SpecError


def faces(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 176, 176, 3), np.uint8)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7])
def test_any_number_of_faces(tmp_path, batch, count):
    backend = open_backend(write_model(tmp_path / "m.onnx", batch=batch))
    crops = faces(count)
    probability, landmarks = backend(crops)
    np.testing.assert_allclose(probability, crops.mean((1, 2)) / 255, atol=1e-5)
    grey = crops.mean(3)
    grid = np.arange(176) - 87.5
    mass = grey.sum((1, 2))
    shift = np.stack([(grey * grid).sum((1, 2)), (grey * grid[:, None]).sum((1, 2))], -1)
    expected = MEAN_FACE + (shift / mass[:, None])[:, None]
    np.testing.assert_allclose(landmarks, expected, atol=1e-3)
    assert probability.dtype == landmarks.dtype == np.float32


def test_describes_itself(tmp_path):
    backend = open_backend(str(write_model(tmp_path / "m.onnx")), threads=2)
    assert (backend.device, backend.threads, backend.spec.preset) == ("cpu", 2, "tiny")
    assert backend.provider == f"onnxruntime {onnxruntime.__version__} CPUExecutionProvider"
    assert open_backend(tmp_path / "m.onnx").threads >= 1


def test_wrong_crops_are_refused(tmp_path):
    backend = open_backend(write_model(tmp_path / "m.onnx"))
    with pytest.raises(ValueError, match=r"takes \(1, 176, 176, 3\) uint8, got"):
        backend(faces(1).astype(np.float32))


def test_closed(tmp_path):
    backend = open_backend(write_model(tmp_path / "m.onnx"))
    backend.close()
    with pytest.raises(RuntimeError, match="has been closed"):
        backend(faces(1))


def test_missing_model(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.onnx does not exist"):
        open_backend(tmp_path / "no.onnx")


def test_folder_as_model(tmp_path):
    with pytest.raises(ModelError, match="is not a file"):
        open_backend(tmp_path)


def test_checkpoint_as_model(tmp_path):
    (tmp_path / "edge.pt").write_bytes(b"PK")
    with pytest.raises(ModelError, match=r"edge\.pt.*only \.onnx.*python -m export\.onnx"):
        open_backend(tmp_path / "edge.pt")


@pytest.mark.parametrize("content", [b"", b"hello, no model", None])
def test_damaged_model(tmp_path, content):
    path = write_model(tmp_path / "m.onnx")
    path.write_bytes(path.read_bytes()[:2000] if content is None else content)
    with pytest.raises((ModelError, SpecError), match=r"m\.onnx") as caught:
        open_backend(path)
    assert "\n" not in str(caught.value)


def test_model_without_our_metadata(tmp_path):
    with pytest.raises(SpecError, match=r"m\.onnx holds no lgrnet metadata.*export"):
        open_backend(write_model(tmp_path / "m.onnx", metadata={"author": "someone"}))


def test_model_that_breaks_its_contract(tmp_path):
    path = write_model(tmp_path / "m.onnx", batch=2)
    model = onnx.load(path)
    model.graph.output[0].name, model.graph.node[2].output[0] = "scores", "scores"
    onnx.save(model, path)
    with pytest.raises(ModelError, match=r"'au_probability' should be.*\[2, 3\].*none"):
        open_backend(path)


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "CPU", ""])
def test_unknown_device(tmp_path, device):
    with pytest.raises(DeviceError, match=r"unknown device.*cpu, cuda"):
        open_backend(write_model(tmp_path / "m.onnx"), device)


def test_no_threads(tmp_path):
    with pytest.raises(DeviceError, match="give 1 or more"):
        open_backend(write_model(tmp_path / "m.onnx"), threads=0)


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
CUDA = "CUDAExecutionProvider"


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_cuda_that_is_not_built_in(monkeypatch, tmp_path, device):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(DeviceError, match=r"without CUDA.*lgrnet\[gpu\]"):
        open_backend(write_model(tmp_path / "m.onnx"), device)


def test_cuda_that_does_not_become_active(monkeypatch, tmp_path):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA])
    monkeypatch.setattr(onnxruntime, "InferenceSession", FakeSession)
    path = write_model(tmp_path / "m.onnx")
    with pytest.raises(DeviceError, match="device 1 could not be used: check nvidia-smi"):
        open_backend(path, "cuda:1")
    assert open_backend(path, "auto").device == "cpu"


def test_cuda_that_works(monkeypatch, tmp_path):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA])
    monkeypatch.setattr(onnxruntime, "InferenceSession", FakeSession)
    monkeypatch.setattr(FakeSession, "works", (CUDA,))
    for device, chosen in [("cuda", "cuda:0"), ("cuda:1", "cuda:1"), ("auto", "cuda:0")]:
        backend = open_backend(write_model(tmp_path / "m.onnx"), device)
        assert backend.device == chosen
        assert backend.provider.endswith(CUDA)


def test_auto_without_cuda_is_the_cpu_and_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    backend = open_backend(write_model(tmp_path / "m.onnx"), "auto")
    assert backend.device == "cpu"
    assert "CPU" in backend.provider


def test_damaged_model_is_no_device_error_on_auto(monkeypatch, tmp_path):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA])
    monkeypatch.setattr(onnxruntime, "InferenceSession", FakeSession)
    (tmp_path / "m.onnx").write_bytes(b"hello")
    with pytest.raises(ModelError, match="damaged, or not an ONNX file"):
        open_backend(tmp_path / "m.onnx", "auto")


def test_missing_onnxruntime(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r'pip install "lgrnet\[cpu\]"'):
        open_backend(write_model(tmp_path / "m.onnx"))


def test_cores_are_those_of_the_process():
    assert ort_backend._cores() >= 1


@pytest.mark.gpu
def test_cuda_equals_cpu(tmp_path):
    path = write_model(tmp_path / "m.onnx", batch=2)
    if CUDA not in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime was built without CUDA")
    outputs = (open_backend(path, device)(faces(3)) for device in ("cpu", "cuda"))
    for a, b in zip(*outputs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)
