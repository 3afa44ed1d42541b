"""Who trained a network, or had a say in what it tells, is known by recipe and split."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from test_lgrnet_evaluate import TINY
from tiny_shards import write_tiny_shards

from benchmarks import comparison
from export.onnx import export_onnx
from lgrnet.average import average
from lgrnet.checkpoint import save_checkpoint
from lgrnet.corpora.folds import test_subjects as subjects_tested
from lgrnet.evaluate import main as evaluate
from lgrnet.evaluation.scoring import Evaluation
from lgrnet.experiment import DataConfig, Experiment
from lgrnet.held_out import held_out_faces
from lgrnet.intensities import main as fit_intensities
from lgrnet.network.config import model_config
from lgrnet.network.model import LGRNet
from lgrnet.thresholds import main as choose_thresholds
from lgrnet.unseen import (
    as_plain,
    data_set,
    known_among,
    overlap_with_fold,
    seen_by,
    tuned_on,
    warnings_of,
    will_have_seen,
)

OURS, MORE, OTHER = ({"renderer": 12, "seed": seed} for seed in (4, 5, 6))
SPLITS = ["train", "val", "test"]


def trained(recipe=OURS, **data):
    """What a training says of its network."""
    return {
        "experiment": Experiment(data=DataConfig(**data)).to_dict(),
        "dataset_recipe": recipe,
        "thresholds": [0.5, 0.5],
    }


@pytest.mark.parametrize(
    ("meta", "recipe", "known"),
    [
        (trained(), OURS, ["train"]),
        (trained(), OTHER, []),
        (trained(train="val", val="test"), OURS, ["val"]),
        (trained({**OURS, "also": [MORE]}), OURS, ["train"]),
        (trained({**OURS, "also": [MORE]}), MORE, ["train"]),
        (trained({**OURS, "also": [MORE]}), OTHER, []),
        (trained(), {**OTHER, "also": [OURS]}, ["train"]),
        (trained({"corpus": "bp4d"}, corpus="bp4d", fold=1), {"corpus": "bp4d"}, []),
        (trained({}), {}, []),  # of neither is known what it was made from
        ({"dataset_recipe": OURS}, OURS, []),
        ({"seen": []}, OURS, []),
    ],
)
def test_whom_a_network_was_trained_on(meta, recipe, known):
    assert known_among(seen_by(meta), recipe, SPLITS) == known


def test_a_mean_was_trained_on_what_its_networks_were(tmp_path):
    torch.manual_seed(0)
    network = LGRNet(model_config("edge", **TINY)).eval()
    told = trained(), trained({**OTHER, "also": [MORE]}, train="val"), {}
    for name, meta in zip("abc", told, strict=True):
        save_checkpoint(tmp_path / f"{name}.pt", network, meta)
    _, meta = average([tmp_path / f"{name}.pt" for name in "abca"])
    save_checkpoint(tmp_path / "mean.pt", network, meta)
    _, again = average([tmp_path / "mean.pt"], missing_from=tmp_path / "c.pt")
    for each in (meta, again):
        assert known_among(seen_by(each), OURS, SPLITS) == ["train"]
        assert known_among(seen_by(each), MORE, SPLITS) == ["val"]
    theirs = [
        {"recipe": OURS, "split": "train"},
        {"recipe": {**OTHER, "also": [MORE]}, "split": "val"},
    ]
    assert seen_by({"trainings": theirs}) == seen_by(again), "as means were told before"


def test_people_of_a_corpus_are_those_that_were_seen():
    seen = {("bp4d", "F001"), ("disfa", "SN001")}
    assert known_among(seen, {"corpus": "bp4d"}, ["F001", "F002", "SN001"]) == ["F001"]
    assert known_among(seen, OURS, ["F001", "train"]) == []


def test_what_has_been_seen_of_a_folds_test_people():
    """Fold 1 tests whom fold 2 trains on; of people by themselves it is those whom it tests."""
    tested, trained_on = (min(subjects_tested("bp4d", fold)) for fold in (1, 2))
    seen = {("bp4d", 1), ("bp4d", 2), ("bp4d", tested), ("bp4d", trained_on), ("disfa", 3)}
    assert overlap_with_fold(seen, "bp4d", 1) == ["fold 2", tested]
    assert overlap_with_fold(seen, "bp4d", 2) == ["fold 1", trained_on]
    assert overlap_with_fold(seen, None, None) == []


def chosen_on(part, recipe, *splits):
    return {f"{part}_from": {"recipe": recipe, "splits": list(splits)}}


@pytest.mark.parametrize(
    ("meta", "known"),
    [
        (trained(), ["val"]),  # training ends with thresholds of its validation people
        (trained(val_root=Path("data/others")), []),  # of older checkpoints nobody knows
        (trained(OTHER, val_root=Path("data/others")) | {"validation_recipe": OURS}, ["val"]),
        (trained(val_root=Path("data/others")) | {"validation_recipe": OTHER}, []),
        (trained({**OURS, "also": [MORE]}), ["val"]),
        (trained({**OTHER, "also": [OURS]}), []),  # that chose on the first one's alone
        (trained() | chosen_on("thresholds", OURS, "test"), ["test"]),
        (trained() | chosen_on("thresholds", OTHER, "test"), []),
        (chosen_on("intensities", OURS, "val", "test"), ["val", "test"]),
        ({"thresholds_from": {"recipe": OTHER, "own": chosen_on("a", OURS, "val")["a_from"]}},
         ["val"]),
        ({"thresholds_from": {"splits": ["val"]}}, []),  # made from nobody knows what
        ({"thresholds_from": {"recipe": OURS}}, []),  # as older files, without splits
    ],
)  # fmt: skip
def test_on_whom_thresholds_and_intensities_were_chosen(meta, known):
    assert known_among(tuned_on(meta), OURS, SPLITS) == known
    assert known_among(tuned_on(meta), {}, SPLITS) == []


def test_on_whom_of_a_corpus_they_were_chosen_is_told_of_own_faces_too():
    def faces(corpus, *people):
        return {"recipe": {"corpus": corpus}, "splits": list(people)}

    meta = {
        "thresholds_from": faces("bp4d", "F001", "F002") | {"own": faces("disfa", "SN001")},
        "intensities_from": faces("disfa", "SN002") | {"kept": [["bp4d", "M001"]]},
    }
    thresholds = {("bp4d", "F001"), ("bp4d", "F002"), ("disfa", "SN001")}
    intensities = {("disfa", "SN002"), ("bp4d", "M001")}
    assert tuned_on(meta) == thresholds | intensities
    assert tuned_on(meta, ("thresholds",)) == thresholds
    rendered = {"recipe": OURS, "splits": ["val"], "own": faces("own", "val")}
    whom = {(data_set(OURS), "val"), (data_set({"corpus": "own"}), "val")}
    assert tuned_on({"thresholds_from": rendered}) == whom


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with rendered faces and a network that was trained on them."""
    folder = tmp_path_factory.mktemp("rendered")
    write_tiny_shards(folder / "data", count=40)
    torch.manual_seed(0)
    changes = {"relation": "none", "fusion": False}  # which are traced sooner
    network = LGRNet(model_config("edge", **TINY, **changes, intensity=True)).eval()
    save_checkpoint(folder / "net.pt", network, trained({"made for": "tests"}))
    export_onnx(folder / "net.pt", graph="plain", judge=False, mean_change=math.inf)
    return folder


