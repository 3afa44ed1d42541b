import pytest
import torch
from test_lgrnet_train import config, run  # noqa: F401  (config is a fixture)
from tiny_network import draw_faces

from lgrnet.checkpoint import load_checkpoint, save_checkpoint
from lgrnet.data.batches import to_input
from lgrnet.network.au_geometry import muscle_order
from lgrnet.network.build import build_network
from lgrnet.network.config import model_config
from lgrnet.network.jaanet import JAANet
from lgrnet.network.region import resize_input
from lgrnet.training.losses import joint_loss

JAANET = {"architecture": "jaanet", "relation": "none", "fusion": False}
AUS = (1, 6, 7, 17, 25)  # from brow to chin they come in another order
SMALL = {
    "aus": AUS, "input_size": 64, "stem_stride": 1, "stem_widths": (8, 12),
    "feature_widths": (8, 12, 16), "align_hidden": 16, "head_hidden": 8,
    "attention": "refined", "attention_cells": 24,
}  # fmt: skip


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    network = build_network(model_config("edge", **SMALL, **JAANET))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # averages over all that was seen
    with torch.no_grad():
        for _ in range(3):
            network(faces())
    return network.eval()


def faces():
    return to_input(torch.from_numpy(draw_faces(6)))


def branch(conv_or_norm, place, count):
    """The parameters of one AU in a layer over all AUs."""
    return [p.chunk(count)[place] for p in (conv_or_norm.weight, conv_or_norm.bias)]


def test_each_au_has_a_branch_of_its_own(model):
    """Compute local logits AU by AU from the parts of the grouped layers."""
    with torch.inference_mode():
        prediction = model(faces())
        feature = model.stem(torch.nn.functional.interpolate(
            faces(), size=(64, 64), mode="bilinear", align_corners=False))  # fmt: skip
        maps = model.attention(model.patches(prediction.landmarks))
        for place, au in enumerate(muscle_order(AUS)):
            x = feature * maps[:, [place]]
            for layer in model.local_blocks:
                if isinstance(layer, torch.nn.Conv2d):
                    x = torch.nn.functional.conv2d(x, *branch(layer, place, 5), padding=1)
                elif isinstance(layer, torch.nn.BatchNorm2d):
                    mean, var = (b.chunk(5)[place] for b in (layer.running_mean, layer.running_var))
                    x = torch.nn.functional.batch_norm(x, mean, var, *branch(layer, place, 5))
                else:
                    x = layer(x)
            heads = model.local_heads
            hidden = torch.nn.functional.conv2d(x, *branch(heads.hidden, place, 5))
            logit = torch.nn.functional.conv2d(hidden, *branch(heads.logit, place, 5))
            found = prediction.local_logits[:, AUS.index(au)]
            torch.testing.assert_close(found, logit.flatten(), rtol=0, atol=1e-4)
    assert prediction.local_logits.std(0).min() > 1e-3


def test_the_final_head_sees_alignment_the_whole_face_and_the_mean_of_all_branches(model):
    assert muscle_order(AUS) != AUS
    with torch.inference_mode():
        prediction = model(faces())
        feature = model.stem(resize_input(faces(), 64))
        maps = model.attention(model.patches(prediction.landmarks))
        local = model.local_blocks((feature[:, None] * maps[:, :, None]).flatten(1, 2))
        mean = sum(local.chunk(len(AUS), 1)) / len(AUS)
        whole = [model.align.blocks(feature), model.global_blocks(feature), mean]
        seen = torch.cat([each.flatten(1) for each in whole], 1)
        weight, bias = model.logit.weight, model.logit.bias
        logits = (seen @ model.hidden.weight.T + model.hidden.bias) @ weight.T + bias
    torch.testing.assert_close(prediction.au_logits, logits, rtol=0, atol=1e-4)
    assert prediction.au_logits.std(0).min() > 1e-3


def test_gradients_flow_as_in_the_second_version(model):
    parts = {"stem", "align", "attention", "local_blocks", "local_heads", "global_blocks"}
    parts |= {"hidden", "logit"}

    def reached(loss):
        model.zero_grad(set_to_none=True)
        loss.backward()
        return {
            name.split(".")[0]
            for name, parameter in model.named_parameters()
            if parameter.grad is not None and parameter.grad.abs().max() > 0
        }

    prediction = model(faces())
    final = reached(prediction.au_logits.square().sum())
    assert final == {"stem", "align", "global_blocks", "hidden", "logit"}
    local = reached(model(faces()).local_logits.square().sum())
    assert local == {"stem", "attention", "local_blocks", "local_heads"}
    assert reached(model(faces()).landmarks.square().sum()) == {"stem", "align"}
    whole = model(faces())
    labels, points = torch.ones(6, 5, dtype=torch.uint8), whole.landmarks.detach() + 1
    losses = joint_loss(
        whole.au_logits, whole.landmarks, labels, points, torch.ones(5),
        local_logits=whole.local_logits,
    )  # fmt: skip
    assert reached(losses.total) == parts
    alone = joint_loss(whole.au_logits, whole.landmarks, labels, points, torch.ones(5))
    local_alone = joint_loss(whole.local_logits, whole.landmarks, labels, points, torch.ones(5))
    both = alone.recognition + local_alone.recognition
    torch.testing.assert_close(losses.recognition, both)
    torch.testing.assert_close(losses.dice, alone.dice + local_alone.dice)


def test_it_has_as_many_parameters_as_the_original():
    """The paper's size with one logit an AU instead of the original's two."""
    network = JAANet(model_config("paper", **JAANET, attention="refined", attention_cells=52))
    count = sum(p.numel() for p in network.parameters())
    second_logits = 12 * (64 + 1) + 12 * (512 + 1)
    assert count + second_logits == 25_237_182


def test_it_is_trained_and_loaded_as_others_are(config, tmp_path):  # noqa: F811
    changes = [f"model.{key}={value!r}".replace("False", "false") for key, value in JAANET.items()]
    assert run(config, tmp_path / "run", "optim.epochs=1", *changes) == 0
    network, _ = load_checkpoint(tmp_path / "run" / "last.pt")
    assert isinstance(network, JAANet)
    save_checkpoint(tmp_path / "again.pt", network)


@pytest.mark.parametrize("change", [{"relation": "bilstm"}, {"fusion": True}, {"intensity": True}])
def test_what_it_does_not_have_is_refused(change):
    (name,) = change
    with pytest.raises(ValueError, match=f"{name}: JÂA-Net has none"):
        model_config("edge", **{**JAANET, **change})
