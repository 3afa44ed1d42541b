import json

import numpy as np
import pytest
import torch
from test_lgrnet_train import config, run  # noqa: F401  (config is a fixture)
from tiny_shards import write_tiny_shards

from benchmarks import comparison
from benchmarks.comparison import main
from lgrnet.checkpoint import load_checkpoint, save_checkpoint
from lgrnet.data.shards import FaceShards
from lgrnet.evaluation.scoring import Evaluation, evaluate
from lgrnet.network.variants import make_variant


@pytest.fixture(scope="module")
def trained(config, tmp_path_factory):  # noqa: F811
    """Train LGRNet in two stages from a trunk, and JÂA-Net in one, as configs/comparison_* do."""
    folder = tmp_path_factory.mktemp("runs")
    one = "optim.epochs=1"
    assert run(config, folder / "trunk", one, "seed=7") == 0
    trunk = (f"init={folder / 'trunk' / 'last.pt'}", "init_rule=trunk")
    assert run(config, folder / "plain", "optim.epochs=2", "model.relation=none", *trunk) == 0
    assert run(config, folder / "lgrnet", one, f"init={folder / 'plain' / 'last.pt'}") == 0
    jaanet = make_variant(load_checkpoint(folder / "trunk" / "last.pt")[0].config, "jaanet")
    keys = ("architecture", "relation", "fusion", "attention", "attention_cells")
    structure = [f"model.{key}={json.dumps(getattr(jaanet, key))}" for key in keys]
    assert run(config, folder / "jaanet", one, *structure, *trunk) == 0
    return folder


def command(trained, tmp_path, *more):
    paths = [str(trained / name / "last.pt") for name in ("lgrnet", "jaanet")]
    return [*paths, "--answers", str(tmp_path / "answers"), *more]


def f1_by_hand(path, data, split):
    """F1 at the file's thresholds, AU by AU, frame by frame."""
    network, meta = load_checkpoint(path)
    faces = FaceShards(data, split, network.config.aus)
    said = evaluate(network, faces, torch.device("cpu")).probability
    scores = []
    for column, limit in enumerate(meta["thresholds"]):
        hits = wrong = 0
        labels = faces.labels.presence[:, column]
        for probability, label in zip(said[:, column], labels, strict=True):
            called = probability >= limit
            hits += called and label == 1
            wrong += called != (label == 1)
        scores.append(2 * hits / (2 * hits + wrong) if hits + wrong else np.nan)
    return np.nanmean(scores)


def test_what_came_before_a_training_that_is_known_may_be_lost(config, tmp_path):  # noqa: F811
    one = "optim.epochs=1"
    assert run(config, tmp_path / "first", one) == 0
    network, meta = load_checkpoint(tmp_path / "first" / "last.pt")
    mean = tmp_path / "mean.pt"
    save_checkpoint(mean, network, {"training_data": meta["training_data"]})
    assert run(config, tmp_path / "second", one, f"init={mean}") == 0
    for gone in (False, True):  # of a mean nobody knows how it was trained
        if gone:
            mean.unlink()
        told = comparison.training_of(tmp_path / "second" / "last.pt")
        assert (told["trunk"], told["after"], len(told["stages"])) == (None, str(mean), 1)
    save_checkpoint(mean, network, {"training_data": meta["training_data"]})
    with pytest.raises(ValueError, match=r"mean\.pt does not say how it was trained"):
        comparison.training_of(mean)


