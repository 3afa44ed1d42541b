import json
import math

import numpy as np
import pytest
import torch
from test_lgrnet_evaluate import TINY
from test_lgrnet_train import config, run  # noqa: F401 (a fixture)

from lgrnet.checkpoint import load_checkpoint, save_checkpoint
from lgrnet.data.shards import FaceShards
from lgrnet.evaluation.models import ask_network
from lgrnet.network.build import build_network
from lgrnet.network.config import model_config
from lgrnet.training.losses import MISSING, distillation_loss, joint_loss
from lgrnet.training.teacher import Lesson, Teacher
from lgrnet.training.trainer import Trainer

CPU = torch.device("cpu")


def checkpoint(path, aus, seed=0):
    torch.manual_seed(seed)
    network = build_network(model_config("edge", **{**TINY, "aus": list(aus)})).eval()
    save_checkpoint(path, network)
    return network


def images(seed=1):
    return torch.randn(2, 3, 176, 176, generator=torch.Generator().manual_seed(seed))


def test_the_loss_by_hand():
    pupil = torch.tensor([[0.9, 0.5, 0.2], [0.6, 0.5, 0.3]])
    teacher = torch.tensor([[0.1, 0.8], [0.4, 0.7]])  # of the last and of the first AU
    labels = torch.tensor([[1, 0, 0], [MISSING, 1, 1]])
    weights = [0.5, 1.0, 1.5]

    def entropy(said, taught):
        return -taught * math.log(said) - (1 - taught) * math.log(1 - said)

    last = (entropy(0.2, 0.1) + entropy(0.3, 0.4)) / 2
    first = entropy(0.9, 0.8)  # the other face's label is missing
    loss = distillation_loss(
        torch.logit(pupil), labels, torch.tensor(weights), Lesson(teacher, torch.tensor([2, 0]))
    )
    assert loss.item() == pytest.approx((1.5 * last + 0.5 * first) / 3, rel=1e-5)


def test_the_loss_is_least_where_both_say_the_same():
    taught = torch.tensor([[0.1, 0.8, 0.5]])
    labels, weights = torch.ones(1, 3, dtype=torch.int64), torch.ones(3)
    logits = torch.logit(taught).requires_grad_()
    lesson = Lesson(taught, torch.arange(3))
    distillation_loss(logits, labels, weights, lesson).backward()
    assert logits.grad.abs().max() < 1e-6


def test_the_joint_loss_adds_it():
    logits, labels = torch.zeros(1, 2), torch.tensor([[1, 0]])
    points = torch.arange(98.0).reshape(1, 49, 2)
    given = (logits, points, labels, points, torch.ones(2))
    lesson = Lesson(torch.tensor([[1.0, 0.0]]), torch.arange(2))
    without, taught = joint_loss(*given), joint_loss(*given, lesson=lesson, distil_weight=0.5)
    assert without.distillation.item() == 0
    assert taught.distillation.item() == pytest.approx(math.log(2))
    torch.testing.assert_close(taught.total, without.total + 0.5 * math.log(2))


def test_a_teacher_says_what_its_network_says_in_the_order_of_the_pupil(tmp_path):
    network = checkpoint(tmp_path / "t.pt", (1, 6, 12))
    teacher = Teacher(tmp_path / "t.pt", (4, 6, 12, 15), CPU)
    said = teacher(images())
    assert teacher.aus == (6, 12)
    assert said.columns.tolist() == [1, 2]
    with torch.no_grad():
        expected = network(images()).au_logits.sigmoid()[:, 1:]
    torch.testing.assert_close(said.probability, expected)


def test_a_teacher_without_a_common_au_is_refused(tmp_path):
    checkpoint(tmp_path / "t.pt", (1, 2))
    with pytest.raises(ValueError, match=r"t\.pt knows the AUs \[1, 2\], none of \[6, 12\]"):
        Teacher(tmp_path / "t.pt", (6, 12), CPU)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("distil.weight=0", "distil.weight: must be positive"),
        ("distil.teacher=/nowhere.pt", "/nowhere.pt: no such file"),
        ("distil.temperature=2", "distil.temperature: unknown setting"),
    ],
)
def test_wrong_settings_are_named(config, tmp_path, caplog, change, message):  # noqa: F811
    assert run(config, tmp_path / "run", change) == 2
    assert message in caplog.text


