import itertools

import pytest
import torch
from torch import nn

from lgrnet.network.alignment import MEAN_FACE
from lgrnet.network.au_geometry import muscle_order
from lgrnet.network.config import ModelConfig, model_config
from lgrnet.network.features import FeatureBlocks
from lgrnet.network.model import LGRNet
from lgrnet.training.losses import joint_loss
from runtime.action_units import BP4D_AUS, DISFA_AUS

SMALL = {
    "aus": [1, 6, 7, 17, 25],
    "input_size": 64,
    "stem_stride": 2,
    "stem_widths": [4, 8],
    "feature_widths": [8, 8, 8],
    "refine_widths": [8, 8, 8],
    "align_hidden": 8,
    "head_hidden": 8,
}
ABLATIONS = [
    {"relation": relation, "fusion": fusion}
    for relation, fusion in itertools.product(("none", "bilstm", "skip_bilstm"), (True, False))
]
VARIANTS = [
    *ABLATIONS,
    {"gate": "concat"},
    {"intensity": True},
    {"attention": "refined"},
    {"attention": "refined", "attention_cells": 16},
    {"attention_cells": 16, "aus": [4, 6, 7, 9, 25]},  # off a grid this small the chin is cropped
]


def small(**changes):
    torch.manual_seed(0)
    return LGRNet(model_config("edge", **{**SMALL, **changes}))


def parameters(module):
    return sum(p.numel() for p in module.parameters())


@pytest.fixture(scope="module")
def paper():
    with torch.device("meta"):
        return LGRNet(ModelConfig())


def test_parameters_of_the_paper_are_the_published_ones(paper):
    assert parameters(paper.stem) == 1_615_392
    assert parameters(paper.align) == 2_912_098
    assert parameters(paper.global_blocks) == 813_312
    assert parameters(paper.refine) == 12 * 813_312
    assert parameters(paper.heads) == 12 * (4000 * 64 + 64 + 64 + 1)
    assert parameters(paper) == 19_203_086


def test_disfa_has_eight_aus():
    with torch.device("meta"):
        model = LGRNet(model_config("paper", aus=DISFA_AUS))
    assert parameters(model.refine) == 8 * 813_312
    assert model.heads.logit.out_channels == 8


def test_no_activation_between_the_linear_layers(paper):
    assert not any(isinstance(m, nn.ReLU) for m in (*paper.heads.modules(), paper.align.hidden))


def test_blocks_halve_three_times_and_drop_the_odd_row():
    blocks = FeatureBlocks(2, (4, 4, 6))
    sides = []
    for module in blocks:
        module.register_forward_hook(lambda m, i, o: sides.append(o.shape[-1]))
    assert blocks(torch.randn(1, 2, 44, 44)).shape == (1, 6, 5, 5)
    assert sorted(set(sides), reverse=True) == [44, 22, 11, 5]


def test_branches_are_networks_of_their_own():
    torch.manual_seed(0)
    blocks = FeatureBlocks(2, (4, 4, 4), branches=3).eval()
    single = FeatureBlocks(2, (4, 4, 4)).eval()
    for name, value in single.state_dict().items():
        theirs = blocks.state_dict()[name]
        if value.dim():
            value.copy_(theirs.chunk(3)[1])
    x = torch.randn(2, 6, 16, 16)
    torch.testing.assert_close(blocks(x)[:, 4:8], single(x[:, 2:4]))


@pytest.mark.parametrize("preset", ["paper", "edge"])
def test_presets_take_a_crop_and_return_aus_and_landmarks(preset):
    torch.manual_seed(0)
    aus = [1, 12] if preset == "paper" else BP4D_AUS
    model = LGRNet(model_config(preset, aus=aus)).eval()
    with torch.no_grad():
        prediction = model(torch.randn(2, 3, 176, 176))
    assert prediction.au_logits.shape == (2, len(aus))
    assert prediction.landmarks.shape == (2, 49, 2)
    mean = torch.tensor(MEAN_FACE).float()
    assert (prediction.landmarks - mean).abs().max() < 30


def test_landmarks_are_offsets_in_tens_of_pixels_from_the_mean_face():
    align = small().align.eval()
    feature = torch.rand(2, 8, 8, 8)
    offsets = align.offsets(align.hidden(align.blocks(feature).flatten(1)))  # x1, y1, x2, …
    expected = torch.tensor(MEAN_FACE).flatten() + 10 * offsets
    torch.testing.assert_close(align(feature).flatten(1), expected)


