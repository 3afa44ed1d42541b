"""``optim.average_from``: the mean weights of the last part of a training."""

import numpy as np
import pytest
import torch
from test_lgrnet_fold_training import corpora, train
from test_lgrnet_train import config, run, weights
from torch import nn

from lgrnet.checkpoint import load_checkpoint
from lgrnet.corpora.folds import test_subjects
from lgrnet.data.shards import FaceShards
from lgrnet.evaluation.fold_scores import read_fold_scores
from lgrnet.evaluation.scoring import evaluate
from lgrnet.training.trainer import Trainer
from lgrnet.training.weight_mean import NORM_BATCHES, WeightMean
from runtime.action_units import DISFA_AUS

__all__ = ["config", "corpora"]  # fixtures

CPU = torch.device("cpu")


@pytest.mark.parametrize(("begin", "first"), [(0.0, 1), (0.4, 3), (0.5, 3), (0.7, 4), (0.9, 5)])
def test_weights_count_after_the_beginning_alone(begin, first):
    """A step that ends after that share of the training counts, also where it began before."""
    network = nn.Linear(1, 1)
    mean = WeightMean(network, total=5, begin=begin)
    for step in range(1, 6):
        with torch.no_grad():
            network.weight.fill_(10.0**step)
            network.bias.fill_(-step)
        mean.add(network, step)
    counted = range(first, 6)
    wanted = sum(10.0**step for step in counted) / len(counted)
    assert mean.network.weight.item() == pytest.approx(wanted)
    assert mean.network.bias.item() == pytest.approx(-(first + 5) / 2)
    assert network.weight.item() == 1e5


def test_statistics_of_norms_are_the_plain_mean_over_batches():
    generator = torch.Generator().manual_seed(0)
    batches = [2 * torch.randn(6, 3, 4, 4, generator=generator) + 5 for _ in range(3)]
    mean = WeightMean(nn.Sequential(nn.BatchNorm2d(3)), total=1, begin=0.0)
    for _ in range(2):  # what was there before does not count
        mean.renew_norms(batches)
    pixels = [batch.numpy().transpose(1, 0, 2, 3).reshape(3, -1) for batch in batches]
    norm = mean.network[0]
    wanted = np.mean([each.mean(1) for each in pixels], 0)
    assert norm.running_mean.numpy() == pytest.approx(wanted, rel=1e-5)
    wanted = np.mean([each.var(1, ddof=1) for each in pixels], 0)
    assert norm.running_var.numpy() == pytest.approx(wanted, rel=1e-5)
    assert norm.momentum == 0.1  # as it was, for a training that goes on from there


def test_a_run_writes_the_mean_of_its_last_steps(config, tmp_path, monkeypatch):
    """Of three epochs of six steps each, the last nine; added up in float64 as they are taken."""
    taken = []
    update = Trainer._update

    def spy(trainer, batch):
        losses = update(trainer, batch)
        taken.append({n: p.detach().double() for n, p in trainer.model.named_parameters()})
        return losses

    monkeypatch.setattr(Trainer, "_update", spy)
    assert run(config, tmp_path / "run", "optim.average_from=0.5") == 0
    assert len(taken) == 18
    found = weights(tmp_path / "run" / "average.pt")
    last = weights(tmp_path / "run" / "last.pt")
    moved = 0.0
    for name in taken[0]:
        wanted = sum(each[name] for each in taken[9:]) / 9
        torch.testing.assert_close(found[name].double(), wanted, rtol=1e-5, atol=1e-6, msg=name)
        moved = max(moved, (last[name] - wanted).abs().max().item())
    assert moved > 1e-3, "the last weights would have passed for the mean"
    counts = [value for name, value in found.items() if name.endswith("num_batches_tracked")]
    assert set(map(int, counts)) == {6}  # all of an epoch, which is fewer than NORM_BATCHES
    assert NORM_BATCHES > 6
    assert any(
        not torch.allclose(found[name], last[name], rtol=1e-3)
        for name in found
        if name.endswith(("running_mean", "running_var"))
    )


def test_the_mean_is_judged_and_explains_itself(config, tmp_path):
    changes = ("optim.average_from=0.25", "optim.epochs=12", "augment.flip=0.0")
    assert run(config, tmp_path / "run", *changes) == 0
    model, meta = load_checkpoint(tmp_path / "run" / "average.pt")
    shards = FaceShards(config.parent / "data", "val", model.config.aus)
    result = evaluate(model, shards, CPU)
    assert meta["validation"]["mean_f1"] == pytest.approx(result.mean_f1)
    assert result.mean_f1 > 0.9  # always-on is about 0.67
    assert (meta["averaged_from"], meta["epoch"]) == (0.25, 12)
    assert len(meta["thresholds"]) == 2
    assert "averaged_from" not in load_checkpoint(tmp_path / "run" / "last.pt")[1]


def test_without_it_there_is_none(config, tmp_path):
    assert run(config, tmp_path / "run", "optim.epochs=1") == 0
    assert not (tmp_path / "run" / "average.pt").exists()


def test_an_interrupted_run_has_the_mean_of_the_uninterrupted_one(config, tmp_path, monkeypatch):
    changes = ("optim.average_from=0.4",)
    assert run(config, tmp_path / "whole", *changes) == 0
    update = Trainer._update
    seen = []

    def stop_at_the_twelfth(trainer, batch):
        seen.append(batch)
        if len(seen) == 12:  # steps 8 to 10 are in the saved mean, step 11 is taken again
            raise KeyboardInterrupt
        return update(trainer, batch)

    with monkeypatch.context() as stopped:
        stopped.setattr(Trainer, "_update", stop_at_the_twelfth)
        assert run(config, tmp_path / "stopped", *changes) == 130
    assert not (tmp_path / "stopped" / "average.pt").exists()
    assert run(config, tmp_path / "stopped", *changes) == 0
    whole, stopped = (weights(tmp_path / name / "average.pt") for name in ("whole", "stopped"))
    assert all(torch.equal(whole[name], stopped[name]) for name in whole)


def test_another_part_is_another_run(config, tmp_path, caplog):
    """And a run from before there were means is one without; nor did it tell how it clipped."""
    assert run(config, tmp_path / "run", "optim.epochs=1") == 0
    assert run(config, tmp_path / "run", "optim.epochs=1", "optim.average_from=0.5") == 2
    assert "another configuration" in caplog.text
    path = tmp_path / "run" / "config.json"
    before = path.read_text().replace('"average_from": null,', "").replace('"clip": 5.0,', "")
    assert "average_from" not in before
    assert "clip" not in before
    path.write_text(before)
    assert run(config, tmp_path / "run", "optim.epochs=1") == 0


def test_on_a_fold_the_mean_has_scores_of_its_own(corpora, tmp_path):
    changes = ("optim.average_from=0.5",)
    assert train(corpora, "disfa", tmp_path / "runs", "--fold", "2", changes=changes) == 0
    folder = tmp_path / "runs" / "lgrnet" / "fold2"
    model, meta = load_checkpoint(folder / "average.pt")
    assert meta["thresholds"] == [0.5] * 8  # none is chosen on people who test
    faces = FaceShards(corpora["disfa"], test_subjects("disfa", 2), DISFA_AUS)
    scores = read_fold_scores(folder / "average.json")
    assert scores["landmark_error"] == pytest.approx(evaluate(model, faces, CPU).landmark_error)
    assert scores["landmark_error"] != read_fold_scores(folder / "last.json")["landmark_error"]
