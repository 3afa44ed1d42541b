import json

import numpy as np
import pytest
import torch
from test_lgrnet_evaluate import TINY
from tiny_shards import AUS, write_tiny_shards

from lgrnet.checkpoint import load_checkpoint, save_checkpoint
from lgrnet.data.shards import FaceShards, Labels, shard_name, write_index, write_shard
from lgrnet.evaluation import threshold_choice
from lgrnet.network.config import model_config
from lgrnet.network.model import LGRNet
from lgrnet.thresholds import compare, labels_of, main
from lgrnet.unseen import data_set, tuned_on


@pytest.fixture(autouse=True)
def few_are_enough(monkeypatch):
    """Let a dozen faces do, of the forty that there are."""
    monkeypatch.setattr(threshold_choice, "FEWEST_FACES", 10)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_tiny_shards(tmp_path_factory.mktemp("data"), count=40)


def checkpoint(path, faces, aus=AUS, intensity=False, **meta):
    """Save an untrained network whose answers about some faces scatter; returns it."""
    torch.manual_seed(5)
    network = LGRNet(model_config("edge", **{**TINY, "aus": aus, "intensity": intensity}))
    images = as_input(faces)
    with torch.no_grad():
        for _ in range(20):  # so that batch norms know what these faces are like
            network(images)
        said, inside = network.eval()(images), network.ascending.argsort()
        scatter(network.heads.logit, said.au_logits[:, inside])
        if intensity:
            scatter(network.heads.intensity, (said.intensity / 5).logit()[:, inside])
    save_checkpoint(path, network, meta)
    return network


def scatter(last, logits):
    """Scale a head's last layer so that its answers have mean 0 and deviation 2."""
    scale = 2 / logits.std(0)
    last.weight.mul_(scale[:, None, None, None])
    last.bias.sub_(logits.mean(0)).mul_(scale)


def as_input(faces):
    crops = np.stack([faces.face(i)[12:188, 12:188, ::-1] for i in range(len(faces))])
    return torch.from_numpy(crops.transpose(0, 3, 1, 2) / 127.5 - 1).float()


def probabilities(network, faces):
    with torch.no_grad():
        return network(as_input(faces)).au_logits.sigmoid().numpy()


def best_by_hand(probability, presence):
    """One AU: the highest multiple of 0.05 that is near the best F1 with few false alarms."""
    f1 = {}
    for step in range(4, 17):
        called = probability >= step / 20
        hits = sum(c and p for c, p in zip(called, presence, strict=True))
        wrong = sum(c != p for c, p in zip(called, presence, strict=True))
        alarms = sum(c and not p for c, p in zip(called, presence, strict=True))
        if alarms <= threshold_choice.FALSE_ALARMS * (~presence).sum():
            f1[step] = 2 * hits / (2 * hits + wrong) if hits + wrong else 0.0
    if not f1:
        return 0.8
    return (
        max(step for step in f1 if f1[step] >= max(f1.values()) - threshold_choice.NEAR_BEST) / 20
    )


def test_thresholds_are_chosen_and_weights_stay(data, tmp_path, monkeypatch):
    monkeypatch.setattr(threshold_choice, "FALSE_ALARMS", 0.7)  # what is untrained calls many
    faces = FaceShards(data, "val", AUS)
    told = {"licence": "ours", "mean_of": ["a.pt", "b.pt"], "stored_in": "fp16"}
    before = {"thresholds_from": {"recipe": {"corpus": "bp4d"}, "splits": ["F004"]}}
    network = checkpoint(tmp_path / "mean.pt", faces, **told, **before)
    output = tmp_path / "new" / "chosen.pt"
    command = [str(tmp_path / "mean.pt"), "--data", str(data), "-o", str(output)]
    assert main(command) == 0
    chosen, meta = load_checkpoint(output)
    for name, tensor in network.state_dict().items():
        assert torch.equal(chosen.state_dict()[name], tensor), name
    probability = probabilities(network, faces)
    truth = faces.labels.presence == 1
    expected = [best_by_hand(probability[:, i], truth[:, i]) for i in range(len(AUS))]
    assert meta["thresholds"] == pytest.approx(expected)
    assert expected != [0.5, 0.5], "the test would not see that nothing is chosen"
    told = {"frames": 40, "people": 1, "recipe": faces.recipe, "splits": ["val"]}
    assert meta["thresholds_from"] == told, "none is left that others have chosen"
    assert (meta["licence"], meta["mean_of"]) == ("ours", ["a.pt", "b.pt"])
    assert "stored_in" not in meta, "it is written in float32"


