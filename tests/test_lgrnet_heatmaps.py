"""``python -m lgrnet.heatmaps``: maps that add up, gates in their places, pictures."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tiny_network import SMALL, draw_faces, tiny_network

from lgrnet.checkpoint import save_checkpoint
from lgrnet.data.batches import to_input
from lgrnet.heatmaps.__main__ import choose_aus, main
from lgrnet.heatmaps.attribution import gate_effects, gate_matrix, gate_order, relevance
from lgrnet.heatmaps.figure import centres, overlay
from lgrnet.network.build import build_network
from lgrnet.network.config import model_config
from lgrnet.network.variants import make_variant

ROOT = Path(__file__).parents[1]
FACE = draw_faces(1, seed=3)[0]


@pytest.fixture(scope="module")
def model():
    torch.set_num_threads(1)
    return tiny_network()


def logits(model, faces):
    with torch.inference_mode():
        return model(to_input(torch.from_numpy(faces))).au_logits.numpy()


def test_a_map_adds_up_to_what_the_face_has_moved(model):
    maps, moved = relevance(model, FACE, [12, 25], steps=256)
    assert maps.shape == (2, 16, 16)
    # This network's parts are exaggerated, so that the sum over a path is rough.
    np.testing.assert_allclose(maps.sum((1, 2)), moved, atol=0.1)
    assert moved[0] > 1


def test_a_cell_has_the_slope_of_the_logit(model):
    maps, _ = relevance(model, FACE, [25], steps=1)
    seen = {}
    keep = model.stem.register_forward_hook(lambda m, i, o: seen.update(feature=o))
    with torch.no_grad():
        landmarks = model(to_input(torch.from_numpy(FACE[None]))).landmarks
    keep.remove()
    feature = seen["feature"]
    plain = feature.mean((2, 3), keepdim=True).expand_as(feature)
    middle = (plain + feature) / 2
    place = model.patches.register_forward_pre_hook(lambda m, i: (landmarks,))
    try:
        for y, x in ((8, 8), (11, 7), (12, 9)):
            ends = []
            for sign in (1, -1):
                changed = middle.clone()
                changed[..., y, x] += sign * 0.002 * (feature - plain)[..., y, x]
                put = model.stem.register_forward_hook(lambda m, i, o, c=changed: c)
                ends.append(logits(model, FACE[None])[0, -1])
                put.remove()
            assert maps[0, y, x] == pytest.approx((ends[0] - ends[1]) / 0.004, rel=0.1, abs=2e-3)
    finally:
        place.remove()


@pytest.mark.parametrize("variant", ["jaanet", "without_full"])
def test_other_networks_have_maps_but_no_gates(variant):
    torch.manual_seed(0)
    other = build_network(make_variant(model_config("edge", **SMALL), variant))
    with torch.no_grad():
        other(to_input(torch.from_numpy(draw_faces(16, seed=1))))  # statistics of batch norms
    maps, moved = relevance(other.eval(), FACE, [6], steps=64)
    np.testing.assert_allclose(maps.sum(), moved[0], rtol=0.1)
    assert np.abs(maps).max() > 0
    with pytest.raises(ValueError, match="has no skip gates"):
        gate_matrix(other, FACE[None])


def set_gate(gates, source, value):
    """Let a source's gate be one number whatever the face."""
    with torch.no_grad():
        gates.maps[source].weight.zero_()
        gates.maps[source].bias.fill_(value)


def test_gates_stand_where_they_belong():
    network = tiny_network()
    order = gate_order(network)
    n = len(order)
    downward, upward = network.relation.downward.gates, network.relation.upward.gates
    for source in range(n - 1):
        set_gate(downward, source, source + 1.0)
        set_gate(upward, source, -source - 1.0)
    matrix = gate_matrix(network, draw_faces(2))
    for listens in range(n):
        for heard in range(n):
            if listens > heard:  # downward, by the source's place from the forehead
                expected = 1 / (1 + np.exp(-(heard + 1.0)))
            elif listens < heard:  # upward, by its place from the chin
                expected = 1 / (1 + np.exp(n - 1 - heard + 1.0))
            else:
                expected = np.nan
            np.testing.assert_allclose(matrix[listens, heard], expected, rtol=1e-5)


