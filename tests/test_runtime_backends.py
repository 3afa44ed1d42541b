"""What holds for every backend, and ONNX Runtime's own; OpenVINO's is in test_runtime_openvino."""

import gc
import logging
import re
import sys
import weakref

import numpy as np
import onnx
import onnxruntime
import pytest
from test_runtime_fixtures import MEAN_FACE, make_spec, write_model

from runtime import backends
from runtime.backends import open_backend
from runtime.errors import DeviceError, ModelError, SpecError
from runtime.finders.grids_opencv import MODEL as FINDER
from runtime.installed import how_to_install
from runtime.spec import ENGINES, ONNX_ENGINES


@pytest.fixture(params=ONNX_ENGINES)
def engine(request) -> str:
    pytest.importorskip(request.param)
    return request.param


def faces(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 176, 176, 3), np.uint8)


def expected(crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What `write_model` writes, in NumPy."""
    grey = crops.mean(3)
    grid = np.arange(176) - 87.5
    shift = np.stack([(grey * grid).sum((1, 2)), (grey * grid[:, None]).sum((1, 2))], -1)
    moved = MEAN_FACE + (shift / grey.sum((1, 2))[:, None])[:, None]
    return crops.mean((1, 2)) / 255, moved


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7])
def test_any_number_of_faces(tmp_path, engine, batch, count):
    backend = open_backend(write_model(tmp_path / "m.onnx", batch=batch), backend=engine)
    crops = faces(count)
    probability, landmarks, _ = backend(crops)
    np.testing.assert_allclose(probability, expected(crops)[0], atol=1e-5)
    np.testing.assert_allclose(landmarks, expected(crops)[1], atol=1e-3)
    assert probability.dtype == landmarks.dtype == np.float32


@pytest.mark.parametrize("count", [0, 1, 3])
def test_intensities_come_from_models_that_tell_them(tmp_path, engine, count):
    path = write_model(tmp_path / "m.onnx", batch=2, intensity=True)
    backend = open_backend(path, backend=engine)
    crops = faces(count)
    np.testing.assert_allclose(backend(crops).intensity, expected(crops)[0] * 5, atol=1e-4)
    silent = open_backend(write_model(tmp_path / "s.onnx"), backend=engine)
    assert silent(crops).intensity is None


def test_a_face_finder_is_no_model(engine):
    with pytest.raises(SpecError, match=r"network\.onnx is a face finder.*export\.onnx"):
        open_backend(FINDER, backend=engine)


def test_constants_in_halves_are_opened_without_a_word(tmp_path, capfd):
    path = write_model(tmp_path / "m.onnx")
    model = onnx.load(path)
    half = onnx.numpy_helper.from_array(np.eye(3, dtype=np.float16), "half")
    model.graph.initializer.append(half)
    model.graph.node.append(onnx.helper.make_node("MatMul", ["half", "half"], ["product"]))
    product = onnx.helper.make_tensor_value_info("product", onnx.TensorProto.FLOAT16, [3, 3])
    model.graph.output.append(product)
    onnx.save(model, path)
    capfd.readouterr()
    assert len(open_backend(path)(faces(1)).probability) == 1
    assert capfd.readouterr().err == ""


def test_model_that_promises_intensities_and_has_none(tmp_path, engine):
    path = write_model(tmp_path / "m.onnx", make_spec(intensity=True).to_metadata())
    with pytest.raises(ModelError, match=r"'au_intensity' should be float32 \[1, 3\].*none"):
        open_backend(path, backend=engine)


def test_outputs_are_the_callers_to_keep(tmp_path, engine):
    backend = open_backend(write_model(tmp_path / "m.onnx"), backend=engine)
    first = backend(faces(1))
    backend(np.zeros_like(faces(1)))
    np.testing.assert_allclose(first[0], expected(faces(1))[0], atol=1e-5)
    np.testing.assert_allclose(first[1], expected(faces(1))[1], atol=1e-3)
    first[0][:] = 7
    np.testing.assert_allclose(backend(faces(1))[0], expected(faces(1))[0], atol=1e-5)


@pytest.mark.parametrize("kind", ["transposed", "backwards", "read-only"])
def test_crops_in_any_memory(tmp_path, engine, kind):
    crops = faces(3)
    given = {
        "transposed": crops.transpose(0, 2, 1, 3),
        "backwards": crops[::-1, ::-1],
        "read-only": crops.copy(),
    }[kind]
    given.setflags(write=kind != "read-only")
    backend = open_backend(write_model(tmp_path / "m.onnx", batch=2), backend=engine)
    for actual, wanted in zip(backend(given)[:2], expected(given), strict=True):
        np.testing.assert_allclose(actual, wanted, atol=1e-3)


def test_describes_itself(tmp_path, engine):
    backend = open_backend(str(write_model(tmp_path / "m.onnx")), threads=1, backend=engine)
    assert (backend.device, backend.threads, backend.spec.preset) == ("cpu", 1, "tiny")
    assert (backend.engine, backend.precision) == (engine, "fp32")
    assert backend.provider.startswith(f"{engine} {sys.modules[engine].__version__[:4]}")
    assert "CPU" in backend.provider


def test_onnxruntime_is_the_default_and_takes_its_threads(tmp_path):
    backend = open_backend(write_model(tmp_path / "m.onnx"), threads=3)
    assert backend.provider == f"onnxruntime {onnxruntime.__version__} CPUExecutionProvider"
    assert backend._session.get_session_options().intra_op_num_threads == backend.threads == 3


def test_threads_are_chosen_in_one_place(tmp_path, engine, monkeypatch):
    monkeypatch.setattr(backends, "default_threads", lambda: 1)
    assert open_backend(write_model(tmp_path / "m.onnx"), backend=engine).threads == 1


# Both engines widen the halves of an fp16 file on a CPU before they compute.
@pytest.mark.parametrize(("file", "active"), [("fp32", "fp32"), ("fp16", "fp32"), ("int8", "int8")])
def test_precision_is_what_is_active(tmp_path, engine, file, active):
    backend = open_backend(write_model(tmp_path / "m.onnx", precision=file), backend=engine)
    assert (backend.spec.precision, backend.precision) == (file, active)


def test_wrong_crops_are_refused(tmp_path, engine):
    backend = open_backend(write_model(tmp_path / "m.onnx"), backend=engine)
    for crops in (faces(1).astype(np.float32), faces(1)[:, 1:], faces(1)[0]):
        with pytest.raises(ValueError, match=r"takes \(1, 176, 176, 3\) uint8, got"):
            backend(crops)


def test_closed(tmp_path, engine):
    backend = open_backend(write_model(tmp_path / "m.onnx"), backend=engine)
    backend.close()
    backend.close()
    with pytest.raises(RuntimeError, match="has been closed"):
        backend(faces(1))


def test_a_model_that_nobody_holds_leaves_memory_at_once(tmp_path, engine):
    backend = open_backend(write_model(tmp_path / "m.onnx"), backend=engine)
    backend(faces(1))
    there = weakref.ref(backend)
    gc.disable()
    try:
        del backend
        assert there() is None, "it must not wait for Python's collector, which sees no memory of C"
    finally:
        gc.enable()


def test_missing_model(tmp_path, engine):
    with pytest.raises(FileNotFoundError, match=r"no\.onnx does not exist"):
        open_backend(tmp_path / "no.onnx", backend=engine)


def test_folder_as_model(tmp_path, engine):
    with pytest.raises(ModelError, match="is not a file"):
        open_backend(tmp_path, backend=engine)


def test_checkpoint_as_model(tmp_path, engine):
    (tmp_path / "edge.pt").write_bytes(b"PK")
    with pytest.raises(ModelError, match=r"edge\.pt.*only \.onnx: .*python -m export\.onnx"):
        open_backend(tmp_path / "edge.pt", backend=engine)


@pytest.mark.parametrize("kind", ["empty", "text", "head", "cut", "noise"])
def test_damaged_model(tmp_path, engine, kind):
    path = write_model(tmp_path / "m.onnx")
    whole = path.read_bytes()
    content = {
        "empty": b"",
        "text": b"hello, no model",
        "head": whole[:2000],
        "cut": whole[:-3],
        "noise": np.random.default_rng(0).bytes(5000),
    }[kind]
    path.write_bytes(content)
    told = r"m\.onnx is empty" if kind == "empty" else r"m\.onnx"
    with pytest.raises((ModelError, SpecError), match=told) as caught:
        open_backend(path, backend=engine)
    assert "\n" not in str(caught.value)


def test_model_without_our_metadata(tmp_path, engine):
    path = write_model(tmp_path / "m.onnx", metadata={"author": "someone"})
    with pytest.raises(SpecError, match=r"m\.onnx holds no lgrnet metadata.*export"):
        open_backend(path, backend=engine)


def test_model_that_lacks_an_output(tmp_path, engine):
    path = write_model(tmp_path / "m.onnx", batch=2)
    model = onnx.load(path)
    model.graph.output[0].name, model.graph.node[2].output[0] = "scores", "scores"
    onnx.save(model, path)
    with pytest.raises(ModelError, match=r"'au_probability' should be.*\[2, 3\].*none"):
        open_backend(path, backend=engine)


def test_model_of_another_batch_than_it_says(tmp_path, engine):
    metadata = make_spec(batch=1).to_metadata()
    path = write_model(tmp_path / "m.onnx", metadata=metadata, batch=2)
    with pytest.raises(ModelError, match=r"uint8 \[1, 176, .*the graph has uint8 \[2, 176, "):
        open_backend(path, backend=engine)


def test_model_of_no_fixed_batch(tmp_path, engine):
    path = write_model(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    onnx.save(model, path)
    with pytest.raises(ModelError, match=r"'face' should be uint8 \[1, 176"):
        open_backend(path, backend=engine)


def test_model_of_another_type(tmp_path, engine):
    path = write_model(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    onnx.save(model, path)
    with pytest.raises(ModelError, match=r"'face' should be uint8 .*the graph has \S*f"):
        open_backend(path, backend=engine)


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "CPU", "", 0])
def test_unknown_device(tmp_path, engine, device):
    with pytest.raises(DeviceError, match=r"unknown device.*cpu, cuda"):
        open_backend(write_model(tmp_path / "m.onnx"), device, backend=engine)


def test_no_threads(tmp_path, engine):
    with pytest.raises(DeviceError, match="0 threads cannot be had: give 1 to 1024"):
        open_backend(write_model(tmp_path / "m.onnx"), threads=0, backend=engine)


@pytest.mark.parametrize(
    ("engine", "suffix"),
    [(engine, suffix) for engine in ENGINES for suffix in backends._RUNS[engine]],
)
def test_every_engine_has_code_of_its_own_that_opens_its_files(tmp_path, engine, suffix):
    """Which says that the file is none, or that its library is not here; no other steps in."""
    (tmp_path / f"m{suffix}").write_bytes(b"no model")
    with pytest.raises((ModelError, SpecError, DeviceError, ImportError)):
        open_backend(tmp_path / f"m{suffix}", backend=engine)


def test_an_engine_that_nothing_opens_is_not_onnx_runtime(tmp_path, monkeypatch):
    monkeypatch.setattr(backends, "ENGINES", (*ENGINES, "new"))
    monkeypatch.setitem(backends._RUNS, "new", (".onnx",))
    with pytest.raises(NotImplementedError, match="new is one of"):
        open_backend(write_model(tmp_path / "m.onnx"), backend="new")


def test_unknown_backend(tmp_path):
    with pytest.raises(ValueError, match="'tvm' is unknown: give 'onnxruntime' or 'openvino' or"):
        open_backend(write_model(tmp_path / "m.onnx"), backend="tvm")


@pytest.mark.parametrize("precision", ["fp32", "int8", "BF16", ""])
def test_unknown_precision(tmp_path, engine, precision):
    with pytest.raises(ValueError, match=r"precision .* is unknown: give 'bf16', or None"):
        open_backend(write_model(tmp_path / "m.onnx"), backend=engine, precision=precision)


def test_bf16_is_not_for_onnxruntime(tmp_path):
    with pytest.raises(DeviceError, match=r"'bf16' was asked for, but onnxruntime.*'openvino'"):
        open_backend(write_model(tmp_path / "m.onnx"), precision="bf16")


def test_who_asks_another_engine_for_bf16_is_told_of_the_model_too(tmp_path):
    (tmp_path / "m.npz").write_bytes(b"")  # which OpenVINO would refuse next
    said = "give backend 'openvino' too with an .onnx model such as 'edge', or no precision"
    with pytest.raises(DeviceError, match=said):
        open_backend(tmp_path / "m.npz", precision="bf16")
    with pytest.raises(DeviceError, match="give backend 'openvino' too, or no precision"):
        open_backend(write_model(tmp_path / "m.onnx"), precision="bf16")


def test_a_file_for_another_engine_is_logged(tmp_path, engine, caplog):
    caplog.set_level(logging.INFO, "runtime.backends")
    for made_for in ONNX_ENGINES:
        caplog.clear()
        open_backend(write_model(tmp_path / "m.onnx", engine=made_for), backend=engine)
        told = f"was tuned for {made_for} and runs in {engine}" in caplog.text
        assert told == (made_for != engine)


@pytest.mark.parametrize(("name", "extra"), [("onnxruntime", "cpu"), ("openvino", "openvino")])
def test_missing_library(monkeypatch, tmp_path, name, extra):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=re.escape(how_to_install(extra))):
        open_backend(write_model(tmp_path / "m.onnx"), backend=name)