def write_own(root, faces, shown, aus=(1, 17), split="val"):
    """Write faces of 13 people: of AU 1 it is known who shows it, of another AU nothing."""
    presence = np.full((len(faces), len(aus)), 9, np.uint8)
    presence[:, 0] = shown
    labels = Labels(
        presence=presence,
        intensity=np.full((len(faces), len(aus)), np.nan, np.float32),
        landmarks=np.zeros((len(faces), 49, 2), np.float32),
        subject=np.arange(len(faces)) % 13,
    )
    root.mkdir()
    write_index(root, aus, {split: 1}, {"corpus": "own"})
    pictures = np.stack([faces.face(index) for index in range(len(faces))])
    write_shard(root, shard_name(split, 0), pictures, labels)
    return root


def test_a_few_own_faces_have_a_say(data, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(threshold_choice, "FALSE_ALARMS", 0.7)
    monkeypatch.setattr(threshold_choice, "NEAR_ENOUGH", 0.3)
    caplog.set_level("INFO")
    many = FaceShards(data, "val", AUS)
    network = checkpoint(tmp_path / "mean.pt", many)
    probability = probabilities(network, many)
    shown = probability[:, 0] > np.median(probability[:, 0])
    own, output = write_own(tmp_path / "own", many, shown, split="few"), tmp_path / "new.pt"
    command = [str(tmp_path / "mean.pt"), "--data", str(data), "-o", str(output)]
    command += ["--own-split", "few"]
    record = tmp_path / "new.json"
    assert main([*command, "--own", str(own), "--json", str(record)]) == 0
    _, meta = load_checkpoint(output)
    presence = np.full((40, 2), 9)
    presence[:, 0] = shown  # AU 12 is not labelled there, and AU 17 not the network's
    few = threshold_choice.Few(probability, presence, np.arange(40) % 13)
    args = probability, many.labels.presence, few
    expected = threshold_choice.suited_thresholds(*args)
    by_f1 = threshold_choice.best_thresholds(*args[:2])
    assert meta["thresholds"] == expected.tolist()
    assert expected[1] == by_f1[1]
    assert expected[0] != by_f1[0], "the test would not see that own faces have no say"
    told = json.loads(record.read_text())
    assert told["thresholds"] == meta["thresholds"]
    assert told["aus"] == ["AU01", "AU12"]
    chosen_on = told["thresholds_from"]["own"]
    assert (chosen_on["frames"], chosen_on["people"], chosen_on["splits"]) == (40, 13, ["few"])
    assert told["thresholds_from"]["splits"] == ["val"]
    (row,) = chosen_on["aus"]
    assert (row["au"], row["faces_shown"], row["faces_lacking"]) == ("AU01", 20, 20)
    assert (row["threshold"], row["threshold_by_f1"]) == (expected[0], by_f1[0])
    called = probability[:, 0]
    for name, these, at in (("shown", shown, expected), ("lacking_by_f1", ~shown, by_f1)):
        of = [called[these & (few.people == who)] >= at[0] for who in range(13)]
        assert row[name] == pytest.approx(np.mean([each.mean() for each in of if len(each)]))
    outside = threshold_choice.held_out_calls(*args)
    assert row["shown_held_out"] == pytest.approx(outside.shown[0])
    assert f"AU01: {expected[0]:.2f} instead of {by_f1[0]:.2f}; of 20 own faces of " in caplog.text


def test_labels_go_with_their_aus(tmp_path):
    faces = FaceShards(write_tiny_shards(tmp_path / "data"), "val")
    presence = np.arange(len(faces)) % 2
    own = FaceShards(write_own(tmp_path / "own", faces, presence, aus=(17, 20)), "val")
    found = labels_of((1, 15, 20, 17), own)
    assert found[:, 3].tolist() == presence.tolist()
    assert (found[:, :3] == 9).all()


def test_what_a_few_faces_change_is_what_loops_count():
    """Of AU 2 the few know too little to have a say, of AU 4 the many know nothing."""
    rng = np.random.default_rng(0)
    many, few = (
        (rng.random((count, 3)), rng.choice(np.array([0, 1, 9], np.uint8), (count, 3)))
        for count in (300, 120)
    )
    few = threshold_choice.Few(*few, np.arange(120) % 40)
    few.presence[:, 1] = 0
    many[1][:, 2] = 9
    outside = threshold_choice.Calls(*rng.random((2, 3)))
    at = np.array([0.3, 0.45, 0.6])
    (row,) = compare((1, 2, 4), many, few, at, outside)
    assert row["au"] == "AU01"
    for kind, label in (("shown", 1), ("lacking", 0)):
        faces = [i for i in range(120) if few.presence[i, 0] == label]
        assert row[f"faces_{kind}"] == len(faces)
        of = {}
        for i in faces:
            of.setdefault(i % 40, []).append(few.probability[i, 0] >= 0.3)
        assert row[f"people_{kind}"] == len(of)
        assert row[kind] == pytest.approx(np.mean([np.mean(each) for each in of.values()]))
        assert row[f"{kind}_held_out"] == getattr(outside, kind)[0]
    known = [i for i in range(300) if many[1][i, 0] != 9]
    hits = sum(many[1][i, 0] == 1 and many[0][i, 0] >= 0.3 for i in known)
    either = sum(int(many[1][i, 0] == 1) + int(many[0][i, 0] >= 0.3) for i in known)
    assert row["f1"] == pytest.approx(2 * hits / either)
    assert row["threshold"] == 0.3
    assert row["threshold_by_f1"] == threshold_choice.best_thresholds(*many)[0]


def test_too_few_own_faces_are_told_to_have_no_say(data, tmp_path, caplog):
    many = FaceShards(data, "val", AUS)
    checkpoint(tmp_path / "mean.pt", many)
    shown = np.arange(40) < threshold_choice.FEWEST - 1
    own, output = write_own(tmp_path / "own", many, shown), tmp_path / "out.pt"
    command = [str(tmp_path / "mean.pt"), "--data", str(data), "-o", str(output)]
    assert main([*command, "--own", str(own)]) == 0
    said = f"{own} has no say: no AU is shown by 10 of its people and lacked by 10"
    assert said in caplog.text
    assert load_checkpoint(output)[1]["thresholds_from"]["own"]["aus"] == []


def test_own_faces_without_an_au_of_the_network_are_refused(data, tmp_path, caplog):
    checkpoint(tmp_path / "mean.pt", FaceShards(data, "val"))
    own, output = (
        write_own(tmp_path / "own", FaceShards(data, "val"), 1, aus=(17, 20)),
        tmp_path / "out.pt",
    )
    command = [str(tmp_path / "mean.pt"), "--data", str(data), "-o", str(output)]
    assert main([*command, "--own", str(own)]) == 2
    assert f"{own} labels no face with an AU of the network" in caplog.text
    assert not output.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["--split", "nobody"], "nobody"),
        (["--data", "nowhere"], "nowhere"),
        (["--device", "toaster"], "toaster"),
        (["--own", "elsewhere"], "elsewhere"),
    ],
)
def test_what_cannot_be_used_is_named(data, tmp_path, caplog, changes, said):
    checkpoint(tmp_path / "mean.pt", FaceShards(data, "val"))
    output = tmp_path / "out.pt"
    command = [str(tmp_path / "mean.pt"), "--data", str(data), "-o", str(output), *changes]
    assert main(command) == 2
    assert said in caplog.text
    assert not output.exists()


