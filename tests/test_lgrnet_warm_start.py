from dataclasses import replace

import pytest
import torch
from test_lgrnet_evaluate import TINY
from test_lgrnet_train import config, run  # noqa: F401  (config is a fixture)

from lgrnet.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from lgrnet.network.build import build_network
from lgrnet.network.config import model_config
from lgrnet.network.model import LGRNet
from lgrnet.network.variants import make_variant
from lgrnet.training.warm_start import resample_map_weights, warm_start


def saved(path, **changes):
    torch.manual_seed(1)
    model = LGRNet(model_config("edge", **{**TINY, **changes})).eval()
    save_checkpoint(path, model)
    return model


def network(**changes):
    torch.manual_seed(2)
    return LGRNet(model_config("edge", **{**TINY, **changes})).eval()


@pytest.mark.parametrize(("before", "after"), [(2, 5), (2, 4), (5, 2), (1, 3), (3, 3)])
def test_constant_maps_score_the_same(before, after):
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(4, 3, before, before, generator=generator, dtype=torch.float64)
    flat = resample_map_weights(weights.flatten(1), 3, torch.Size((4, 3 * after * after)))
    square = resample_map_weights(weights, 3, torch.Size((4, 3, after, after)))
    torch.testing.assert_close(flat, square.flatten(1))
    levels = torch.randn(3, generator=generator, dtype=torch.float64)
    for output in range(4):
        small = sum(levels[c] * weights[output, c].sum() for c in range(3))
        large = sum(levels[c] * square[output, c].sum() for c in range(3))
        assert large.item() == pytest.approx(small.item())


def test_a_slope_keeps_its_direction():
    weights = torch.tensor([[[[-1.0, 1.0], [-1.0, 1.0]]]])
    wide = resample_map_weights(weights, 1, torch.Size((1, 1, 4, 4)))
    assert torch.equal(wide, wide[:, :, :1].expand(1, 1, 4, 4)), "differs from row to row"
    assert (wide[0, 0, 0].diff() >= 0).all()
    assert wide[0, 0, 0, 0] < 0 < wide[0, 0, 0, -1]


def test_the_same_size_takes_all_weights_over(tmp_path):
    source = saved(tmp_path / "source.pt")
    model = network()
    warm_start(model, tmp_path / "source.pt")
    image = torch.randn(2, 3, 176, 176)
    with torch.no_grad():
        torch.testing.assert_close(model(image), source(image), rtol=0, atol=0)


def test_another_size_changes_only_what_depends_on_it(tmp_path):
    source = saved(tmp_path / "source.pt").state_dict()
    model = network(input_size=4 * TINY["input_size"])
    untouched = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    warm_start(model, tmp_path / "source.pt")
    resized = {"align.hidden.weight", "heads.hidden.weight"}
    for name, tensor in model.state_dict().items():
        if name in resized:
            assert tensor.shape != source[name].shape
            assert not torch.equal(tensor, untouched[name])
        else:
            assert torch.equal(tensor, source[name])


@pytest.mark.parametrize("variant", ["lgrnet", "jaanet", "without_fr"])
def test_layers_that_weigh_whole_maps_keep_the_sum_over_each(tmp_path, variant):
    small, large = (
        make_variant(model_config("edge", **{**TINY, "input_size": size}), variant)
        for size in (64, 128)
    )
    torch.manual_seed(5)
    source, model = build_network(small), build_network(large)
    save_checkpoint(tmp_path / "source.pt", source)
    warm_start(model, tmp_path / "source.pt")
    known, got = source.state_dict(), model.state_dict()
    widths = {name: small.feature_widths[-1] for name in ("align", "local_heads")}
    widths |= {"hidden": 3 * small.feature_widths[-1], "heads": source.config.channels}
    if variant == "lgrnet":
        widths["heads"] = small.refine_widths[-1]
    resized = [name for name in got if got[name].shape != known[name].shape]
    assert len(resized) == (3 if variant == "jaanet" else 2)
    for name in resized:
        shape = len(got[name]), widths[name.split(".")[0]], -1  # output, channel, cell
        sums = (each[name].reshape(shape).sum(2) for each in (got, known))
        torch.testing.assert_close(*sums, rtol=0, atol=1e-5, msg=name)