def test_intensities_are_read_from_the_hidden_layer_of_the_heads():
    model = small(intensity=True).eval()
    plain = small().eval()
    plain.load_state_dict(model.state_dict(), strict=False)
    seen = []
    model.heads.hidden.register_forward_hook(lambda module, inputs, output: seen.append(output))
    image = torch.randn(3, 3, 176, 176)
    with torch.no_grad():
        prediction, without = model(image), plain(image)
    torch.testing.assert_close(prediction.au_logits, without.au_logits)
    assert without.intensity is None
    hidden = seen[0].reshape(3, 5, -1)
    weight = model.heads.intensity.weight.reshape(5, -1)
    scores = (hidden * weight).sum(2) + model.heads.intensity.bias
    expected = 5 / (1 + torch.exp(-scores))
    torch.testing.assert_close(prediction.intensity, expected[:, model.ascending])


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_every_parameter_learns(changes):
    model = small(**changes)
    image = torch.randn(4, 3, 176, 176)
    prediction = model(image)
    assert prediction.au_logits.shape == (4, 5)
    labels = torch.tensor([[0, 1, 0, 1, 1], [1, 0, 1, 0, 0]]).repeat(2, 1)
    target = torch.tensor(MEAN_FACE).float().expand(4, -1, -1)
    strengths = None
    if prediction.intensity is not None:
        strengths = (prediction.intensity, 3.0 * labels)
    losses = joint_loss(
        *(prediction.au_logits, prediction.landmarks, labels, target, torch.ones(5)),
        intensity=strengths,
    )
    losses.total.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # A batch norm that follows a convolution makes its bias idle, up to rounding.
        if not name.endswith("bias"):
            assert parameter.grad.abs().max() > 0, name


def test_ablations_are_parts_of_the_whole():
    whole = set(small().state_dict())
    for changes in ABLATIONS:
        assert set(small(**changes).state_dict()) <= whole
    assert small(relation="none").relation is None
    assert small(fusion=False).fusion is None
    assert small(fusion=False).global_blocks is None


def test_without_refining_the_heads_see_averages_over_eight_cells():
    model = small(fusion=False)
    x = torch.rand(1, 40, 8, 8)
    torch.testing.assert_close(model.refine(x), x.mean((2, 3), keepdim=True))


def test_au_loss_does_not_reach_the_alignment_network():
    model = small()
    model(torch.randn(2, 3, 176, 176)).au_logits.sum().backward()
    assert all(p.grad is None for p in model.align.parameters())
    assert all(p.grad is not None for p in model.stem.parameters())


def test_patches_follow_the_predicted_landmarks():
    model = small().eval()
    image = torch.randn(1, 3, 176, 176)
    with torch.no_grad():
        before = model(image).au_logits
        model.align.offsets.bias += 3.0
        after = model(image).au_logits
    assert (before - after).abs().max() > 0


def test_outputs_are_in_ascending_order():
    model = small().eval()
    inside = muscle_order(model.config.aus)
    assert inside == (1, 7, 6, 25, 17)
    with torch.no_grad():
        model.heads.logit.weight.zero_()
        model.heads.logit.bias.copy_(torch.tensor(inside).float())
        logits = model(torch.randn(1, 3, 176, 176)).au_logits
    assert logits[0].tolist() == [1, 6, 7, 17, 25]


def test_the_crop_is_resized_inside():
    model = small().eval()
    seen = []
    model.stem.register_forward_hook(lambda m, i, o: seen.append((i[0].shape, o.shape)))
    model(torch.randn(1, 3, 176, 176))
    assert seen == [((1, 3, 64, 64), (1, 8, 8, 8))]


def test_faces_of_a_batch_do_not_influence_each_other():
    model = small(intensity=True).eval()
    images = torch.randn(3, 3, 176, 176)
    with torch.no_grad():
        together = model(images)
        alone = model(images[1:2])
    for a, b in zip(together[:3], alone[:3], strict=True):
        torch.testing.assert_close(a[1:2], b, rtol=1e-4, atol=1e-4)


def test_bfloat16_autocast_and_channels_last_change_little():
    model = small().eval()
    image = torch.randn(2, 3, 176, 176)
    with torch.no_grad():
        plain = model(image)
        model = model.to(memory_format=torch.channels_last)
        moved = model(image.to(memory_format=torch.channels_last))
        with torch.autocast("cpu", torch.bfloat16):
            short = model(image)
    torch.testing.assert_close(moved.au_logits, plain.au_logits, rtol=1e-4, atol=1e-4)
    assert short.landmarks.dtype == torch.float32
    torch.testing.assert_close(short.landmarks, plain.landmarks, rtol=0, atol=0.5)
    torch.testing.assert_close(short.au_logits.float(), plain.au_logits, rtol=0, atol=0.1)
