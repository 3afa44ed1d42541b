"""The model that ships: that it is what it says, and that it works on a real photograph."""

import hashlib
import json
from collections import Counter
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from native_engine import require_native

from benchmarks import card
from benchmarks.release import ROOT, read_steps
from export.compare import compare
from export.faces import demo_faces
from lgrnet.checkpoint import load_checkpoint
from runtime import Detector
from runtime.backends import open_backend
from runtime.native.model import read_model
from runtime.packaged import DEMO_CLIP, DEMO_TRUTH, MADE_FOR, MODELS, model_path
from runtime.sources import open_source
from runtime.spec import ModelSpec
from runtime.truth import Agreement, read_truth

CHECKPOINT = ROOT / "weights" / "lgrnet_edge.pt"


@pytest.fixture(scope="module")
def detector():
    with Detector(threads=1) as detector:
        yield detector


@pytest.fixture(scope="module")
def astronaut():
    data = pytest.importorskip("skimage.data")
    return cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)


def test_model_comes_from_the_committed_checkpoint(detector):
    digest = hashlib.sha256(CHECKPOINT.read_bytes()).hexdigest()
    assert detector.spec.checkpoint_sha256 == digest
    assert detector.spec.preset == "edge"
    assert detector.spec.graph == "winograd"
    model, meta = load_checkpoint(CHECKPOINT)
    assert detector.spec.aus == model.config.aus
    assert detector.spec.thresholds == tuple(meta["thresholds"])
    assert "synthetic faces only" in detector.spec.training_data


@pytest.mark.parametrize("name", MODELS)
def test_every_packaged_model_is_of_the_weights_that_ship(name):
    path = model_path(name)
    if path.suffix == ".npz":
        spec = read_model(path).spec
    else:
        told = {each.key: each.value for each in onnx.load(path).metadata_props}
        spec = ModelSpec.from_metadata(told, path.name)
    assert spec.checkpoint_sha256 == hashlib.sha256(CHECKPOINT.read_bytes()).hexdigest()
    assert spec.thresholds == tuple(load_checkpoint(CHECKPOINT)[1]["thresholds"])
    made_for = [engine for engine, packaged in MADE_FOR.items() if packaged == name]
    assert made_for in ([], [spec.engine])


@pytest.mark.parametrize("name", MODELS)
def test_every_packaged_model_has_its_places(name):
    """Without a step of the release it would stay as it is when the weights change."""
    file = f"runtime/models/{MODELS[name]}"
    made = [written for step in read_steps() for written in step.writes]
    assert file in made, f"no step of benchmarks/release.toml writes {file}"
    assert f"| `{name}`" in (ROOT / "docs" / "install.md").read_text("utf-8")
    assert file in (ROOT / "MODEL_CARD.md").read_text("utf-8")
    report = Path(file).with_suffix(".accuracy.json")
    judged = (ROOT / report).exists()
    assert judged == (report.name.partition(".")[0] in dict(card._ENGINES)), "a row of its table"
    assert judged == (report.as_posix() in made)


def test_model_computes_what_the_checkpoint_computes():
    model, _ = load_checkpoint(CHECKPOINT)
    backend = open_backend(model_path(None), "cpu", 1)
    result = compare(model, backend, demo_faces()[::2])
    assert result.probability < 1e-4
    assert result.landmarks < 0.01
    assert result.probability_spread > 0.1


def test_native_file_is_the_same_network_in_8_bits():
    require_native()
    backend = open_backend(model_path("edge-native"), "cpu", 1)
    assert (backend.engine, backend.precision) == ("native", "int8")
    assert backend.spec.checkpoint_sha256 == hashlib.sha256(CHECKPOINT.read_bytes()).hexdigest()
    faces = demo_faces()
    wanted, points, strength = open_backend(model_path(None), "cpu", 1)(faces)
    found, found_points, found_strength = backend(faces)
    assert 1e-3 < np.abs(found - wanted).mean() < 0.02
    assert np.abs(found_points - points).mean() < 0.3
    assert 1e-3 < np.abs(found_strength - strength).mean() < 0.1
    report = json.loads(model_path("edge-native").with_suffix(".accuracy.json").read_text())
    assert report["mean_f1_fp32"] - report["mean_f1"] < 0.005


