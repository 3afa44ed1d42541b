"""Intensities are fitted to held-out people, in the weights, and all else stays."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from test_lgrnet_thresholds import as_input, checkpoint
from tiny_shards import AUS, write_tiny_shards

from lgrnet.checkpoint import load_checkpoint, save_checkpoint
from lgrnet.data.shards import FaceShards, Labels, shard_name, write_index, write_shard
from lgrnet.evaluation.intensity_scale import FEWEST, Scale, fit_scale
from lgrnet.intensities import main
from lgrnet.network.model import LGRNet
from lgrnet.unseen import data_set, tuned_on

NETWORK_AUS = (1, 12, 17, 43)
"""Inside they are in muscle order: 1, 43, 12, 17."""


FACES = 60


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    return FaceShards(write_tiny_shards(tmp_path_factory.mktemp("noise"), count=FACES), "val")


@pytest.fixture(scope="module")
def network(noise, tmp_path_factory):
    """An untrained network whose probabilities and intensities of these faces scatter."""
    path = tmp_path_factory.mktemp("network") / "network.pt"
    return checkpoint(path, noise, NETWORK_AUS, intensity=True).eval()


@pytest.fixture(scope="module")
def write_graded(noise, network):
    """Write the faces with grades that are roughly what the network says, and half of them 0."""
    rng = np.random.default_rng(3)
    said = answers(network, noise)[2][:, :2] / 5

    def write(root, recipe=None, known=True, aus=AUS):
        grades = np.clip(1.5 * said - 0.3 + rng.normal(0, 0.15, said.shape), 0, 1)
        labels = Labels(
            presence=np.full((FACES, 2), 9, np.uint8),
            intensity=(grades if known else grades * np.nan).astype(np.float32),
            landmarks=noise.labels.landmarks,
            subject=np.arange(FACES) % 4,
        )
        write_index(root, aus, {"val": 1}, recipe or {"made for": "tests"})
        pictures = np.stack([noise.face(i) for i in range(FACES)])
        write_shard(root, shard_name("val", 0), pictures, labels)
        return root

    return write


@pytest.fixture(scope="module")
def data(write_graded, tmp_path_factory):
    return write_graded(tmp_path_factory.mktemp("data"))


def answers(network, faces):
    with torch.no_grad():
        said = network.eval()(as_input(faces))
    return said.au_logits.numpy(), said.landmarks.numpy(), said.intensity.numpy().astype(float)


def huber_by_hand(said, true, slope, offset):
    """Mean loss of one AU whose logits are scaled, by a loop."""
    losses = []
    for s, t in zip(said, true, strict=True):
        if np.isnan(t):
            continue
        logit = np.log(s / (5 - s))
        error = abs(5 / (1 + np.exp(-(slope * logit + offset))) - t)
        losses.append(error**2 / 2 if error <= 1 else error - 0.5)
    return np.mean(losses)


def test_a_planted_scale_is_found():
    rng = np.random.default_rng(0)
    logit = rng.normal(-1, 1.5, (400, 3))
    slope, offset = np.array([1.7, 0.6, 1.0]), np.array([0.4, -0.8, 0.0])
    said, true = 5 / (1 + np.exp(-logit)), 5 / (1 + np.exp(-(slope * logit + offset)))
    true[::3, 0] = np.nan
    found = fit_scale(said, true)
    np.testing.assert_allclose(found.slope, slope, atol=1e-3)
    np.testing.assert_allclose(found.offset, offset, atol=1e-3)
    np.testing.assert_allclose(found.apply(said), 5 / (1 + np.exp(-(slope * logit + offset))), 1e-3)


def test_noisy_faces_get_the_smallest_huber_loss():
    rng = np.random.default_rng(1)
    said = rng.uniform(0.01, 4.99, (150, 2))
    true = np.clip(1.4 * said - 0.5 + rng.normal(0, 1.2, said.shape), 0, 5)
    true[rng.random(true.shape) < 0.2] = np.nan
    found = fit_scale(said, true)
    for column in range(2):
        ours, theirs = said[:, column], true[:, column]
        best = minimize(
            lambda x, ours=ours, theirs=theirs: huber_by_hand(ours, theirs, *x),
            (1, 0), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10},
        )  # fmt: skip
        assert (found.slope[column], found.offset[column]) == pytest.approx(best.x, abs=2e-3)


@pytest.mark.parametrize(
    ("grades", "smallest"), [((0, 0, 2.5, 0, 2.5), 0.4), ((0, 0, 5, 0, 2.5), 0.9)]
)
def test_the_best_of_several_minima_is_found(grades, smallest):
    """Faces of five kinds: all is told right but of the third kind, which is told as 0.

    A search that begins where nothing changes ends at 0.48 and 1.3.
    """
    said = np.repeat([0.01, 0.1, 2.5, 4.9, 4.99], 20)[:, None]
    true = np.repeat(np.array(grades, float), 20)[:, None]
    found = fit_scale(said, true)
    assert found.fitted.all()
    loss = huber_by_hand(said[:, 0], true[:, 0], found.slope[0], found.offset[0])
    assert loss == pytest.approx(smallest, abs=1e-3)


def test_order_is_kept_even_against_the_labels():
    """Where what is said runs against what is true, a slope below 0 would fit better."""
    said = np.linspace(0.1, 4.9, 200)[:, None]
    found = fit_scale(said, 5 - said)
    assert 0 <= found.slope[0] < 0.1
    assert (np.diff(found.apply(said)[:, 0]) >= 0).all()


@pytest.mark.parametrize(
    ("shown", "lacking", "fitted"),
    [(FEWEST, FEWEST, True), (FEWEST - 1, 90, False), (90, FEWEST - 1, False)],
)
def test_few_faces_change_nothing(shown, lacking, fitted):
    """Shown is an AU at A or above; what is not known counts for neither."""
    true = np.concatenate([np.ones(shown), np.full(lacking, 0.99), np.full(50, np.nan)])[:, None]
    said = np.random.default_rng(2).uniform(0.5, 4, true.shape)
    found = fit_scale(said, true)
    assert found.fitted.tolist() == [fitted]
    assert ((found.slope[0], found.offset[0]) != (1, 0)) == fitted


def test_extremes_can_be_scaled():
    said = np.array([[0.0], [5.0], [2.5]])
    told = Scale(np.array([2.0]), np.array([1.0]), np.array([True])).apply(said)
    assert np.isfinite(told).all()
    assert told[:, 0] == pytest.approx([0, 5, 5 / (1 + np.exp(-1))], abs=1e-4)


def test_intensities_are_fitted_and_all_else_stays(data, network, tmp_path, caplog):
    caplog.set_level("INFO")
    faces = FaceShards(data, "val")
    told = {"thresholds": [0.3, 0.4, 0.5, 0.6], "licence": "ours", "stored_in": "fp16"}
    save_checkpoint(tmp_path / "mean.pt", network, told)
    output, record = tmp_path / "new" / "fitted.pt", tmp_path / "fitted.json"
    command = [str(tmp_path / "mean.pt"), "--data", str(data), "-o", str(output)]
    assert main([*command, "--json", str(record)]) == 0
    fitted, meta = load_checkpoint(output)
    logits, landmarks, before = answers(network, faces)
    logits_after, landmarks_after, after = answers(fitted, faces)
    np.testing.assert_array_equal(logits_after, logits)
    np.testing.assert_array_equal(landmarks_after, landmarks)

    true = 5 * faces.labels.intensity.astype(float)
    scale = fit_scale(before[:, :2], true)
    np.testing.assert_allclose(after[:, :2], scale.apply(before[:, :2]), atol=1e-3)
    np.testing.assert_array_equal(after[:, 2:], before[:, 2:])  # AU 17 and 43 are not labelled
    assert np.abs(after[:, :2] - before[:, :2]).max(0).min() > 0.3, "the test would see nothing"
    assert "does not label AU 17, 43: their intensities stay" in caplog.text

    assert (meta["thresholds"], meta["licence"]) == (told["thresholds"], "ours")
    assert "stored_in" not in meta, "it is written in float32"
    fitted_on = {"frames": 60, "people": 4, "recipe": {"made for": "tests"}, "splits": ["val"]}
    assert meta["intensities_from"] == fitted_on
    said = json.loads(record.read_text())
    assert said["intensities_from"] == fitted_on
    for column, row in enumerate(said["aus"]):
        assert row["au"] == ("AU01", "AU12")[column]
        assert row["slope"] == pytest.approx(scale.slope[column], rel=1e-3)
        assert row["offset"] == pytest.approx(scale.offset[column], abs=1e-3)
        for suffix, told_now in (("_before", before), ("", after)):
            ours, theirs = told_now[:, column], true[:, column]
            assert row[f"mae{suffix}"] == pytest.approx(np.abs(ours - theirs).mean(), abs=1e-3)
            spread = np.cov(ours, theirs)
            icc = 2 * spread[0, 1] / np.trace(spread)
            assert row[f"icc{suffix}"] == pytest.approx(icc, abs=1e-3)
        line = f"{row['au']}: logit × {row['slope']:.2f} + {row['offset']:.2f}; mean error"
        assert line in caplog.text


def test_fitted_again_they_stay(data, network, tmp_path):
    save_checkpoint(tmp_path / "0.pt", network)
    for number in (1, 2):
        source, output = (str(tmp_path / f"{n}.pt") for n in (number - 1, number))
        command = [source, "--data", str(data), "-o", output, "--json", f"{output}.json"]
        assert main(command) == 0
    for row in json.loads((tmp_path / "2.pt.json").read_text())["aus"]:
        assert (row["slope"], row["offset"]) == pytest.approx((1, 0), abs=2e-3)


def test_a_checkpoint_tells_on_whom_they_were_fitted(network, write_graded, tmp_path):
    """Also on whom those of AUs that the new people are not labelled for were."""
    data = write_graded(tmp_path, {"corpus": "disfa"})
    before = {"intensities_from": {"recipe": {"corpus": "bp4d"}, "splits": ["F004"]}}
    save_checkpoint(tmp_path / "a.pt", network, before)
    output = tmp_path / "b.pt"
    assert main([str(tmp_path / "a.pt"), "--data", str(data), "-o", str(output)]) == 0
    assert tuned_on(load_checkpoint(output)[1]) == {("bp4d", "F004"), ("disfa", "val")}


def test_people_of_before_are_forgotten_where_every_au_is_fitted_anew(data, noise, tmp_path):
    before = {"intensities_from": {"recipe": {"corpus": "bp4d"}, "splits": ["F004"]}}
    checkpoint(tmp_path / "a.pt", noise, intensity=True, **before)
    output = tmp_path / "b.pt"
    assert main([str(tmp_path / "a.pt"), "--data", str(data), "-o", str(output)]) == 0
    ours = data_set({"made for": "tests"}), "val"
    assert tuned_on(load_checkpoint(output)[1]) == {ours}


def test_people_whom_it_was_trained_on_are_refused(network, write_graded, tmp_path, caplog):
    data = write_graded(tmp_path, {"corpus": "disfa"})
    seen = {"seen": [["disfa", "val"]]}
    save_checkpoint(tmp_path / "a.pt", network, seen)
    assert main([str(tmp_path / "a.pt"), "--data", str(data), "-o", str(tmp_path / "b.pt")]) == 2
    assert "was trained on val: name people whom it has not seen" in caplog.text


def test_what_cannot_be_fitted_is_refused(data, network, write_graded, tmp_path, caplog):
    output = tmp_path / "out.pt"
    save_checkpoint(tmp_path / "telling.pt", network)
    silent = dataclasses.replace(network.config, intensity=False)
    save_checkpoint(tmp_path / "silent.pt", LGRNet(silent))
    for name in ("unknown", "others"):
        (tmp_path / name).mkdir()
    unknown = write_graded(tmp_path / "unknown", known=False)
    others = write_graded(tmp_path / "others", aus=(20, 25))
    for name, where, said in (
        ("silent", data, "silent.pt tells no intensities: train with `intensity = true`"),
        ("telling", unknown, "no AU is known to be at A or above in 20 faces of val"),
        ("telling", others, "labels [20, 25], none of the network's [1, 12, 17, 43]"),
        ("telling", tmp_path / "nowhere", "nowhere"),
        ("absent", data, "absent.pt: no such file"),
    ):
        caplog.clear()
        command = [str(tmp_path / f"{name}.pt"), "--data", str(where), "-o", str(output)]
        assert main(command) == 2, name
        assert said in caplog.text
        assert not output.exists()