def test_aus_that_people_are_not_labelled_for_keep_their_thresholds(data, tmp_path, caplog):
    caplog.set_level("INFO")
    faces = FaceShards(data, "val", AUS)
    told = {
        "thresholds": [0.3, 0.25, 0.4],
        "thresholds_from": {"recipe": {"corpus": "bp4d"}, "splits": ["F004"]},
    }
    network = checkpoint(tmp_path / "other.pt", faces, aus=(1, 10, 12), **told)
    output = tmp_path / "out.pt"
    assert main([str(tmp_path / "other.pt"), "--data", str(data), "-o", str(output)]) == 0
    assert "does not label AU 10: their thresholds stay" in caplog.text
    probability, truth = probabilities(network, faces)[:, [0, 2]], faces.labels.presence == 1
    expected = [best_by_hand(probability[:, i], truth[:, i]) for i in range(2)]
    meta = load_checkpoint(output)[1]
    assert meta["thresholds"] == pytest.approx([expected[0], 0.25, expected[1]])
    ours = data_set(faces.recipe), "val"
    assert tuned_on(meta) == {ours, ("bp4d", "F004")}, "on whom that of AU 10 was chosen, too"

    def mean_f1(thresholds):
        called = probability >= thresholds
        hits, wrong = (called & truth).sum(0), (called != truth).sum(0)
        return np.mean(2 * hits / (2 * hits + wrong))

    assert meta["validation"]["mean_f1"] == pytest.approx(mean_f1([0.5, 0.5]))
    assert mean_f1(expected) != mean_f1([expected[0], 0.25])
    said = f"mean F1 there {mean_f1(expected):.4f}, at 0.5 {mean_f1([0.5, 0.5]):.4f} (40 faces)"
    assert said in caplog.text


