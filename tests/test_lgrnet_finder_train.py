import csv
import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_heads import write_tiny_heads
from tiny_shards import write_tiny_shards

from lgrnet.finder.batches import SceneBatches, scene_batches
from lgrnet.finder.scenes import SceneMaker
from lgrnet.finder.targets import finder_losses
from lgrnet.finder.train import main
from lgrnet.finder.trainer import FinderRun, FinderTrainer, native_precision
from lgrnet.finder.weights import load_finder, save_finder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("finder")
    write_tiny_heads(root / "heads")
    write_tiny_shards(root / "faces")
    return root


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def run_of(data, out, **changes):
    settings = {"steps": 6, "batch": 2, "seed": 5, "precision": "fp32", "save_every": 2}
    return FinderRun(data / "heads", data / "faces", out, **{**settings, **changes})


def train(run):
    FinderTrainer(run, workers=0, progress=False).run()
    return load_finder(run.out / "finder.pt")


def same(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    torch.set_num_threads(1)
    run = run_of(data, tmp_path_factory.mktemp("whole"))
    return run, *train(run)


def test_a_run_tells_what_it_was_made_from(whole):
    run, network, meta = whole
    assert not network.training
    assert (meta["steps"], meta["seed"], meta["batch"], meta["precision"]) == (6, 5, 2, "fp32")
    assert (meta["heads"], meta["persons"], meta["faces"], meta["backgrounds"]) == (4, 1, 24, 2)
    assert meta["pictures"] == {"count": 0, "sha256": None}
    assert meta["init_sha256"] is None
    with (run.out / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["6"]
    assert all(float(value) >= 0 for value in rows[0].values())


def test_a_run_that_was_cut_off_comes_out_the_same(whole, data, tmp_path, monkeypatch):
    run = run_of(data, tmp_path / "cut")
    update = FinderTrainer._update

    def stop_in_the_fourth_step(self, batch):
        if self.step == 3:
            raise KeyboardInterrupt
        return update(self, batch)

    monkeypatch.setattr(FinderTrainer, "_update", stop_in_the_fourth_step)
    with pytest.raises(KeyboardInterrupt):
        train(run)
    assert not (run.out / "finder.pt").exists()
    steps = []
    monkeypatch.setattr(
        FinderTrainer, "_update", lambda self, b: (steps.append(self.step), update(self, b))[1]
    )
    network, meta = train(run)
    assert steps == [2, 3, 4, 5]
    _, expected, expected_meta = whole
    assert same(network.state_dict(), expected.state_dict())
    assert meta == expected_meta


def test_a_finished_run_is_not_trained_again(whole, caplog, monkeypatch):
    monkeypatch.setattr(FinderTrainer, "_update", None)
    with caplog.at_level(logging.INFO):
        train(whole[0])
    assert "6 steps are trained" in caplog.text


def test_another_seed_or_other_first_weights_give_others(whole, data, tmp_path):
    run, network, _ = whole
    other, _ = train(replace(run, out=tmp_path / "seed", seed=6))
    assert not same(network.state_dict(), other.state_dict())
    going_on, meta = train(replace(run, out=tmp_path / "init", init=run.out / "finder.pt", steps=1))
    assert len(meta["init_sha256"]) == 64
    for name, value in going_on.named_parameters():
        assert (value - network.get_parameter(name)).abs().max() < 1e-3  # the first rate is small


def test_another_process_puts_the_same_batches_together(data):
    batches = SceneBatches(SceneMaker(data / "heads", data / "faces"), 2, seed=1)
    alone = list(scene_batches(batches, range(3, 5), 0))
    together = list(scene_batches(batches, range(3, 5), 1))
    for one, other in zip(alone, together, strict=True):
        assert torch.equal(one.images, other.images)
        for part in ("boxes", "points", "counts"):
            for mine, theirs in zip(getattr(one, part), getattr(other, part), strict=True):
                assert torch.equal(mine, theirs)
    assert not torch.equal(alone[0].images, alone[1].images)


def test_training_lowers_the_loss(data, tmp_path, monkeypatch):
    monkeypatch.setattr("lgrnet.finder.trainer._WARM_UP", 4)
    trainer = FinderTrainer(run_of(data, tmp_path / "run", steps=16), 0, False)
    batch = SceneBatches(trainer.maker, 4, 0)[1]
    assert sum(int(counts.sum()) for counts in batch.counts) > 0
    losses = [float(trainer._update(batch).total) for _ in range(16)]
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])


