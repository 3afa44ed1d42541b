"""``python -m lgrnet.evaluate`` on exported models, and on the folds of a corpus."""

import json

import numpy as np
import pytest
from native_engine import require_native
from test_runtime_fixtures import write_model
from tiny_corpus import write_tiny_corpus
from tiny_export import write_export_folder
from tiny_network import tiny_network

from export.native.__main__ import main as export_native
from export.onnx import export_onnx
from lgrnet.checkpoint import save_checkpoint
from lgrnet.corpora.folds import subject_number, test_subjects
from lgrnet.data.shards import FaceShards
from lgrnet.evaluate import main
from lgrnet.evaluation.metrics import f1_frame
from lgrnet.evaluation.models import open_model
from lgrnet.evaluation.scoring import evaluate
from runtime.action_units import BP4D_AUS
from runtime.backends import open_backend
from runtime.landmarks import flip
from runtime.spec import ENGINES


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a checkpoint, its exports, and faces that it tells apart."""
    folder = write_export_folder(tmp_path_factory.mktemp("engines"), tiny_network(aus=[1, 12]))
    export_onnx(folder / "net.pt", graph="plain", faces=folder / "faces")
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_tiny_corpus(tmp_path_factory.mktemp("corpus") / "bp4d", "bp4d")


def scores(model, data, *options):
    path = model.parent / "scores.json"
    arguments = [str(model), "--data", str(data), "--json", str(path), *options]
    assert main(arguments) == 0
    return json.loads(path.read_text())


def assert_same(found, wanted):
    assert found["mean"]["all"]["f1"] == pytest.approx(wanted["mean"]["all"]["f1"], abs=1e-9)
    assert found["landmark_error"] == pytest.approx(wanted["landmark_error"], rel=1e-4)
    for key, row in wanted["aus"].items():
        other = found["aus"][key]
        assert (other["f1"], other["auc"]) == pytest.approx((row["f1"], row["auc"]), abs=1e-9)
        assert other["calibration_error"] == pytest.approx(row["calibration_error"], abs=1e-4)


@pytest.mark.parametrize("backend", [None, "onnxruntime", "openvino"])
def test_an_onnx_file_scores_as_its_checkpoint(folder, backend):
    options = [] if backend is None else ["--backend", backend]
    found = scores(folder / "net.onnx", folder / "data", *options)
    wanted = scores(folder / "net.pt", folder / "data")
    assert wanted["aus"]["AU12"]["f1"] == 1.0  # labels are what the network says
    assert_same(found, wanted)
    assert found["computed_by"]["engine"] == (backend or "onnxruntime")
    assert wanted["computed_by"]["engine"] == "pytorch"


def test_a_native_file_scores_as_its_checkpoint(folder):
    require_native()
    arguments = [str(folder / "net.pt"), "--precision", "fp32", "-o", str(folder / "net.npz")]
    assert export_native([*arguments, "--faces", str(folder / "faces")]) == 0
    found = scores(folder / "net.npz", folder / "data", "--threads", "1")
    assert_same(found, scores(folder / "net.pt", folder / "data"))
    assert found["computed_by"]["engine"] == "native"


def test_a_flip_test_judges_the_mean_of_faces_and_mirror_images(folder):
    found = scores(folder / "net.onnx", folder / "data", "--flip-test")
    plain = scores(folder / "net.onnx", folder / "data")
    assert (found["flip_test"], plain["flip_test"]) == (True, False)
    backend = open_backend(folder / "net.onnx", threads=1)
    faces = FaceShards(folder / "data", "test", [1, 12])
    errors = []
    for index, points in enumerate(faces.labels.landmarks):
        crop = faces.face(index)[12:188, 12:188]
        one, other = backend(crop[None]).landmarks[0], backend(crop[None, :, ::-1]).landmarks[0]
        mean = (one + flip(other, 176)) / 2
        true = points - 12
        eyes = np.linalg.norm(true[19:25].mean(0) - true[25:31].mean(0))
        errors.append(np.linalg.norm(mean - true, axis=1).mean() / eyes)
    assert found["landmark_error"] == pytest.approx(np.mean(errors), rel=1e-4)
    assert found["landmark_error"] != pytest.approx(plain["landmark_error"], rel=1e-3)


def test_one_au_of_two_is_judged_by_its_own_answers(folder):
    both = scores(folder / "net.onnx", folder / "data")
    one = scores(folder / "net.onnx", folder / "data", "--aus", "12")
    assert one["aus"] == {"AU12": both["aus"]["AU12"]}


def test_a_fold_is_judged_on_its_test_people(corpus, tmp_path):
    model = tiny_network(aus=list(BP4D_AUS))
    save_checkpoint(tmp_path / "net.pt", model)
    found = scores(tmp_path / "net.pt", corpus, "--corpus", "bp4d", "--fold", "1")
    people = [subject_number("bp4d", name) for name in test_subjects("bp4d", 1)]
    assert (found["people"], found["frames"]) == (13, 52)
    # By hand, from each person's split.
    probability, presence = [], []
    for name in test_subjects("bp4d", 1):
        one = FaceShards(corpus, name, BP4D_AUS)
        assert set(one.labels.subject.tolist()) <= set(people)
        probability.append(evaluate(model, one, "cpu").probability)
        presence.append(one.labels.presence)
    f1 = f1_frame(np.concatenate(probability) >= 0.5, np.concatenate(presence))
    assert [row["f1"] for row in found["aus"].values()] == pytest.approx(f1.tolist())


def test_the_fold_of_another_corpus_is_refused(corpus, tmp_path, caplog):
    save_checkpoint(tmp_path / "net.pt", tiny_network(aus=list(BP4D_AUS)))
    command = [tmp_path / "net.pt", "--data", corpus, "--corpus", "disfa", "--fold", "1"]
    assert main([*map(str, command)]) == 2
    assert f"{corpus} was made from bp4d, not from disfa" in caplog.text


def test_people_can_be_named(corpus, tmp_path):
    save_checkpoint(tmp_path / "net.pt", tiny_network(aus=list(BP4D_AUS)))
    found = scores(tmp_path / "net.pt", corpus, "--split", "F001", "M018")
    assert (found["people"], found["data"]["split"]) == (2, "F001_M018")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--backend", "native"], "runs only .npz"),
        (["--aus", "7"], "not [7]"),
        (["--device", "tpu"], "unknown device"),
        (["--split", "test", "F099"], "'F099'"),
    ],
)
def test_what_does_not_fit_is_named(folder, caplog, options, message):
    assert main([str(folder / "net.onnx"), "--data", str(folder / "data"), *options]) == 2
    assert message in caplog.text


def test_a_checkpoint_cannot_run_in_an_engine_nor_on_a_gpu_that_is_not_there(folder, caplog):
    data = ["--data", str(folder / "data")]
    assert main([str(folder / "net.pt"), *data, "--backend", ENGINES[0]]) == 2
    assert "export.onnx" in caplog.text
    assert main([str(folder / "net.pt"), *data, "--device", "cuda:99"]) == 2
    assert "sees" in caplog.text
    assert main([str(folder / "none.onnx"), *data]) == 2
    assert "none.onnx does not exist" in caplog.text


def test_a_fold_needs_its_corpus(folder):
    with pytest.raises(SystemExit, match="2"):
        main([str(folder / "net.pt"), "--fold", "1"])


def test_an_exported_model_tells_whom_it_knows(tmp_path):
    told = {"seen": (("bp4d", 1),), "tuned_on": (("disfa", "SN001"),)}
    path = write_model(tmp_path / "m.onnx", **told)
    with open_model(path) as model:
        assert model.seen == {("bp4d", 1)}
        assert model.tuned_on == {("disfa", "SN001")}
    with open_model(write_model(tmp_path / "plain.onnx")) as model:
        assert model.seen == model.tuned_on == frozenset()
