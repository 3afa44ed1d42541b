"""The packaged face finder's network in the engines that compute it."""

import json
import os

import numpy as np
import pytest
from native_engine import another_thread_inside, require_native
from test_runtime_fixtures import astronaut

from runtime import Detector
from runtime.errors import ModelError, OpenCVError
from runtime.files.digest import file_sha256
from runtime.finders import NetworkFinder, grids_native, grids_opencv, open_finder
from runtime.finders.network import LEAST_SIDE, STRIDES
from runtime.native import library
from runtime.native.archive import read_archive, write_archive

SIZES = [(LEAST_SIDE, LEAST_SIDE), (LEAST_SIDE, 416), (416, LEAST_SIDE), (256, 416), (96, 160)]


@pytest.fixture(params=["opencv", "native"])
def engine(request):
    if request.param == "native":
        require_native()
    return request.param


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_it_computes_what_onnx_runtime_does(engine, size):
    """With a grid of one row or column OpenCV 4.14 does not, hence `LEAST_SIDE`."""
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(grids_opencv.MODEL, providers=["CPUExecutionProvider"])
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    blob = picture.transpose(2, 0, 1)[None].astype(np.float32)
    wanted = session.run(list(grids_opencv.OUTPUTS), {grids_opencv.INPUT: blob})
    found = NetworkFinder(engine=engine)._grids(picture)
    for have, right, stride in zip(found, wanted, STRIDES, strict=True):
        assert have.shape == (15, size[0] // stride, size[1] // stride)
        np.testing.assert_allclose(have, right[0], atol=1e-3)


def test_both_find_the_same():
    require_native()
    opencv, native = (NetworkFinder(engine=name) for name in ("opencv", "native"))
    for frame in (astronaut(), astronaut()[:300:2, ::2], astronaut()[:, 300:]):
        found, other = opencv.find(frame), native.find(frame)
        assert len(found) == len(other)
        for one, two in zip(found, other, strict=True):
            assert one.score == pytest.approx(two.score, abs=1e-4)
            np.testing.assert_allclose(one.box, two.box, atol=0.01)
            np.testing.assert_allclose(one.alignment, two.alignment, atol=0.01)


def test_threads_change_nothing():
    require_native()
    picture = np.random.default_rng(1).integers(0, 256, (128, 96, 3), np.uint8)
    wanted = grids_native.NativeGrids(1)(picture)
    for threads in (2, 5):
        for have, right in zip(grids_native.NativeGrids(threads)(picture), wanted, strict=True):
            np.testing.assert_array_equal(have, right)


def test_pictures_of_other_sizes_between_change_nothing():
    require_native()
    rng = np.random.default_rng(2)
    first, second = (rng.integers(0, 256, (*size, 3), np.uint8) for size in ((64, 96), (160, 64)))
    grids = grids_native.NativeGrids()
    before = grids(first)
    grids(second)
    for have, right in zip(grids(first[:, :, ::-1][:, :, ::-1]), before, strict=True):
        np.testing.assert_array_equal(have, right)


@pytest.mark.parametrize("size", [(64, 65), (16, 64), (0, 64)])
def test_other_sides_are_refused_by_the_native_engine(size):
    require_native()
    with pytest.raises(RuntimeError, match="a picture's sides are multiples of 32"):
        grids_native.NativeGrids()(np.zeros((*size, 3), np.uint8))


def test_it_follows_the_engine_of_the_model():
    require_native()
    for model, engine, module in (
        ("edge-native", "native", grids_native), (None, "OpenCV", grids_opencv)
    ):  # fmt: skip
        with Detector(model, threads=1) as detector:
            assert f"finder network ({engine})" in repr(detector)
            assert detector.finder_sha256 == file_sha256(module.MODEL)
            assert len(detector(astronaut()).faces) == 1
    with Detector("edge-native", threads=1, finder="network") as detector:
        assert "finder network (native)" in repr(detector.clone())
    with Detector("edge-native", threads=1, finder=NetworkFinder()) as detector:
        assert "finder network (OpenCV)" in repr(detector)


def test_the_clone_has_the_same_engine(engine):
    finder = NetworkFinder(engine=engine, threads=2)
    other = finder.clone()
    assert (other.engine, other.sha256) == (finder.engine, finder.sha256)
    assert other._given == (engine, 2)


def test_both_files_are_of_one_checkpoint():
    onnx = pytest.importorskip("onnx")
    told = json.loads(str(read_archive(grids_native.MODEL)[grids_native.KEY]))
    props = {each.key: each.value for each in onnx.load(grids_opencv.MODEL).metadata_props}
    for key in ("format", "checkpoint", "training_data", "licence"):
        assert told[key] == props[key]
    assert props["format"] == grids_native.FORMAT


def test_an_unknown_engine():
    with pytest.raises(ValueError, match="engine 'onnx' is unknown: give 'opencv' or 'native'"):
        NetworkFinder(engine="onnx")


def test_an_engine_that_is_not_compiled(monkeypatch, tmp_path):
    monkeypatch.setattr(library, "BUILT", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ImportError, match=r"run `python -m runtime\.native`"):
        open_finder("network", engine="native")


def test_a_missing_or_damaged_file(engine, monkeypatch, tmp_path):
    module = {"opencv": grids_opencv, "native": grids_native}[engine]
    path, whole = tmp_path / module.MODEL.name, module.MODEL.read_bytes()
    error, who = {
        "opencv": (OpenCVError, "read by OpenCV"),
        "native": (ModelError, "used by the native engine"),
    }[engine]
    monkeypatch.setattr(module, "MODEL", path)
    for content in (None, b"", b"hello", whole[:5000]):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(error, match=rf"{path.name} cannot be {who}.*reinstall"):
            open_finder("network", engine=engine)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"format": "lgrnet-face-finder-2"}, "its format is 'lgrnet-face-finder-2'"),
        ({"widths": [16, 32, 64, 96]}, "there is no face finder of these sizes"),
        ({"widths": [16, 32, 64, 96, 128, 128]}, "invalid index|too many"),
        ({"widths": [16, 32, 64, 96, -1]}, "there is no face finder of these sizes"),
        ({"widths": [16, 32, 64, 96, 1 << 30]}, "there is no face finder of these sizes"),
        ({"depths": [1, 2, 3, 3]}, "array stages.3.3.*is missing"),
        ({"depths": [1, 2, 3, 65]}, "there is no face finder of these sizes"),
        ({"features": 40}, "numbers instead of"),
        ({"features": "many"}, "int"),
        ({"features": None}, "int"),
    ],
)
def test_a_file_of_another_network(change, why, tmp_path):
    require_native()
    content = read_archive(grids_native.MODEL)
    told = json.loads(str(content.pop(grids_native.KEY))) | change
    path = tmp_path / "other.npz"
    write_archive(path, {grids_native.KEY: json.dumps(told)}, content)
    with pytest.raises(ModelError, match=f"cannot be used by the native engine.*{why}"):
        grids_native.NativeGrids(path=path)


def test_two_threads_in_one_finder_are_an_error(monkeypatch):
    require_native()
    grids = grids_native.NativeGrids()
    picture = np.zeros((64, 64, 3), np.uint8)
    with (
        another_thread_inside(monkeypatch, lambda: grids(picture)),
        pytest.raises(RuntimeError, match="this face finder is in use in another thread"),
    ):
        grids(picture)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_that_drops_it_leaves_the_parents_alone():
    require_native()
    grids = grids_native.NativeGrids(4)
    picture = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)
    before = grids(picture)
    child = os.fork()
    if not child:
        grids.__dict__.clear()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    for have, right in zip(grids(picture), before, strict=True):
        np.testing.assert_array_equal(have, right)