def test_mean_weights_follow_as_said(data, tmp_path):
    trainer = FinderTrainer(run_of(data, tmp_path / "run"), 0, False)
    expected = trainer.network.stem[0].weight.detach().double().clone()
    batch = SceneBatches(trainer.maker, 2, 0)[0]
    for step in range(4):
        trainer._update(batch)
        keep = min(0.998, (1 + step) / (10 + step))
        expected = keep * expected + (1 - keep) * trainer.network.stem[0].weight.detach()
    found = trainer.mean.stem[0].weight
    np.testing.assert_allclose(found.detach().numpy(), expected.numpy(), atol=1e-6)
    assert int(trainer.mean.stem[1].num_batches_tracked) == 4


def test_the_rate_rises_then_falls_along_a_cosine(data, tmp_path):
    trainer = FinderTrainer(run_of(data, tmp_path / "run", steps=6000), 0, False)
    rates = [trainer._rate(step) for step in (0, 149, 3000, 5999)]
    assert rates == pytest.approx([4e-3 / 150, 4e-3, 4e-3 * 0.51, 4e-3 * 0.02], rel=2e-3)


def test_bfloat16_is_computed_in_only_when_chosen(data, tmp_path, caplog):
    kinds = {}
    for precision in ("fp32", "bf16", None):
        trainer = FinderTrainer(run_of(data, tmp_path / "run", precision=precision), 0, False)
        trainer.network.out[0].register_forward_hook(
            lambda _, __, output, key=precision: kinds.update({key: output.dtype})
        )
        trainer._update(SceneBatches(trainer.maker, 2, 0)[0])
    own = {"fp32": torch.float32, "bf16": torch.bfloat16}[native_precision()]
    assert kinds == {"fp32": torch.float32, "bf16": torch.bfloat16, None: own}
    with caplog.at_level(logging.INFO):
        trainer._say_what()
    assert f"computing in {native_precision()}" in caplog.text
    assert "no --pictures without faces" in caplog.text


def test_a_loss_that_is_not_finite_ends_the_run(data, tmp_path, monkeypatch, caplog):
    def lost(*arguments):
        losses = finder_losses(*arguments)
        return losses._replace(score=losses.score * float("nan"))

    monkeypatch.setattr("lgrnet.finder.trainer.finder_losses", lost)
    monkeypatch.setattr(
        "lgrnet.finder.train.FinderTrainer", lambda run, *_: FinderTrainer(run, 0, False)
    )
    arguments = ["--heads", data / "heads", "--faces", data / "faces", "--out", tmp_path / "run"]
    assert main([*map(str, arguments), "--steps", "2", "--batch", "1"]) == 1
    assert "the loss became nan in step 1" in caplog.text


def test_other_folders_and_files_are_refused_in_words(whole, data, tmp_path, caplog):
    run = whole[0]

    def said(out, *more, heads=data / "heads"):
        caplog.clear()
        arguments = ["--heads", heads, "--faces", data / "faces", "--out", out, "--no-progress"]
        assert main([*map(str, arguments), *more]) == 2
        return caplog.text

    mine = ["--steps", "6", "--batch", "2", "--precision", "fp32"]
    text = said(run.out, *mine, "--seed", "7")
    assert "holds a run with other seed: choose another folder" in text
    assert "holds no heads.json" in said(tmp_path / "new", heads=tmp_path)
    assert "no such file" in said(tmp_path / "new", "--init", str(tmp_path / "none.pt"))
    (tmp_path / "half").mkdir()
    state = (run.out / "last.pt").read_bytes()
    (tmp_path / "half" / "last.pt").write_bytes(state[:-1000])
    assert "is truncated" in said(tmp_path / "half", *mine, "--seed", "5")
    torch.save({"format": "other"}, tmp_path / "half" / "last.pt")
    assert "no state of a run of this command" in said(tmp_path / "half", *mine, "--seed", "5")
    (tmp_path / "alone").mkdir()
    save_finder(tmp_path / "alone" / "finder.pt", whole[1], {})
    assert "holds a finder.pt but no last.pt" in said(tmp_path / "alone")
