import json

import pytest
import torch
from tiny_network import SMALL

from benchmarks import training
from benchmarks.grouping.pieces import Form, Piece, pieces
from lgrnet.network.config import PRESETS, model_config

CONFIG = model_config("edge", **SMALL)


@pytest.mark.parametrize("gate", ["product", "concat"])
def test_both_forms_of_every_piece_compute_the_same(gate):
    names = []
    for piece in pieces(model_config("edge", **SMALL, gate=gate), batch=2):
        assert piece.check() < 1e-3
        _, gradients = piece.run(piece.grouped)
        assert len(gradients) == sum(each.requires_grad for each in piece.inputs)
        assert all(each.abs().max() > 0 for each in gradients)
        names.append(piece.name)
    assert len(names) == len(set(names)) == 13


def doubled(x):
    return 2 * x


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: 2.01 * x,
        lambda x: 2 * x.detach() + 0 * x,  # the outputs agree, the gradients do not
        lambda x: torch.cat([2 * x, x]),
        lambda x: 2 * x + torch.nan,
    ],
)
def test_forms_that_differ_are_not_timed(wrong):
    x = torch.randn(4, requires_grad=True)
    piece = Piece("a piece", Form(doubled, ()), Form(wrong, ()), (x,))
    with pytest.raises(AssertionError, match="a piece: "):
        piece.check()
    assert Piece("a piece", Form(doubled, ()), Form(doubled, ()), (x,)).check() == 0


def test_a_training_step_changes_every_weight():
    step = training.training_step(CONFIG, batch=2)
    model = step.__closure__[[*step.__code__.co_freevars].index("model")].cell_contents
    before = {name: each.detach().clone() for name, each in model.named_parameters()}
    step()
    changed = {
        name for name, each in model.named_parameters() if not torch.equal(each, before[name])
    }
    assert changed == set(before)


def test_command_writes_a_record_and_prints_a_table(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(PRESETS, "edge", CONFIG)
    path = tmp_path / "training.json"
    line = "--presets edge --threads 1 --batch 2 --seconds 0 --rounds 1 --warmup 0 --json"
    assert training.main([*line.split(), str(path)]) == 0
    (run,) = json.loads(path.read_text())["networks"]
    assert len(run["pieces"]) == 13
    for row in run["pieces"]:
        assert row["ratio"] == pytest.approx(row["loops"]["p50"] / row["grouped"]["p50"])
        assert row["verdict"] in ("faster", "SLOWER", "cannot be told")
    assert run["step"]["fps"] == pytest.approx(2000 / run["step"]["p50"])
    assert "| refining blocks |" in capsys.readouterr().out


def test_one_face_is_no_batch(capsys):
    with pytest.raises(SystemExit):
        training.parse_args(["--batch", "1"])
    assert "argument --batch: 1 is not 2 or more" in capsys.readouterr().err