def test_people_who_were_trained_on_have_no_say(folder, tmp_path, caplog):
    meta = trained({"made for": "tests"})
    said = r"--split: net\.pt was trained on train: name people whom it has not seen"
    with pytest.raises(ValueError, match=said):
        held_out_faces(folder / "data", ["val", "train"], "net.pt", meta, "--split")
    assert len(held_out_faces(folder / "data", ["val", "test"], "net.pt", meta, "--split")) == 80
    output = tmp_path / "out.pt"
    for command in (choose_thresholds, fit_intensities):
        caplog.clear()
        options = ["--data", str(folder / "data"), "-o", str(output)]
        assert command([str(folder / "net.pt"), *options, "--split", "train"]) == 2
        assert "net.pt was trained on train: name people" in caplog.text
        assert not output.exists()
        assert command([str(folder / "net.pt"), *options]) == 0
        output.unlink()


def test_what_a_training_went_on_from_is_seen_too(tmp_path):
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "first.pt", LGRNet(model_config("edge", **TINY)), trained(MORE))
    seen = will_have_seen(Experiment(init=tmp_path / "first.pt"), {**OURS, "also": [OTHER]})
    for recipe in (OURS, MORE, OTHER):
        assert known_among(seen, recipe, SPLITS) == ["train"]
    assert known_among(seen_by(as_plain(seen)), MORE, SPLITS) == ["train"]
    assert known_among(seen, {**MORE, "seed": 7}, SPLITS) == []