def test_aus_that_too_few_faces_show_keep_their_thresholds(data, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(threshold_choice, "FALSE_ALARMS", 0.7)
    faces = FaceShards(data, "val", AUS)
    checkpoint(tmp_path / "a.pt", faces, thresholds=[0.25, 0.35])
    shown = (faces.labels.presence == 1).sum(0)
    rarest = int(np.minimum(shown, len(faces) - shown).argmin())
    fewest = np.sort(np.minimum(shown, len(faces) - shown))
    assert fewest[0] < fewest[1]
    monkeypatch.setattr(threshold_choice, "FEWEST_FACES", int(fewest[1]))
    command = [str(tmp_path / "a.pt"), "--data", str(data), "-o", str(tmp_path / "b.pt")]
    assert main(command) == 0
    chosen = load_checkpoint(tmp_path / "b.pt")[1]["thresholds"]
    assert chosen[rarest] == [0.25, 0.35][rarest]
    assert chosen[1 - rarest] != [0.25, 0.35][1 - rarest]
    assert f"AU{AUS[rarest]:02d}: not shown by" in caplog.text
    monkeypatch.setattr(threshold_choice, "FEWEST_FACES", 41)
    (tmp_path / "b.pt").unlink()
    assert main(command) == 2
    assert "there is nothing to choose by" in caplog.text
    assert not (tmp_path / "b.pt").exists()


def test_of_thresholds_that_stay_no_own_faces_are_told(data, tmp_path, caplog, monkeypatch):
    """They would choose another one of AU 1, which too few of the many show to choose by."""
    caplog.set_level("INFO")
    faces = FaceShards(data, "val", AUS)
    network = checkpoint(tmp_path / "a.pt", faces, thresholds=[0.25, 0.35])
    said = probabilities(network, faces)[:, 0]
    own = write_own(tmp_path / "own", faces, said > np.median(said))
    shown = (faces.labels.presence == 1).sum(0)
    fewest = np.minimum(shown, len(faces) - shown)
    first = faces.labels.presence[:, 0]
    first[np.flatnonzero(first == 1)[3:]] = 0
    monkeypatch.setattr(threshold_choice, "FEWEST_FACES", int(min(fewest[1], 10)))
    monkeypatch.setattr("lgrnet.thresholds.held_out_faces", lambda path, *_: {
        data: faces, tmp_path / "own": FaceShards(own, "val")
    }[path])  # fmt: skip
    command = [str(tmp_path / "a.pt"), "--data", str(data), "-o", str(tmp_path / "b.pt")]
    assert main([*command, "--own", str(own)]) == 0
    meta = load_checkpoint(tmp_path / "b.pt")[1]
    assert meta["thresholds"][0] == 0.25
    assert meta["thresholds_from"]["own"]["aus"] == []
    assert "AU01: not shown by" in caplog.text
    assert "instead of" not in caplog.text


def test_people_without_labels_of_any_of_its_aus_are_refused(data, tmp_path, caplog):
    checkpoint(tmp_path / "other.pt", FaceShards(data, "val"), aus=(15, 17))
    output = tmp_path / "out.pt"
    assert main([str(tmp_path / "other.pt"), "--data", str(data), "-o", str(output)]) == 2
    assert "none of the network's [15, 17]" in caplog.text
    assert not output.exists()
