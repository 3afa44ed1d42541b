import json
import shutil
import signal
import subprocess
import sys
import time
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from test_lgrnet_evaluate import TINY
from tiny_shards import write_tiny_shards

from lgrnet.checkpoint import load_checkpoint
from lgrnet.corpora.folds import CORPORA
from lgrnet.data.batches import to_input, training_batches
from lgrnet.data.shards import FaceShards
from lgrnet.evaluation.scoring import evaluate
from lgrnet.experiment import load_experiment
from lgrnet.train import Trainer, main
from lgrnet.training.losses import (
    alignment_loss,
    dice_loss,
    distillation_loss,
    intensity_loss,
    recognition_loss,
)
from lgrnet.training.teacher import Lesson
from lgrnet.unseen import data_set, tuned_on

EXPERIMENTS = sorted((Path(__file__).parents[1] / "configs").glob("*.toml"))


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Return the path of a tiny experiment on tiny shards."""
    folder = tmp_path_factory.mktemp("experiment")
    write_tiny_shards(folder / "data")
    model = "".join(f"{key} = {json.dumps(value)}\n" for key, value in TINY.items())
    path = folder / "tiny.toml"
    path.write_text(
        f'training_data = "noise"\nlicence = "none"\nsave_every = 2\n'
        f'[model]\npreset = "edge"\n{model}'
        f'[data]\nroot = "{folder / "data"}"\nworkers = 0\n'
        f"[augment]\nrotation = 3.0\n"
        f'[optim]\noptimiser = "adamw"\nschedule = "onecycle"\nlr = 0.01\nepochs = 3\nbatch = 4\n'
    )
    return path


def run(config, out, *changes):
    torch.set_num_threads(1)
    settings = [f"out={out}", *changes]
    return main([str(config), "--no-progress", *(f for c in settings for f in ("--set", c))])


def weights(path):
    return load_checkpoint(path)[0].state_dict()


def test_a_run_leaves_checkpoints_that_explain_themselves(config, tmp_path):
    assert run(config, tmp_path / "run") == 0
    model, meta = load_checkpoint(tmp_path / "run" / "best.pt")
    assert model.config.aus == (1, 12)
    assert meta["training_data"] == "noise"
    assert meta["training_images"] == 24
    assert len(meta["thresholds"]) == 2
    assert meta["experiment"]["optim"]["epochs"] == 3
    assert json.loads((tmp_path / "run" / "config.json").read_text()) == meta["experiment"]
    assert list((tmp_path / "run").glob("events.out.tfevents.*"))


def test_training_learns_what_the_pictures_show(config, tmp_path):
    """And intensities, where asked; test_lgrnet_weight_mean.py learns without."""
    wanted = ("model.intensity=true", "optim.epochs=12", "augment.flip=0.0")
    assert run(config, tmp_path / "run", *wanted) == 0
    _, meta = load_checkpoint(tmp_path / "run" / "best.pt")
    assert meta["validation"]["mean_f1"] > 0.9  # always-on is about 0.67
    model, _ = load_checkpoint(tmp_path / "run" / "last.pt")
    shards = FaceShards(config.parent / "data", "val", model.config.aus)
    said, true = evaluate(model, shards, torch.device("cpu")).intensity
    assert np.abs(said - true).mean() < 1.5  # guessing the middle is 2.5 away


def test_killed_run_ends_as_the_uninterrupted_one(config, tmp_path):
    assert run(config, tmp_path / "whole") == 0
    command = [sys.executable, "-m", "lgrnet.train", str(config), "--threads", "1"]
    command += ["--set", f"out={tmp_path / 'killed'}", "--no-progress"]
    process = subprocess.Popen(command)
    state = tmp_path / "killed" / "state.pt"
    deadline = time.monotonic() + 120
    while not state.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert state.exists()
    progress = torch.load(state, weights_only=True)["progress"]
    assert progress[0] < 3, "the run was over before it could be killed"
    assert run(config, tmp_path / "killed") == 0
    whole, killed = (weights(tmp_path / name / "last.pt") for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], killed[name]) for name in whole)


def test_the_best_epoch_is_kept_across_an_interruption(config, tmp_path, monkeypatch):
    """Epochs judged as 0.4, 0.8 and 0.6, with an interruption after the second."""
    scores = {1: 0.4, 2: 0.8, 3: 0.6}

    class Judged:
        presence = np.ones((4, 2), np.uint8)
        probability = np.full((4, 2), 0.9, np.float32)
        f1, landmark_error = np.zeros(2), 0.1

    def judge(trainer, model):
        assert model is trainer.model
        judged = Judged()
        judged.mean_f1 = scores[trainer.epoch + 1]
        return judged

    close = Trainer._close_epoch

    def stop_after_the_second(trainer, log):
        close(trainer, log)
        if trainer.epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "_judge", judge)
    with monkeypatch.context() as stopped:
        stopped.setattr(Trainer, "_close_epoch", stop_after_the_second)
        assert run(config, tmp_path / "run") == 130
    assert run(config, tmp_path / "run") == 0
    best, last = (load_checkpoint(tmp_path / "run" / name)[1] for name in ("best.pt", "last.pt"))
    assert (best["epoch"], best["validation"]["mean_f1"]) == (2, 0.8)
    assert (last["epoch"], last["validation"]["mean_f1"]) == (3, 0.6)


def test_a_diverging_loss_stops_the_run(config, tmp_path, caplog):
    assert run(config, tmp_path / "run", "optim.lr=1e30", "optim.schedule=halving") == 1
    assert "lower optim.lr" in caplog.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("optim.learning_rate=1", "optim.learning_rate: unknown setting"),
        ("optim.optimiser=lion", "optim.optimiser"),
        ("model.aus=[12, 1]", "ascending"),
        ("optim.lr", "key=value"),
        ("model=3", "model: expected a table of settings, got 3"),
        ("seed=-1", "seed: must lie between 0 and"),
        ("optim.lr=nan", "optim.lr: must be positive, got nan"),
        ("optim.lr=inf", "optim.lr: must be positive, got inf"),
        ("optim.clip=-1", "optim.clip: must be at least 0, got -1"),
        ("optim.weight_decay=-1", "optim.weight_decay: must be at least 0, got -1"),
        ("optim.align_weight=nan", "optim.align_weight: must be at least 0, got nan"),
        ("augment.rotation=nan", "augment.rotation must not be negative, got nan"),
        ("save_every=0", "save_every: must be at least 1"),
        ("optim.average_from=1.0", "optim.average_from: must lie in"),
        ("optim.average_from=-0.1", "optim.average_from: must lie in"),
        ("optim.average_from=end", "optim.average_from: 'end' is not"),
        ("data.root=/nowhere", "lgrnet.faces.generate"),
        ("optim.batch=100", "fewer than one batch"),
        ("data.val=train", "people are in both"),
        ("data.val_root=/nowhere/else", "/nowhere/else"),
        ('data.also=["/nowhere/near"]', "/nowhere/near holds no"),
        ("data.also=/nowhere", "data.also: '/nowhere' is not"),
        ("data.also=[3]", "data.also: (3,) is not"),
    ],
)
def test_wrong_settings_are_named(config, tmp_path, caplog, change, message):
    assert run(config, tmp_path / "run", change) == 2
    assert message in caplog.text
    assert not (tmp_path / "run" / "last.pt").exists()


def test_another_data_set_can_judge(config, tmp_path, caplog):
    own = shutil.copytree(config.parent / "data", tmp_path / "own")
    for shard in own.glob("val-*"):
        shard.unlink()
    assert run(config, tmp_path / "run", f"data.root={own}", "optim.epochs=1") == 2
    assert "val-00000" in caplog.text
    changes = [f"data.root={own}", f"data.val_root={config.parent / 'data'}", "optim.epochs=1"]
    assert run(config, tmp_path / "run", *changes) == 0
    _, meta = load_checkpoint(tmp_path / "run" / "last.pt")
    assert meta["experiment"]["data"]["val_root"] == str(config.parent / "data")
    assert tuned_on(meta) == {(data_set({"made for": "tests"}), "val")}


def test_further_data_sets_are_trained_on(config, tmp_path):
    more = write_tiny_shards(tmp_path / "more", count=6)
    changes = [f'data.also=["{more}"]', "optim.epochs=1"]
    assert run(config, tmp_path / "run", *changes) == 0
    _, meta = load_checkpoint(tmp_path / "run" / "last.pt")
    assert meta["training_images"] == 24 + 12
    assert meta["experiment"]["data"]["also"] == [str(more)]
    assert meta["dataset_recipe"]["also"] == [{"made for": "tests"}]


def test_files_that_are_no_experiment_are_named(tmp_path, caplog):
    assert main([str(tmp_path / "none.toml")]) == 2
    assert "there is no experiment" in caplog.text
    (tmp_path / "broken.toml").write_text("[model\n")
    assert main([str(tmp_path / "broken.toml")]) == 2
    assert "is not TOML" in caplog.text


def test_an_experiment_saved_by_windows_editor(config, tmp_path):
    """With a byte order mark, and read as UTF-8 whatever the system's encoding is."""
    text = config.read_text(encoding="utf-8") + "\n# Größe\n"
    marked = tmp_path / "marked.toml"
    marked.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load_experiment(marked) == load_experiment(config)