def test_a_data_set_has_one_name_however_its_recipe_was_read():
    again = json.loads(json.dumps({"seed": 4, "also": [MORE], "renderer": 12}))
    assert data_set(again) == data_set(OURS) != data_set(MORE)
    assert data_set({"corpus": "bp4d", "offset": 1}) == "bp4d"
    assert data_set({"corpus": "own", "files_sha256": "1"}) not in (None, "own")
    assert data_set({}) is data_set({"also": [OURS]}) is None


@pytest.mark.parametrize("data", [{"val_root": Path("others")}, {"val_root": None}])
def test_validation_people_of_whom_older_checkpoints_do_not_tell(data):
    meta = trained(**data)
    (said,) = warnings_of(set(), tuned_on(meta), meta, OURS, ["val"])
    if data["val_root"] is None:
        assert said.startswith("val, who are judged, had a say in thresholds")
        return
    assert said.startswith("its thresholds were chosen on val of others, and its file does not say")
    assert warnings_of(set(), tuned_on(meta), meta, OURS, ["test"]) == []
    for known in ({"validation_recipe": OTHER}, chosen_on("thresholds", OTHER, "val")):
        assert warnings_of(set(), tuned_on(meta | known), meta | known, OURS, ["val"]) == []


@pytest.mark.parametrize(
    ("splits", "told"),
    [
        (["train"], ["it was trained on train, who are judged"]),
        (["val"], ["val, who are judged, had a say in thresholds or intensities"]),
        (["test", "val", "train"], ["it was trained on train, who", "val, who are judged, had"]),
        (["test"], []),
    ],
)
@pytest.mark.parametrize("suffix", ["pt", "onnx"])
def test_evaluation_warns_of_those_who_are_known(folder, tmp_path, caplog, suffix, splits, told):
    options = ["--data", str(folder / "data"), "--json", str(tmp_path / "scores.json")]
    assert evaluate([str(folder / f"net.{suffix}"), *options, "--split", *splits]) == 0
    warnings = [each.message for each in caplog.records if each.levelname == "WARNING"]
    assert len(warnings) == len(told)
    for said, begins in zip(warnings, told, strict=True):
        assert said.startswith(begins)


def test_a_comparison_warns_of_both(folder, tmp_path, capsys, monkeypatch):
    def told(path, network, faces, *_):
        presence = faces.labels.presence
        return Evaluation(presence.astype(np.float32), presence, np.zeros(len(faces)))

    monkeypatch.setattr(comparison, "ask", told)
    path = folder / "net.pt"
    known = {
        "train": ": it was trained on train",
        "val": ": val, who are judged, had a say",
        "test": "",
    }
    for split, said in known.items():
        comparison.compare([path], folder / "data", split, tmp_path)
        printed = capsys.readouterr().err
        assert printed.count("\n") == bool(said)
        assert printed.startswith(f"{path}{said}" if said else "")