def test_jaanets_final_rows_go_with_their_aus_in_ascending_order(tmp_path):
    sizes = {**TINY, "input_size": 64}
    theirs, ours = (6, 7, 12, 17, 23, 24), (6, 7, 9, 17, 23)  # 7 is above 6, 17 below 23
    source, model = (
        build_network(make_variant(model_config("edge", **{**sizes, "aus": aus}), "jaanet"))
        for aus in (theirs, ours)
    )
    save_checkpoint(tmp_path / "source.pt", source)
    fresh = model.logit.weight.detach().clone()
    warm_start(model, tmp_path / "source.pt")
    for row, au in enumerate(ours):
        wanted = source.logit.weight[theirs.index(au)] if au in theirs else fresh[row]
        assert torch.equal(model.logit.weight[row], wanted), au


def test_another_architecture_is_refused_unless_only_the_trunk_is_taken(tmp_path):
    tiny = model_config("edge", **{**TINY, "input_size": 64})
    save_checkpoint(tmp_path / "source.pt", build_network(make_variant(tiny, "jaanet")))
    with pytest.raises(ValueError, match=r"init: .*architecture = "):
        warm_start(build_network(tiny), tmp_path / "source.pt")
    warm_start(build_network(tiny), tmp_path / "source.pt", "trunk")


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"head_hidden": 4}, "head_hidden"), ({"aus": (2, 6)}, "aus"), ({"fusion": False}, "fusion")],
)
def test_another_network_is_refused_by_the_field_that_differs(tmp_path, changes, named):
    saved(tmp_path / "source.pt")
    with pytest.raises(ValueError, match=f"init: .*{named} = "):
        warm_start(network(**changes), tmp_path / "source.pt")


def test_a_run_begins_with_the_checkpoint(config, tmp_path):  # noqa: F811
    assert run(config, tmp_path / "first", "optim.epochs=1") == 0
    first = tmp_path / "first" / "last.pt"
    # With next to no learning rate the second run ends where it began: at the first one's weights.
    tiny_steps = ("optim.epochs=1", "optim.lr=1e-12", "optim.weight_decay=0.0")
    assert run(config, tmp_path / "second", f"init={first}", *tiny_steps) == 0
    before, after = (load_checkpoint(tmp_path / name / "last.pt") for name in ("first", "second"))
    for name, weights in before[0].named_parameters():
        torch.testing.assert_close(after[0].get_parameter(name), weights, rtol=0, atol=1e-9)
    assert after[1]["experiment"]["init"] == str(first)
    # By JÂA-Net's rule its heads are its own.
    assert run(config, tmp_path / "third", f"init={first}", "init_rule=jaanet", *tiny_steps) == 0
    third = load_checkpoint(tmp_path / "third" / "last.pt")[0]
    same = {name: torch.allclose(third.get_parameter(name), weights, rtol=0, atol=1e-9)
            for name, weights in before[0].named_parameters()}  # fmt: skip
    assert not same["heads.hidden.weight"]
    assert all(kept for name, kept in same.items() if not name.startswith("heads."))


def test_a_missing_checkpoint_is_named(config, tmp_path, caplog):  # noqa: F811
    assert run(config, tmp_path / "run", "init=nowhere.pt") == 2
    assert "nowhere.pt: no such file" in caplog.text
    with pytest.raises(CheckpointError):
        warm_start(network(), tmp_path / "nowhere.pt")


def test_presets_may_have_other_names(tmp_path):
    source = saved(tmp_path / "source.pt")
    model = LGRNet(replace(source.config, preset="paper"))
    warm_start(model, tmp_path / "source.pt")
    assert torch.equal(model.heads.logit.weight, source.heads.logit.weight)