def test_a_run_that_began_before_there_were_teachers_goes_on(config, tmp_path):  # noqa: F811
    assert run(config, tmp_path / "run", "optim.epochs=1") == 0
    told = json.loads((tmp_path / "run" / "config.json").read_text())
    assert told.pop("distil") == {"teacher": None, "weight": 1.0}
    (tmp_path / "run" / "config.json").write_text(json.dumps(told))
    assert run(config, tmp_path / "run", "optim.epochs=1") == 0
    checkpoint(tmp_path / "t.pt", (1, 12))
    changes = ("optim.epochs=1", f"distil.teacher={tmp_path / 't.pt'}")
    assert run(config, tmp_path / "run", *changes) == 2


def test_a_run_with_another_teacher_is_refused(config, tmp_path, caplog):  # noqa: F811
    path = tmp_path / "t.pt"
    checkpoint(path, (1, 12))
    changes = ("optim.epochs=1", f"distil.teacher={path}")
    assert run(config, tmp_path / "run", *changes) == 0
    assert run(config, tmp_path / "run", *changes, "distil.weight=2") == 2
    assert "(other distil.weight)" in caplog.text
    path.unlink()
    assert run(config, tmp_path / "run", *changes) == 0, "what is finished needs no teacher"
    checkpoint(path, (1,))
    assert run(config, tmp_path / "run", *changes) == 2
    assert f"{tmp_path / 'run'} holds a run with other teacher than" in caplog.text
    told = json.loads((tmp_path / "run" / "origin.json").read_text())
    del told["teacher"]  # as runs did not say it before
    (tmp_path / "run" / "origin.json").write_text(json.dumps(told))
    assert run(config, tmp_path / "run", *changes) == 0


def test_a_run_is_not_gone_on_with_without_its_teacher(config, tmp_path, caplog, monkeypatch):  # noqa: F811
    path = tmp_path / "t.pt"
    checkpoint(path, (1, 12))
    changes = ("optim.epochs=2", f"distil.teacher={path}")

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_report", stop)
        assert run(config, tmp_path / "run", *changes, "save_every=1") == 130
    path.unlink()
    assert run(config, tmp_path / "run", *changes, "save_every=1") == 2
    assert f"distil.teacher: {path} is not there, and" in caplog.text


def test_a_pupil_comes_to_say_what_its_teacher_says(config, tmp_path):  # noqa: F811
    # The teacher holds the opposite of the labels to be true, so what is learnt of it is seen.
    assert run(config, tmp_path / "labels", "augment.flip=0.0", "optim.epochs=12") == 0
    network, meta = load_checkpoint(tmp_path / "labels" / "last.pt")
    with torch.no_grad():
        network.heads.logit.weight.neg_(), network.heads.logit.bias.neg_()
    save_checkpoint(tmp_path / "contrary.pt", network, meta)
    before = (tmp_path / "contrary.pt").read_bytes()
    taught = [f"distil.teacher={tmp_path / 'contrary.pt'}", "distil.weight=100"]
    wanted = ("augment.flip=0.0", "optim.epochs=12")
    assert run(config, tmp_path / "taught", *wanted, *taught) == 0
    assert (tmp_path / "contrary.pt").read_bytes() == before
    shards = FaceShards(config.parent / "data", "val", network.config.aus)
    faces = np.stack([shards.face(i)[12:188, 12:188] for i in range(len(shards))])
    said = {}
    for name in ("labels/last.pt", "contrary.pt", "taught/last.pt"):
        said[name] = ask_network(load_checkpoint(tmp_path / name)[0], CPU)(faces).probability
    agree = (said["taught/last.pt"] > 0.5) == (said["contrary.pt"] > 0.5)
    assert agree.mean() > 0.9
    assert ((said["labels/last.pt"] > 0.5) == (said["contrary.pt"] > 0.5)).mean() < 0.1