def test_the_papers_schedule_halves_every_two_epochs(config, tmp_path):
    changes = [f"out={tmp_path}", "optim.optimiser=sgd", "optim.schedule=halving"]
    trainer = Trainer(load_experiment(config, changes), torch.device("cpu"), progress=False)
    rates = []
    for _ in range(6):
        rates.append(trainer.optimiser.param_groups[0]["lr"])
        for _ in range(trainer.steps):
            trainer.optimiser.step()
            trainer.schedule.step()
    assert rates == pytest.approx([0.01 * 0.5 ** (epoch // 2) for epoch in range(6)])
    group = trainer.optimiser.param_groups[0]
    assert (group["momentum"], group["nesterov"]) == (0.9, True)


def test_one_cycle_rises_for_15_percent_of_all_steps_and_ends_at_nearly_nothing(config, tmp_path):
    changes = [f"out={tmp_path}", "optim.epochs=10", "optim.weight_decay=0.03"]
    trainer = Trainer(load_experiment(config, changes), torch.device("cpu"), progress=False)
    total = 10 * trainer.steps
    rates = []
    for _ in range(total):
        rates.append(trainer.optimiser.param_groups[0]["lr"])
        trainer.optimiser.step()
        if len(rates) < total:
            trainer.schedule.step()
    assert max(rates) == pytest.approx(0.01)
    assert np.argmax(rates) == 0.15 * total - 1
    assert rates[0] == pytest.approx(0.01 / 25)
    assert rates[-1] == pytest.approx(0.01 / 25 / 1e4)
    assert trainer.optimiser.param_groups[0]["weight_decay"] == 0.03


@pytest.mark.parametrize("architecture", ["lgrnet", "jaanet"])
def test_a_step_lowers_the_loss_that_the_settings_ask_for(config, tmp_path, architecture):
    """Every part is computed again, from what the network says, and added up by hand."""
    assert run(config, tmp_path / "first", "optim.epochs=1") == 0
    taught = tmp_path / "first" / "last.pt"
    changes = [
        *(f"out={tmp_path / 'run'}", "optim.align_weight=0.3", "optim.dice_over=batch"),
        *("optim.intensity_weight=0.7", f"distil.teacher={taught}", "distil.weight=0.6"),
    ]
    jaanet = ["model.architecture=jaanet", "model.relation=none", "model.fusion=false"]
    changes += jaanet if architecture == "jaanet" else ["model.intensity=true"]
    trainer = Trainer(load_experiment(config, changes), torch.device("cpu"), progress=False)
    batch = next(training_batches(trainer.faces, 4, epoch=0, workers=0))
    twin = deepcopy(trainer.model).train()
    trainer.model.train()
    found = trainer._update(batch)
    images = to_input(batch.faces)
    with torch.no_grad():
        said, lesson = twin(images), load_checkpoint(taught)[0](images).au_logits.sigmoid()
    labels, weights = batch.presence, trainer.weights
    heads = [said.au_logits] + ([] if said.local_logits is None else [said.local_logits])
    wanted = sum(recognition_loss(each, labels, weights) for each in heads)
    wanted += sum(dice_loss(each, labels, weights, over="batch") for each in heads)
    wanted += 0.3 * alignment_loss(said.landmarks, batch.landmarks)
    columns = Lesson(lesson, torch.arange(2))
    wanted += 0.6 * distillation_loss(said.au_logits, labels, weights, columns)
    if architecture == "lgrnet":
        wanted += 0.7 * intensity_loss(said.intensity, batch.intensity, weights)
    assert len(heads) == (2 if architecture == "jaanet" else 1)
    assert found.total.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_seed_and_limit_decide_which_faces_come(config, tmp_path):
    def first(*changes):
        settings = load_experiment(config, [f"out={tmp_path}", *changes])
        trainer = Trainer(settings, torch.device("cpu"), progress=False)
        return trainer, next(training_batches(trainer.faces, 4, epoch=0, workers=0)).faces

    trainer, faces = first()
    again = first("seed=0")[1]
    assert torch.equal(faces, again)
    assert not torch.equal(faces, first("seed=1")[1])
    limited = first("data.limit=9")[0]
    assert (len(trainer.faces), len(limited.faces)) == (24, 9)
    assert (trainer.steps, limited.steps) == (6, 2)


@pytest.mark.parametrize("clip", [None, 0.1, 0.0])
def test_gradients_are_clipped_as_far_as_asked_for(config, tmp_path, monkeypatch, clip):
    norms = []
    step = torch.optim.SGD.step

    def watched(self, *args, **kwargs):
        grads = [p.grad for group in self.param_groups for p in group["params"]]
        norms.append(float(torch.stack([(g.double() ** 2).sum() for g in grads]).sum().sqrt()))
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.SGD, "step", watched)
    changes = ["optim.optimiser=sgd", "optim.schedule=halving", "optim.epochs=1", "optim.lr=1e-6"]
    changes += [] if clip is None else [f"optim.clip={clip}"]
    assert run(config, tmp_path / "run", *changes) == 0
    if clip == 0.1:
        assert max(norms) == pytest.approx(0.1, rel=1e-3)
    elif clip == 0.0:
        assert max(norms) > 5.5
    else:
        assert max(norms) == pytest.approx(5, rel=1e-3)


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_committed_experiments_are_valid(path):
    experiment = load_experiment(path)
    if path.stem in CORPORA:  # the others are of faces that we draw
        assert experiment.training_data.lower().startswith(path.stem)
        assert "research only" in experiment.licence
    else:
        assert "synthetic" in experiment.training_data
