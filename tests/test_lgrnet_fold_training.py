"""``python -m lgrnet.train --fold``: who is trained and tested on, and what a run leaves."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_corpus import write_tiny_corpus

from export.provenance import describe
from lgrnet.average import average
from lgrnet.checkpoint import load_checkpoint, save_checkpoint
from lgrnet.corpora.folds import subject_number, test_subjects, train_subjects
from lgrnet.data.shards import FaceShards
from lgrnet.evaluate import main as evaluate_command
from lgrnet.evaluation import threshold_choice
from lgrnet.evaluation.fold_scores import FORMAT, ScoresError, read_fold_scores
from lgrnet.evaluation.scoring import evaluate
from lgrnet.experiment import fold_run, load_experiment
from lgrnet.network.variants import VARIANTS, make_variant, variant_of
from lgrnet.thresholds import main as choose_thresholds
from lgrnet.train import main
from lgrnet.training.trainer import Trainer
from lgrnet.unseen import overlap_with_fold, tuned_on, will_have_seen
from runtime.action_units import BP4D_AUS, DISFA_AUS
from runtime.spec import METADATA_KEY, ModelSpec

CONFIGS = Path(__file__).parents[1] / "configs"
NETWORK = [
    "model.input_size=64", "model.stem_widths=[4, 4]", "model.feature_widths=[4, 4, 8]",
    "model.refine_widths=[4, 4, 8]", "model.align_hidden=8", "model.head_hidden=4",
    "data.workers=0", "optim.epochs=2", "optim.batch=8", "data.limit=24",
]  # fmt: skip


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora")
    return {name: write_tiny_corpus(folder / name, name, 2) for name in ("bp4d", "disfa")}


def settings(corpora, corpus, out, *changes):
    return [f"data.root={corpora[corpus]}", f"out={out}", *NETWORK, *changes]


def train(corpora, corpus, out, *options, changes=()):
    torch.set_num_threads(1)
    sets = [f for c in settings(corpora, corpus, out, *changes) for f in ("--set", c)]
    return main([str(CONFIGS / f"{corpus}.toml"), "--no-progress", *sets, *options])


def test_a_run_leaves_scores_that_can_be_counted_again(corpora, tmp_path):
    assert train(corpora, "disfa", tmp_path / "runs", "--fold", "2") == 0
    folder = tmp_path / "runs" / "lgrnet" / "fold2"
    assert not (folder / "best.pt").exists()
    for name in ("last", "best_on_test"):
        scores = read_fold_scores(folder / f"{name}.json")
        model, meta = load_checkpoint(folder / f"{name}.pt")
        assert meta["epoch"] == scores["epoch"]
        assert meta["thresholds"] == [0.5] * 8  # none is chosen on people who test
        faces = FaceShards(corpora["disfa"], test_subjects("disfa", 2), DISFA_AUS)
        result = evaluate(model, faces, torch.device("cpu"))
        present = result.probability >= 0.5
        for column, row in enumerate(scores["aus"].values()):
            true = [0, 0, 0, 0]  # true positives, false positives, false negatives, known
            for said, label in zip(present[:, column], result.presence[:, column], strict=True):
                if label == 9:
                    continue
                true[3] += 1
                true[0] += said and label == 1
                true[1] += said and label == 0
                true[2] += not said and label == 1
            counts = [row[f"{each}s"] for each in
                      ("true_positive", "false_positive", "false_negative", "frame")]  # fmt: skip
            assert counts == true
            errors = 2 * true[0] + true[1] + true[2]
            assert row["f1"] == (pytest.approx(2 * true[0] / errors) if errors else None)
        assert scores["landmark_error"] == pytest.approx(result.landmark_error, rel=1e-6)
    assert scores["variant"] == "lgrnet"
    assert (scores["corpus"], scores["fold"], scores["frames"]) == ("disfa", 2, 18)


def test_all_folds_and_variants_are_trained_and_none_twice(corpora, tmp_path):
    options = ["--fold", "all", "--variant", "without_full", "--variant", "jaanet"]
    assert train(corpora, "disfa", tmp_path / "runs", *options, changes=["optim.epochs=1"]) == 0
    written = sorted((tmp_path / "runs").glob("*/*/last.json"))
    assert [each.parent.relative_to(tmp_path / "runs").parts for each in written] == [
        (name, f"fold{fold}") for name in ("jaanet", "without_full") for fold in (1, 2, 3)
    ]
    before = [each.stat().st_mtime_ns for each in written]
    assert train(corpora, "disfa", tmp_path / "runs", *options, changes=["optim.epochs=1"]) == 0
    assert [each.stat().st_mtime_ns for each in written] == before


@pytest.mark.parametrize("fold", [1, 2, 3])
def test_nobody_is_trained_and_tested_on(corpora, tmp_path, fold):
    config = CONFIGS / "bp4d.toml"
    experiment = load_experiment(config, settings(corpora, "bp4d", tmp_path))
    trainer = Trainer(fold_run(experiment, fold), torch.device("cpu"), progress=False)
    tested = {subject_number("bp4d", name) for name in test_subjects("bp4d", fold)}
    assert set(trainer.val_shards.labels.subject.tolist()) == tested
    trained = set(trainer.train_shards.labels.subject.tolist())
    assert not trained & tested
    assert len(trained | tested) == 41
    # The weights are those of the people trained on: n · (1 / r_i) / Σ (1 / r_u).
    rarity = []
    for column in trainer.train_shards.labels.presence.T:
        known = column[column != 9]
        rarity.append(len(known) / (known == 1).sum())
    expected = len(BP4D_AUS) * np.array(rarity) / np.sum(rarity)
    np.testing.assert_allclose(trainer.weights.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("variant", ["lgrnet", "jaanet"])
def test_disfa_can_begin_with_bp4d(corpora, tmp_path, variant):
    options = ["--fold", "2", "--variant", variant]
    assert train(corpora, "bp4d", tmp_path / "bp4d", *options, changes=["optim.epochs=1"]) == 0
    changes = settings(
        corpora, "disfa", tmp_path, f"init={tmp_path}/bp4d/{{variant}}/fold2/last.pt"
    )
    experiment = load_experiment(CONFIGS / "disfa.toml", changes)
    trainer = Trainer(fold_run(experiment, 1, variant), torch.device("cpu"), progress=False)
    source, _ = load_checkpoint(tmp_path / "bp4d" / variant / "fold2" / "last.pt")
    ours, theirs = trainer.model.state_dict(), source.state_dict()
    for name in ("stem.0.conv.weight", "align.offsets.weight", "global_blocks.0.weight"):
        assert torch.equal(ours[name], theirs[name])
    # AU 12 is the 7th of 12 in BP4D, the 6th of 8 here; AU 25 begins at random.
    name = "refine.0.weight" if variant == "lgrnet" else "local_blocks.0.weight"
    places = [make_order(model).index(12) for model in (trainer.model, source)]
    rows = [each[name].unflatten(0, (n, -1)) for each, n in ((ours, 8), (theirs, 12))]
    assert torch.equal(rows[0][places[0]], rows[1][places[1]])


def make_order(model):
    from lgrnet.network.au_geometry import muscle_order

    return muscle_order(model.config.aus)


@pytest.mark.parametrize(
    ("options", "changes", "message"),
    [
        ([], [], "say which fold"),
        (["--variant", "jaanet"], [], "give --fold too"),
        (["--fold", "1"], ["data.corpus=gft"], "data.corpus"),
        (["--fold", "1"], ["optim.precision=fp16"], "fp16 needs a GPU"),
        (["--fold", "1"], ["model.relation=bilstm", "model.fusion=false"], "none of the paper"),
        (["--fold", "1"], ["data.fold=4"], "data.fold"),
        (["--fold", "1"], ['data.also=["data"]'], "data.also: a corpus"),
        (["--fold", "1"], ["data.val_root=data"], "data.val_root: a corpus"),
    ],
)
def test_wrong_settings_are_named(corpora, tmp_path, caplog, options, changes, message):
    assert train(corpora, "disfa", tmp_path / "run", *options, changes=changes) == 2
    assert message in caplog.text
    assert not (tmp_path / "run").exists()


def test_a_corpus_that_lacks_somebody_is_refused(corpora, tmp_path, caplog):
    shutil.copytree(corpora["disfa"], tmp_path / "few")
    index = json.loads((tmp_path / "few" / "dataset.json").read_text())
    del index["splits"]["SN001"]
    (tmp_path / "few" / "dataset.json").write_text(json.dumps(index))
    changes = [f"data.root={tmp_path / 'few'}"]
    assert train(corpora, "disfa", tmp_path / "run", "--fold", "1", changes=changes) == 2
    assert "not 'SN001'" in caplog.text


def test_another_corpus_is_refused(corpora, tmp_path, caplog):
    changes = [f"data.root={corpora['bp4d']}"]
    assert train(corpora, "disfa", tmp_path / "run", "--fold", "1", changes=changes) == 2
    assert f"{corpora['bp4d']} was made from bp4d, not from disfa" in caplog.text


@pytest.fixture(scope="module")
def trained(corpora, tmp_path_factory):
    """Return the folder of two folds of DISFA."""
    out = tmp_path_factory.mktemp("trained")
    for fold in ("1", "2"):
        assert train(corpora, "disfa", out, "--fold", fold, changes=["optim.epochs=1"]) == 0
    return out / "lgrnet"


@pytest.mark.parametrize("source", ["init", "distil.teacher"])
def test_weights_that_saw_the_test_people_are_refused(corpora, trained, tmp_path, caplog, source):
    def begin(out, fold, path):
        changes = ["optim.epochs=1", f"{source}={path}"]
        return train(corpora, "disfa", tmp_path / out, "--fold", fold, changes=changes)

    assert begin("other", "1", trained / "fold2" / "last.pt") == 2
    assert f"{source}: {trained / 'fold2' / 'last.pt'} was trained on people whom fold 1" in (
        caplog.text
    )
    assert not (tmp_path / "other").exists()
    assert begin("same", "2", trained / "fold{fold}" / "last.pt") == 0
    told = json.loads((tmp_path / "same" / "lgrnet" / "fold2" / "config.json").read_text())
    assert str(trained / "fold2" / "last.pt") in (told["init"], told["distil"]["teacher"])


def test_what_was_seen_is_told_by_means_and_by_who_learned_from_it(corpora, trained, tmp_path):
    last = trained / "fold2" / "last.pt"
    meta = load_checkpoint(last)[1]
    assert meta["seen"] == [["disfa", 2]]
    mean, told = average([last, trained / "fold1" / "last.pt"])
    assert told["seen"] == [["disfa", 1], ["disfa", 2]]
    save_checkpoint(tmp_path / "mean.pt", mean, told)
    assert train(
        corpora, "bp4d", tmp_path / "bp4d", "--fold", "1",
        changes=["optim.epochs=1", f"init={last}"],
    ) == 0  # fmt: skip
    pupil = tmp_path / "bp4d" / "lgrnet" / "fold1" / "last.pt"
    settings_of = settings(corpora, "bp4d", tmp_path / "bp4d", f"init={tmp_path / 'gone.pt'}")
    again = fold_run(load_experiment(CONFIGS / "bp4d.toml", settings_of), 1)
    assert will_have_seen(again, {}, pupil) == {("bp4d", 1), ("disfa", 2)}, "its source is gone"
    assert will_have_seen(again, {}) == {("bp4d", 1)}
    assert load_checkpoint(pupil)[1]["seen"] == [["bp4d", 1], ["disfa", 2]]
    for path in (tmp_path / "mean.pt", pupil):
        changes = ["optim.epochs=1", f"init={path}"]
        assert train(corpora, "disfa", tmp_path / "no", "--fold", "1", changes=changes) == 2
    assert not (tmp_path / "no").exists()


def test_a_run_that_goes_on_knows_what_its_lost_sources_saw(corpora, trained, tmp_path, caplog):
    """Also where it was cut off before its first checkpoint."""
    source, out = tmp_path / "source.pt", tmp_path / "bp4d"
    shutil.copy(trained / "fold2" / "last.pt", source)
    changes = ["optim.epochs=2", f"init={source}"]
    options = (corpora, "bp4d", out, "--fold", "1")
    assert train(*options, changes=changes) == 0
    folder = out / "lgrnet" / "fold1"
    state = torch.load(folder / "state.pt", weights_only=True)
    state["progress"] = [1, 0, 0.0, -1.0]
    torch.save(state, folder / "state.pt")
    (folder / "last.pt").unlink()
    source.write_bytes(b"damaged")
    assert train(*options, changes=changes) == 2, "these are other weights"
    source.unlink()
    assert train(*options, changes=changes) == 0
    assert load_checkpoint(folder / "last.pt")[1]["seen"] == [["bp4d", 1], ["disfa", 2]]


def test_a_run_on_somebody_of_a_corpus_tells_whom_it_has_seen(corpora, tmp_path, caplog):
    (person,) = test_subjects("bp4d", 1)[:1]
    other = test_subjects("bp4d", 2)[0]
    run = settings(
        corpora, "bp4d", tmp_path / "one", f"data.train={person}", f"data.val={other}",
        "optim.epochs=1", "optim.batch=2", "data.limit=2", "model.aus=[1, 4, 6, 7]",
    )  # fmt: skip
    (tmp_path / "one.toml").write_text('[model]\npreset = "paper"\n')
    sets = [f for change in run for f in ("--set", change)]
    assert main([str(tmp_path / "one.toml"), "--no-progress", *sets]) == 0
    weights = tmp_path / "one" / "last.pt"
    assert load_checkpoint(weights)[1]["seen"] == [["bp4d", person]]
    changes = ["optim.epochs=1", f"init={weights}"]
    assert train(corpora, "bp4d", tmp_path / "no", "--fold", "1", changes=changes) == 2
    assert f"as it has seen {person}" in caplog.text
    assert train(corpora, "bp4d", tmp_path / "yes", "--fold", "2", changes=changes) == 0


def test_the_network_of_a_fold_is_not_judged_on_those_of_another(
    corpora, trained, tmp_path, caplog
):
    def evaluate_on(fold):
        return evaluate_command([
            str(trained / "fold2" / "last.pt"), "--data", str(corpora["disfa"]), "--corpus",
            "disfa", "--fold", fold, "--json", str(tmp_path / "scores.json"),
        ])  # fmt: skip

    assert evaluate_on("1") == 2
    assert "has seen fold 2 of disfa" in caplog.text
    assert not (tmp_path / "scores.json").exists()
    assert evaluate_on("2") == 0


def test_an_exported_network_tells_whose_people_it_has_seen(corpora, trained, tmp_path, caplog):
    spec = describe(
        trained / "fold2" / "last.pt", *describe_arguments(trained / "fold2" / "last.pt"),
        batch=1, graph="plain", engine="onnxruntime", precision="fp32", opset=18,
    )  # fmt: skip
    assert spec.seen == (("disfa", 2),)
    back = ModelSpec.from_metadata(spec.to_metadata(), "a file")
    assert back == spec
    assert overlap_with_fold(set(back.seen), "disfa", 1) == ["fold 2"]
    assert overlap_with_fold(set(back.seen), "disfa", 2) == []
    unknown = replace(spec, seen=())
    assert "seen" not in json.loads(unknown.to_metadata()[METADATA_KEY]), "as older files"


def describe_arguments(path):
    network, meta = load_checkpoint(path)
    return network.config, meta


def test_thresholds_of_people_who_are_judged_are_told(
    corpora, trained, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr(threshold_choice, "FEWEST_FACES", 1)
    last, chosen = str(trained / "fold2" / "last.pt"), str(tmp_path / "chosen.pt")
    tested, own = test_subjects("disfa", 2)[:2], train_subjects("disfa", 2)[:1]
    options = ["--data", str(corpora["disfa"]), "-o", chosen]
    assert choose_thresholds([last, *options, "--split", *own]) == 2
    assert f"was trained on {own[0]}: name people whom it has not seen" in caplog.text
    beside = [*options, "--split", *tested, "--own", str(corpora["disfa"])]
    assert choose_thresholds([last, *beside, "--own-split", *own]) == 2
    assert f"--own-split: {last} was trained on {own[0]}" in caplog.text
    assert choose_thresholds([last, *options, "--split", *tested]) == 0
    told = load_checkpoint(Path(chosen))
    assert tuned_on(told[1]) == {("disfa", name) for name in tested}
    few = {"own": {"recipe": {"corpus": "bp4d"}, "splits": ["F001"]}}
    both = {"thresholds_from": few, "intensities_from": {"kept": [["bp4d", "F002"]]}}
    assert tuned_on(both) == {("bp4d", "F001"), ("bp4d", "F002")}
    assert tuned_on(both, ("intensities",)) == {("bp4d", "F002")}
    spec = describe(
        Path(chosen), told[0].config, told[1],
        batch=1, graph="plain", engine="onnxruntime", precision="fp32", opset=18,
    )  # fmt: skip
    assert set(spec.tuned_on) == tuned_on(told[1])
    command = [
        chosen, "--data", str(corpora["disfa"]), "--corpus", "disfa", "--fold", "2",
        "--json", str(tmp_path / "scores.json"),
    ]  # fmt: skip
    assert evaluate_command(command) == 0
    assert f"{', '.join(sorted(tested))}, who are judged, had a say in thresholds" in caplog.text


def test_what_a_series_begins_with_is_looked_at_before_the_first(
    corpora, trained, tmp_path, caplog
):
    options = ["--fold", "all"]
    changes = ["optim.epochs=1", f"init={trained}/fold{{fold}}/last.pt"]
    assert train(corpora, "disfa", tmp_path / "run", *options, changes=changes) == 2
    assert f"{trained / 'fold3' / 'last.pt'}: no such file" in caplog.text
    assert not (tmp_path / "run").exists()


def test_a_finished_fold_without_its_scores_is_told(corpora, trained, tmp_path, caplog):
    shutil.copytree(trained.parent, tmp_path / "runs")
    folder = tmp_path / "runs" / "lgrnet" / "fold1"
    told = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**told, "out": str(folder)}))

    def again():
        return train(corpora, "disfa", tmp_path / "runs", "--fold", "1", changes=["optim.epochs=1"])

    (folder / "last.pt").unlink()
    assert again() == 0
    assert f"last.pt not there any more; to train it again delete {folder / 'state.pt'}" in (
        caplog.text
    )
    (folder / "last.json").write_text((folder / "last.json").read_text().replace("0", "1", 1))
    assert again() == 2
    assert "delete state.pt beside it and train that fold again" in caplog.text
    (folder / "state.pt").unlink()
    assert again() == 0
    for name in ("last.json", "best_on_test.json"):
        assert read_fold_scores(folder / name) == {
            **read_fold_scores(trained / "fold1" / name),
            "experiment": {
                **read_fold_scores(trained / "fold1" / name)["experiment"],
                "out": str(folder),
            },
        }


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_are_told_apart(name):
    config = load_experiment(CONFIGS / "bp4d.toml").model
    variant = make_variant(config, name)
    assert variant_of(variant) == name
    assert make_variant(variant, name) == variant
    jaanet = make_variant(config, "jaanet")
    assert make_variant(jaanet, name) == variant, "JÂA-Net's maps are its own"


def test_files_that_are_no_scores_are_named(tmp_path):
    path = tmp_path / "last.json"
    for text, message in (("{", "cannot be read"), ("{}", FORMAT), ("[]", FORMAT),
                          (json.dumps({"format": FORMAT}), "lacks something")):  # fmt: skip
        path.write_text(text)
        with pytest.raises(ScoresError, match=message):
            read_fold_scores(path)
