"""``python -m lgrnet.average``: against a plain loop, and what cannot be averaged."""

import re

import numpy as np
import pytest
import torch
from test_lgrnet_evaluate import TINY

from lgrnet.average import average, main
from lgrnet.checkpoint import load_checkpoint, save_checkpoint
from lgrnet.network.build import build_network
from lgrnet.network.config import model_config
from lgrnet.unseen import data_set, tuned_on


def saved(path, seed, meta=None, **changes):
    torch.manual_seed(seed)
    model = build_network(model_config("edge", **{**TINY, **changes})).eval()
    for buffer in model.buffers():  # batch norms that have seen faces
        if buffer.is_floating_point():
            torch.nn.init.uniform_(buffer, 0.5, 2)
    save_checkpoint(path, model, meta)
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def test_every_weight_is_the_mean_of_those_that_have_it(tmp_path):
    paths = [tmp_path / name for name in ("whole.pt", "part.pt", "third.pt")]
    whole = saved(paths[0], 1)
    part = saved(paths[1], 2, relation="none")
    third = saved(paths[2], 3)
    assert main([*map(str, paths), "-o", str(tmp_path / "new" / "mean.pt")]) == 0
    model, meta = load_checkpoint(tmp_path / "new" / "mean.pt")
    assert model.config.relation == "skip_bilstm"
    assert meta["mean_of"] == [str(path) for path in paths]
    assert "thresholds" not in meta
    seen = {"relation": 0, "rest": 0, "running": 0}
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point():
            assert tensor.numpy() == whole[name]
            continue
        parts = [whole[name], third[name]]
        if name.startswith("relation."):
            assert name not in part
            seen["relation"] += 1
        else:
            parts.append(part[name])
            seen["running" if "running" in name else "rest"] += 1
        for place in range(0, tensor.numel(), 97):
            wanted = sum(float(each.flat[place]) for each in parts) / len(parts)
            assert float(tensor.flatten()[place]) == pytest.approx(wanted, rel=1e-5, abs=1e-7)
    assert all(seen.values())


def test_what_all_lack_comes_from_another_and_nothing_else_does(tmp_path):
    paths = [tmp_path / name for name in ("a.pt", "b.pt", "whole.pt")]
    a, b = (saved(path, seed, relation="none") for path, seed in zip(paths, (1, 2), strict=False))
    whole = saved(paths[2], 3)
    told = ["--missing-from", str(paths[2]), "-o", str(tmp_path / "out.pt")]
    for parts, given in (([a], paths[:1]), ([a, b], paths[:2])):
        assert main([*map(str, given), *told]) == 0
        model, meta = load_checkpoint(tmp_path / "out.pt")
        assert model.config.relation == "skip_bilstm"
        assert meta["missing_from"] == str(paths[2])
        seen = set()
        for name, tensor in model.state_dict().items():
            if not tensor.is_floating_point():
                continue
            if name in a:
                wanted = sum(part[name] for part in parts) / len(parts)
            else:
                wanted = whole[name]
            seen.add(name in a)
            np.testing.assert_allclose(tensor.numpy(), wanted, rtol=1e-5, atol=1e-7)
        assert seen == {True, False}


def test_what_all_lack_may_come_from_a_network_of_more_aus(tmp_path, caplog):
    paths = [tmp_path / name for name in ("part.pt", "whole.pt", "out.pt")]
    part = saved(paths[0], 1, relation="none", aus=(1, 12))
    whole = saved(paths[1], 2, aus=(1, 6, 12, 17))
    command = [*map(str, paths[:1]), "--missing-from", str(paths[1]), "-o", str(paths[2])]
    assert main(command) == 0
    model, _ = load_checkpoint(paths[2])
    assert (model.config.aus, model.config.relation) == ((1, 12), "skip_bilstm")
    lent = {name: each.numpy() for name, each in model.state_dict().items() if name not in part}
    assert lent
    for name, tensor in model.state_dict().items():
        if name in part:
            np.testing.assert_array_equal(tensor.numpy(), part[name])
    # Gates are counted by AUs; 1 and 12 are the first and third of the four from top to bottom.
    steps = {"downward.gates.maps.0": 0, "downward.gates.maps.1": 2}
    steps |= {"upward.gates.maps.0": 1, "upward.gates.maps.1": 3}
    for name, tensor in lent.items():
        gate = re.search(r"(up|down)ward\.gates\.maps\.\d+", name)
        theirs = name
        if gate is not None:
            theirs = name.replace(gate[0], f"{gate[0].rpartition('.')[0]}.{steps[gate[0]]}")
        np.testing.assert_array_equal(tensor, whole[theirs])
    assert any("gates.maps" in name for name in lent)
    saved(paths[1], 2, aus=(1, 6, 17))
    assert main(command) == 2
    assert "whole.pt does not know AU 12, which the others tell" in caplog.text