def test_networks_of_one_kind_are_told_apart(config, trained, tmp_path, capsys):  # noqa: F811
    names = ("lgrnet", "jaanet", "trunk")
    paths = [str(trained / name / "last.pt") for name in names]
    options = ["--data", str(config.parent / "data"), "--split", "test"]
    places = ["--answers", str(tmp_path / "answers"), "--json", str(tmp_path / "record.json")]
    assert main([*paths, *options, *places]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    shown = [line.split(" | ")[0].removeprefix("| ") for line in lines]
    assert shown[-3:] == [f"LGRNet, {paths[0]}", "JÂA-Net", f"LGRNet, {paths[2]}"]
    rows = json.loads((tmp_path / "record.json").read_text())["splits"]["test"]["rows"]
    assert [row["variant"] for row in rows] == ["LGRNet", "JÂA-Net", "LGRNet"]


def test_networks_are_compared(config, trained, tmp_path, capsys, monkeypatch):  # noqa: F811
    data, path = config.parent / "data", tmp_path / "comparison.json"
    asked = command(trained, tmp_path, "--data", str(data), "--split", "test", "val",
                    "--json", str(path))  # fmt: skip
    assert main(asked) == 0
    record = json.loads(path.read_text())
    whole, jaanet = record["networks"]
    assert whole["trunk"] == jaanet["trunk"] == str(trained / "trunk" / "last.pt")
    built = [load_checkpoint(trained / name / "last.pt")[0] for name in ("lgrnet", "jaanet")]
    sizes = [sum(len(each.flatten()) for each in network.parameters()) for network in built]
    assert [whole["parameters"], jaanet["parameters"]] == sizes
    first, second = whole["stages"]
    assert (first["relation"], first["faces"]) == ("none", 48)
    assert (second["relation"], second["faces"]) == ("skip_bilstm", 24)
    assert [stage["faces"] for stage in jaanet["stages"]] == [24]
    assert "after" not in whole
    for split in ("test", "val"):
        said = record["splits"][split]
        assert (said["frames"], said["people"]) == (12, 1)
        assert [row["variant"] for row in said["rows"]] == ["LGRNet", "JÂA-Net"]
        by_hand = [f1_by_hand(trained / name / "last.pt", data, split)
                   for name in ("lgrnet", "jaanet")]  # fmt: skip
        scores = [row["all"]["f1_at_threshold"] for row in said["rows"]]
        assert scores == pytest.approx(by_hand)
        row = said["rows"][1]["all"]
        assert row["difference"] == pytest.approx(by_hand[1] - by_hand[0])
        # There is but one person, so that each draw holds the same frames.
        assert row["difference_95"] == pytest.approx([row["difference"]] * 2)
        assert said["rows"][0]["all"]["difference_95"] == [0, 0]
    assert "JÂA-Net" in capsys.readouterr().out
    # What was answered once is not asked again.
    monkeypatch.setattr(comparison, "evaluate", None)
    assert main(asked) == 0
    again = json.loads(path.read_text())
    assert again["splits"] == record["splits"]


def test_every_network_is_compared_with_the_first(config, trained, tmp_path, monkeypatch):  # noqa: F811
    paths = [trained / name / "last.pt" for name in ("lgrnet", "plain", "jaanet")]
    rng = np.random.default_rng(2)
    presence = FaceShards(config.parent / "data", "test", (1, 12)).labels.presence

    def told(path, *_):  # the first is always right, the second often, the third seldom
        share = (0.0, 0.25, 0.6)[paths.index(path)]
        wrong = rng.random(presence.shape) < share
        said = np.where(wrong, presence != 1, presence == 1).astype(np.float32)
        return Evaluation(said, presence, np.zeros(len(presence)))

    monkeypatch.setattr(comparison, "ask", told)
    rows = comparison.compare(paths, config.parent / "data", "test", tmp_path)["rows"]
    scores = [row["all"]["f1_at_threshold"] for row in rows]
    assert 1 == scores[0] > scores[1] > scores[2]
    for row, f1 in zip(rows, scores, strict=True):
        assert row["all"]["difference"] == pytest.approx(f1 - 1)
        assert row["all"]["difference_95"] == pytest.approx([f1 - 1] * 2)  # there is one person


def test_an_answer_is_kept_by_what_a_checkpoint_holds(tmp_path, monkeypatch):
    faces = FaceShards(write_tiny_shards(tmp_path / "data"), "test", (1, 12))
    asked = []

    def told(network, shards, _):
        asked.append(network)
        return Evaluation(np.full((12, 2), len(asked) / 8), None, np.zeros(12))

    monkeypatch.setattr(comparison, "evaluate", told)
    (tmp_path / "kept").mkdir()

    def ask(name, content, split="test"):
        (tmp_path / name).write_bytes(content)
        said = comparison.ask(tmp_path / name, name, faces, split, tmp_path / "kept")
        np.testing.assert_array_equal(said.presence, faces.labels.presence)
        return round(float(said.probability[0, 0]) * 8)

    assert ask("a.pt", b"one") == ask("b.pt", b"one") == 1  # the same under another name
    assert ask("a.pt", b"other") == 2  # trained on, under the same name
    assert ask("a.pt", b"one", "val") == 3
    assert ask("a.pt", b"other") == 2
    assert asked == ["a.pt"] * 3


def test_scores_are_means_over_all_aus_and_over_the_papers_twelve():
    aus = (1, 5, 12, 24, 25, 43)  # 1, 12 and 24 are of the twelve
    rng = np.random.default_rng(1)
    presence = rng.integers(0, 2, (60, 6)).astype(np.uint8)
    probability = np.clip(0.3 * presence + rng.random((60, 6)) * [0.5, 0.6, 0.7, 0.8, 0.9, 1], 0, 1)
    present = probability >= 0.6
    said = comparison.score(Evaluation(probability, presence, np.full(60, 0.05)), present, aus)

    def f1(called, column):
        hits = sum(a and b for a, b in zip(called[:, column], presence[:, column], strict=True))
        return 2 * hits / (called[:, column].sum() + presence[:, column].sum())

    def auc(column):
        on, off = (probability[presence[:, column] == each, column] for each in (1, 0))
        return np.mean([a > b for a in on for b in off])

    for part, columns in (("all", range(6)), ("BP4D-12", (0, 2, 3))):
        assert said[part]["f1"] == pytest.approx(
            np.mean([f1(probability >= 0.5, c) for c in columns])
        )
        assert said[part]["f1_at_threshold"] == pytest.approx(
            np.mean([f1(present, c) for c in columns])
        )
        assert said[part]["auc"] == pytest.approx(np.mean([auc(c) for c in columns]))
    assert said["landmark_error"] == pytest.approx(0.05)


def test_what_cannot_be_compared_is_named(config, trained, tmp_path, capsys):  # noqa: F811
    data = config.parent / "data"
    network, _ = load_checkpoint(trained / "lgrnet" / "last.pt")
    save_checkpoint(tmp_path / "mean.pt", network)
    assert main([str(tmp_path / "mean.pt"), "--data", str(data)]) == 2
    assert "mean.pt does not say how it was trained" in capsys.readouterr().err
    assert main([*command(trained, tmp_path), "--data", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err
