import numpy as np
import pytest
import torch
from test_lgrnet_evaluate import TINY
from tiny_shards import AUS, write_tiny_shards

from lgrnet import threshold_choice
from lgrnet.checkpoint import load_checkpoint, save_checkpoint
from lgrnet.config import model_config
from lgrnet.model import LGRNet
from lgrnet.shards import FaceShards
from lgrnet.thresholds import main


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_tiny_shards(tmp_path_factory.mktemp("data"), count=40)


def checkpoint(path, aus=AUS, **meta):
    torch.manual_seed(5)
    network = LGRNet(model_config("edge", **{**TINY, "aus": aus}))
    with torch.no_grad():  # untrained heads say 0.5 of all: let answers scatter
        network.heads.logit.weight.mul_(40)
    save_checkpoint(path, network, meta)
    return network.eval()


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
    network = checkpoint(tmp_path / "mean.pt", licence="ours", mean_of=["a.pt", "b.pt"])
    output = tmp_path / "new" / "chosen.pt"
    command = [str(tmp_path / "mean.pt"), "--data", str(data), "-o", str(output)]
    assert main(command) == 0
    chosen, meta = load_checkpoint(output)
    for name, tensor in network.state_dict().items():
        assert torch.equal(chosen.state_dict()[name], tensor), name
    faces = FaceShards(data, "val", AUS)
    with torch.no_grad():
        crops = np.stack([faces.face(i)[12:188, 12:188, ::-1] for i in range(len(faces))])
        images = torch.from_numpy(crops.transpose(0, 3, 1, 2) / 127.5 - 1).float()
        probability = network(images).au_logits.sigmoid().numpy()
    truth = faces.labels.presence == 1
    expected = [best_by_hand(probability[:, i], truth[:, i]) for i in range(len(AUS))]
    assert meta["thresholds"] == pytest.approx(expected)
    assert expected != [0.5, 0.5], "the test would not see that nothing is chosen"
    assert meta["thresholds_from"] == {"frames": 40, "people": 1, "recipe": faces.recipe}
    assert (meta["licence"], meta["mean_of"]) == ("ours", ["a.pt", "b.pt"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["--split", "nobody"], "nobody"),
        (["--data", "nowhere"], "nowhere"),
        (["--device", "toaster"], "toaster"),
    ],
)
def test_what_cannot_be_used_is_named(data, tmp_path, caplog, changes, said):
    checkpoint(tmp_path / "mean.pt")
    output = tmp_path / "out.pt"
    command = [str(tmp_path / "mean.pt"), "--data", str(data), "-o", str(output), *changes]
    assert main(command) == 2
    assert said in caplog.text
    assert not output.exists()


def test_people_without_labels_of_its_aus_are_refused(data, tmp_path, caplog):
    checkpoint(tmp_path / "other.pt", aus=(1, 12, 17))
    output = tmp_path / "out.pt"
    assert main([str(tmp_path / "other.pt"), "--data", str(data), "-o", str(output)]) == 2
    assert "17" in caplog.text
    assert not output.exists()