@pytest.mark.parametrize("attention", ["predefined", "refined"])
def test_other_aus_keep_the_branches_that_both_have(tmp_path, attention):
    ours, theirs = (1, 4, 5, 12, 25), (1, 4, 12, 17)  # both with others than the other
    source = saved(tmp_path / "source.pt", aus=theirs, attention=attention)
    model = network(aus=ours, attention=attention, intensity=True)
    fresh = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    warm_start(model, tmp_path / "source.pt")
    known, got = source.state_dict(), model.state_dict()
    # From top to bottom of the face; the recurrences have gates for all but the last step.
    after, before = [1, 4, 5, 12, 25], [1, 4, 12, 17]
    for name, tensor in got.items():
        if name.startswith("heads.intensity"):
            assert torch.equal(tensor, fresh[name])
        elif ".gates.maps." in name:
            *stem, step, kind = name.split(".")
            flip = -1 if "upward" in name else 1
            au = after[::flip][int(step)]
            if au in before[::flip][:-1]:
                same = ".".join([*stem, str(before[::flip].index(au)), kind])
                assert torch.equal(tensor, known[same]), name
            else:
                assert torch.equal(tensor, fresh[name]), name
        elif name.split(".")[0] in ("attention", "fusion", "refine", "heads") and tensor.ndim:
            rows = len(tensor) // len(after)
            for place, au in enumerate(after):
                where = slice(rows * place, rows * (place + 1))
                if au in before:
                    there = rows * before.index(au)
                    assert torch.equal(tensor[where], known[name][there : there + rows]), name
                else:
                    assert torch.equal(tensor[where], fresh[name][where]), name
        else:
            assert torch.equal(tensor, known[name]), name


def test_fewer_aus_of_a_network_without_relations_say_the_same(tmp_path):
    source = saved(tmp_path / "source.pt", aus=(1, 4, 12, 17), relation="none")
    model = network(aus=(4, 17), relation="none", input_size=TINY["input_size"])
    warm_start(model, tmp_path / "source.pt")
    image = torch.randn(2, 3, 176, 176)
    with torch.no_grad():
        torch.testing.assert_close(model(image).au_logits, source(image).au_logits[:, [1, 3]])


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("none", "skip_bilstm"), ("bilstm", "skip_bilstm"), ("skip_bilstm", "none")],
)
def test_the_recurrence_may_come_later_or_go(tmp_path, theirs, ours):
    source = saved(tmp_path / "source.pt", relation=theirs)
    model = network(relation=ours)
    fresh = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    warm_start(model, tmp_path / "source.pt")
    known = source.state_dict()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, known.get(name, fresh[name])), name
    relation = {name for name in fresh if name.startswith("relation.")}
    assert bool(relation) == (ours != "none")
    assert {name for name in fresh if name not in known} <= relation


def test_a_new_recurrence_hardly_changes_the_answer(tmp_path):
    source = saved(tmp_path / "source.pt", relation="none")
    model = network(relation="skip_bilstm")
    image = torch.randn(4, 3, 176, 176)
    with torch.no_grad():
        untrained = model(image).au_logits
        warm_start(model, tmp_path / "source.pt")
        expected, got = source(image).au_logits, model(image).au_logits
    assert (got - expected).abs().max() < 0.1 * (untrained - expected).abs().max()


BP4D, DISFA = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24), (1, 2, 4, 6, 9, 12, 25, 26)
PAIRS = {1: 1, 2: 2, 4: 4, 6: 6, 12: 12, 25: 23, 26: 17}  # of AU 9 BP4D has nothing
DOWN_BP4D = [1, 2, 4, 7, 6, 10, 12, 14, 15, 23, 24, 17]  # top to bottom of the face
DOWN_DISFA = [1, 2, 4, 6, 9, 12, 25, 26]