@pytest.mark.parametrize("heard", [1, 3])
def test_an_effect_is_what_shut_gates_take_away(heard):
    faces = draw_faces(3)
    network = tiny_network()
    effects = gate_effects(network, faces)
    order = gate_order(network)
    columns = [network.config.aus.index(au) for au in order]
    other = tiny_network()
    set_gate(other.relation.downward.gates, heard, -1e4)
    set_gate(other.relation.upward.gates, len(order) - 1 - heard, -1e4)
    wanted = (logits(network, faces) - logits(other, faces)).mean(0)[columns]
    assert np.abs(wanted).max() > 1e-3
    wanted[heard] = np.nan
    np.testing.assert_allclose(effects[:, heard], wanted, atol=1e-5)


def test_for_is_red_and_against_is_blue():
    values = np.zeros((16, 16), np.float32)
    values[4, 4], values[12, 12] = 1, -1
    picture = overlay(np.full((176, 176, 3), 128, np.uint8), values)
    red, blue = picture[4 * 11 + 5, 4 * 11 + 5], picture[12 * 11 + 5, 12 * 11 + 5]
    assert red[0] > red[2] + 0.2
    assert blue[2] > blue[0] + 0.2
    plain = picture[5, 170]
    assert np.ptp(plain) < 0.02  # grey where nothing speaks


def test_the_most_present_aus_are_shown():
    probability = np.array([[0.1, 0.9, 0.2, 0.3], [0.8, 0.1, 0.1, 0.2]])
    assert choose_aus((1, 6, 12, 25), probability, most=2) == (1, 6)


def test_pictures_and_numbers_of_aligned_faces(model, tmp_path):
    save_checkpoint(tmp_path / "net.pt", model)
    (tmp_path / "faces").mkdir()
    for number, face in enumerate(draw_faces(2, seed=9)):
        cv2.imwrite(str(tmp_path / "faces" / f"{number}.png"), face)
    arguments = [str(tmp_path / "net.pt"), str(tmp_path / "faces"), "--aligned", "--aus", "12", "6"]
    assert main([*arguments, "--out", str(tmp_path / "out" / "maps")]) == 0
    wide = cv2.imread(str(tmp_path / "out" / "maps.png"))
    assert wide.shape[0] > 300
    assert cv2.imread(str(tmp_path / "out" / "maps_gates.png")).std() > 10
    with np.load(tmp_path / "out" / "maps.npz") as numbers:
        assert numbers["aus"].tolist() == [6, 12]
        assert numbers["maps"].shape == (2, 2, 16, 16)
        assert numbers["gates"].shape == (5, 5)
        assert numbers["gate_aus"].tolist() == list(gate_order(model))


def test_the_packaged_network_looks_at_the_mouth_for_parted_lips(tmp_path):
    arguments = [str(ROOT / "weights/lgrnet_edge.pt"), str(ROOT / "runtime/demo/clip.mp4")]
    arguments += ["--frames", "60", "--aus", "25", "--out", str(tmp_path / "maps")]
    assert main(arguments) == 0
    with np.load(tmp_path / "maps.npz") as numbers:
        strong = np.maximum(numbers["maps"][0, 0], 0)
    rows, columns = np.mgrid[:16, :16] * 11 + 5
    place = np.array([(strong * columns).sum(), (strong * rows).sum()]) / strong.sum()
    # Where the lips of an aligned face are; the schematic face says so too.
    from lgrnet.network.alignment import MEAN_FACE

    lips = centres(np.array(MEAN_FACE, float), 25).mean(0)
    assert np.linalg.norm(place - lips) < 30


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--aus", "5"], "not [5]"),
        (["--frames", "7"], "no frame 7"),
        (["--device", "cuda:99"], "sees"),
        ([], "grey.png: give another picture"),
    ],
)
def test_what_does_not_fit_is_named(model, tmp_path, caplog, options, message):
    save_checkpoint(tmp_path / "net.pt", model)
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((176, 176, 3), 90, np.uint8))
    aligned = ["--aligned"] if options else []
    out = ["--out", str(tmp_path / "out" / "maps")]
    assert (
        main([str(tmp_path / "net.pt"), str(tmp_path / "grey.png"), *aligned, *options, *out]) == 2
    )
    assert message in caplog.text
    assert not (tmp_path / "out").exists()


def test_a_picture_that_is_not_aligned_is_refused(model, tmp_path, caplog):
    save_checkpoint(tmp_path / "net.pt", model)
    cv2.imwrite(str(tmp_path / "wide.png"), np.zeros((100, 200, 3), np.uint8))
    assert main([str(tmp_path / "net.pt"), str(tmp_path / "wide.png"), "--aligned"]) == 2
    assert "wide.png is 200 × 100" in caplog.text
    assert main([str(tmp_path / "net.pt"), str(tmp_path / "none.png")]) == 2
    assert "does not exist" in caplog.text