def test_a_network_with_itself_stays(tmp_path):
    told = {"training_data": "synthetic faces only", "licence": "Apache-2.0", "thresholds": [0.3]}
    state = saved(tmp_path / "a.pt", 1, told)
    model, meta = average([tmp_path / "a.pt", tmp_path / "a.pt"])
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), state[name])
    assert {name: meta[name] for name in ("training_data", "licence")} == {
        "training_data": "synthetic faces only", "licence": "Apache-2.0",
    }  # fmt: skip
    saved(tmp_path / "b.pt", 1, {**told, "licence": "another"})
    assert "licence" not in average([tmp_path / "a.pt", tmp_path / "b.pt"])[1]
    for name in ("c.pt", "d.pt"):
        saved(tmp_path / name, 1)
    assert not {"licence", "training_data"} & set(
        average([tmp_path / "c.pt", tmp_path / "d.pt"])[1]
    )


def test_what_cannot_be_averaged_is_named(tmp_path, caplog):
    out = tmp_path / "mean.pt"
    shapes = {name: each.shape for name, each in saved(tmp_path / "a.pt", 1).items()}
    saved(tmp_path / "other.pt", 1, head_hidden=4)
    assert main([str(tmp_path / "a.pt"), "-o", str(out)]) == 2
    assert "two checkpoints or more, got 1" in caplog.text
    assert main([str(tmp_path / "a.pt"), str(tmp_path / "other.pt"), "-o", str(out)]) == 2
    assert "other.pt is another network" in caplog.text
    assert re.search(r"head_hidden = 4, of \S+\.pt \d+", caplog.text)
    strange = ["--missing-from", str(tmp_path / "other.pt")]
    assert main([str(tmp_path / "a.pt"), *strange, "-o", str(out)]) == 2
    assert "a.pt is another network than others" in caplog.text
    aus = saved(tmp_path / "aus.pt", 1, aus=(1, 6))  # as many AUs, so that all shapes are the same
    assert {name: each.shape for name, each in aus.items()} == shapes
    assert main([str(tmp_path / "a.pt"), str(tmp_path / "aus.pt"), "-o", str(out)]) == 2
    assert "aus.pt is another network" in caplog.text
    saved(tmp_path / "more.pt", 1, aus=(1, 6, 12))
    named = [str(tmp_path / "a.pt"), str(tmp_path / "aus.pt")]
    assert main([*named, "--missing-from", str(tmp_path / "more.pt"), "-o", str(out)]) == 2
    first = load_checkpoint(tmp_path / "a.pt")[0].config.aus
    assert f"aus = (1, 6), of {tmp_path / 'a.pt'} {first}" in caplog.text
    assert main([str(tmp_path / "a.pt"), str(tmp_path / "none.pt"), "-o", str(out)]) == 2
    assert "none.pt: no such file" in caplog.text
    assert not out.exists()


def test_on_whom_intensities_were_fitted_goes_with_the_weights(tmp_path):
    """Thresholds are left out, and so is on whom they were chosen."""
    paths = [tmp_path / name for name in ("a.pt", "b.pt", "c.pt")]
    fitted = [
        {"recipe": {"corpus": "disfa"}, "splits": ["SN001"]},
        {"kept": [["bp4d", "F001"]]},
        {"recipe": {"renderer": 12, "seed": 4}, "splits": ["val"]},
    ]
    for seed, (path, told) in enumerate(zip(paths, fitted, strict=True)):
        chosen = {"recipe": {"corpus": "bp4d"}, "splits": ["F002"]}
        saved(path, seed, {"intensities_from": told, "thresholds_from": chosen})
    assert main([*map(str, paths), "-o", str(tmp_path / "mean.pt")]) == 0
    meta = load_checkpoint(tmp_path / "mean.pt")[1]
    rendered = data_set({"seed": 4, "renderer": 12}), "val"
    assert tuned_on(meta) == {("disfa", "SN001"), ("bp4d", "F001"), rendered}
    saved(paths[2], 2, {})
    assert main([str(paths[2]), str(paths[2]), "-o", str(tmp_path / "mean.pt")]) == 0
    assert "intensities_from" not in load_checkpoint(tmp_path / "mean.pt")[1]