def check_pairs(known, got, fresh):
    """Check every tensor of a network for DISFA that began with one for BP4D as JÂA-Net does."""
    seen = set()
    for name, tensor in got.items():
        kind = name.split(".")[0]
        seen.add(kind)
        if kind in ("heads", "local_heads", "hidden", "logit"):
            assert torch.equal(tensor, fresh[name]), name
        elif ".gates.maps." in name:
            *stem, step, part = name.split(".")
            flip = -1 if "upward" in name else 1
            other = PAIRS.get(DOWN_DISFA[::flip][int(step)])
            if other in DOWN_BP4D[::flip][:-1]:
                origin = ".".join([*stem, str(DOWN_BP4D[::flip].index(other)), part])
                assert torch.equal(tensor, known[origin]), name
            else:
                assert torch.equal(tensor, fresh[name]), name
        elif kind in ("attention", "fusion", "refine", "local_blocks") and tensor.ndim:
            rows = len(tensor) // len(DISFA)
            for place, au in enumerate(DOWN_DISFA):
                own = tensor[rows * place : rows * (place + 1)]
                if au == 9:
                    assert torch.equal(own, fresh[name][rows * place : rows * (place + 1)]), name
                else:
                    there = rows * DOWN_BP4D.index(PAIRS[au])
                    assert torch.equal(own, known[name][there : there + rows]), name
        else:
            assert torch.equal(tensor, known[name]), name
    return seen


@pytest.mark.parametrize("variant", ["lgrnet", "jaanet"])
def test_disfa_begins_with_bp4d_as_jaanet_does(tmp_path, variant):
    sizes = {**TINY, "input_size": 64}
    theirs = make_variant(model_config("edge", **{**sizes, "aus": BP4D}), variant)
    ours = make_variant(model_config("edge", **{**sizes, "aus": DISFA}), variant)
    torch.manual_seed(3)
    source = build_network(theirs)
    save_checkpoint(tmp_path / "bp4d.pt", source)
    model = build_network(ours)
    fresh = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    warm_start(model, tmp_path / "bp4d.pt", "jaanet")
    seen = check_pairs(source.state_dict(), model.state_dict(), fresh)
    wanted = {"stem", "align", "global_blocks"}
    wanted |= {"local_blocks", "logit"} if variant == "jaanet" else {"relation", "fusion", "refine"}
    assert wanted <= seen


@pytest.mark.parametrize(
    ("theirs", "ours"), [("lgrnet", "jaanet"), ("jaanet", "lgrnet"), ("with_bi", "without_fr")]
)
def test_a_trunk_goes_from_any_variant_to_any_other(tmp_path, theirs, ours):
    sizes = {**TINY, "input_size": 64}
    torch.manual_seed(4)
    source = build_network(make_variant(model_config("edge", **{**sizes, "aus": BP4D}), theirs))
    save_checkpoint(tmp_path / "source.pt", source)
    # Of AUs that the source does not know at all, and with heads of another width.
    mine = model_config("edge", **{**sizes, "aus": (5, 9, 43), "head_hidden": 4})
    model = build_network(make_variant(mine, ours))
    fresh = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    warm_start(model, tmp_path / "source.pt", "trunk")
    known = source.state_dict()
    for name, tensor in model.state_dict().items():
        in_trunk = name.split(".")[0] in ("stem", "align", "global_blocks")
        assert torch.equal(tensor, known[name] if in_trunk else fresh[name]), name


def test_a_trunk_of_other_widths_is_refused(tmp_path):
    saved(tmp_path / "source.pt")
    with pytest.raises(ValueError, match=r"init: .*align_hidden = "):
        warm_start(network(align_hidden=TINY["align_hidden"] + 1), tmp_path / "source.pt", "trunk")


def test_a_rule_without_a_checkpoint_is_refused(config, tmp_path, caplog):  # noqa: F811
    assert run(config, tmp_path / "run", "init_rule=jaanet") == 2
    assert "init_rule: say with init=CHECKPOINT" in caplog.text
    assert run(config, tmp_path / "run", "init=x.pt", "init_rule=nearest") == 2
    assert "init_rule: 'nearest' is not one of 'shared', 'jaanet', 'trunk'" in caplog.text