def test_openvino_computes_what_onnxruntime_computes():
    pytest.importorskip("openvino")
    faces = demo_faces()
    reference, openvino = (
        open_backend(model_path(None), "cpu", 1, engine)(faces)
        for engine in ("onnxruntime", "openvino")
    )
    assert reference[0].std(0).max() > 0.1
    np.testing.assert_allclose(openvino[0], reference[0], atol=1e-4)
    np.testing.assert_allclose(openvino[1], reference[1], atol=0.01)


def test_openvino_sees_in_the_demo_what_onnxruntime_sees(detector):
    pytest.importorskip("openvino")
    differences = []
    with (
        open_source(DEMO_CLIP) as shots,
        Detector(threads=1, backend="openvino") as other,
    ):
        # Each frame by itself: tracking aligns by the last landmarks, so that differences grow.
        for shot in islice(shots, 0, None, 12):
            (face,), (same,) = detector(shot.frame), other(shot.frame)
            differences.append([abs(same.aus[key] - face.aus[key]) for key in face.aus])
            np.testing.assert_allclose(same.landmarks, face.landmarks, atol=0.05)
    # A difference of 1e-6 in the landmarks turns a few pixels of the next crop by one, and where an
    # AU's centre lies just between two cells it moves the AU's whole patch, which is seldom.
    assert np.mean(np.array(differences) > 0.02) < 0.02
    assert np.max(differences) < 0.3


def test_a_real_smile_is_a_smile(detector, astronaut):
    result = detector(astronaut)
    assert len(result) == 1
    (face,) = result
    assert {"AU12", "AU25"} <= set(face.present)
    assert face.aus["AU15"] < 0.5
    x, y, width, height = face.box
    assert 150 < x < 200
    assert 50 < y < 110
    assert 80 < width < 150
    assert 80 < height < 150


def test_landmarks_do_not_depend_on_where_the_face_is(detector, astronaut):
    moved = cv2.copyMakeBorder(astronaut, 40, 10, 70, 30, cv2.BORDER_REPLICATE)
    here, there = detector(astronaut).faces[0], detector(moved).faces[0]
    difference = there.landmarks - here.landmarks - np.array([70, 40])
    assert np.abs(difference).mean() < 1.0


def test_the_demo_agrees_with_its_truth(detector):
    agreement = Agreement(read_truth(DEMO_TRUTH), detector.aus)
    for result in detector.stream(str(DEMO_CLIP)):
        agreement.add(result)
    scores = agreement.as_dict()
    assert scores["mean_f1"] > 2 * scores["mean_always_on_f1"]
    assert scores["landmark_error"] < 0.06


def test_int8_model_is_the_same_network_within_its_report():
    pytest.importorskip("openvino")
    path = model_path("edge-int8")
    eight = open_backend(path, "cpu", 1, "openvino")
    assert (eight.spec.precision, eight.spec.engine, eight.precision) == (
        "int8", "openvino", "int8",
    )  # fmt: skip
    whole = open_backend(model_path("edge"), "cpu", 1)
    assert eight.spec.checkpoint_sha256 == whole.spec.checkpoint_sha256
    assert eight.spec.thresholds == whole.spec.thresholds
    report = json.loads(path.with_suffix(".accuracy.json").read_text())
    assert report["mean_f1_fp32"] - report["mean_f1"] <= 0.005
    faces = demo_faces()
    change = np.abs(eight(faces)[0] - whole(faces)[0])
    assert 0 < change.mean() < 3 * report["mean_change"]
    assert change.max() <= 1.5 * report["max_change"]


def test_int8_weights_do_not_saturate_processors_without_vnni():
    graph = onnx.load(model_path("edge-int8")).graph
    arrays = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    weights = [
        arrays[node.input[0]]
        for node in graph.node
        if node.op_type == "DequantizeLinear"
        and node.input[0] in arrays
        and arrays[node.input[0]].dtype == np.int8
    ]
    assert len(weights) > 20
    # They add two products of bytes in 16 bits: 2 * 255 * 64 fits, 2 * 255 * 127 does not.
    assert all(2 * 255 * np.abs(each.astype(int)).max() < 2**15 for each in weights)


def test_int8_model_of_another_engine_is_not_called_int8(tmp_path):
    path = model_path("edge-int8")
    backend = open_backend(path, "cpu", 1)
    assert (backend.spec.precision, backend.precision) == ("int8", "fp32")
    # What ONNX Runtime makes of the file: nearly all convolutions are of floats.
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    assert kinds["Conv"] + kinds["FusedConv"] > 10 * kinds["QLinearConv"]
