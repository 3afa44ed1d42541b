import json
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tiny_shards import AUS, write_tiny_shards

from lgrnet.baselines import convolutional, landmark_perceptron
from lgrnet.baselines import main as baselines
from lgrnet.checkpoint import save_checkpoint
from lgrnet.data.shards import FaceShards, Labels, shard_name, write_index, write_shard
from lgrnet.evaluate import default_record, main
from lgrnet.evaluation.metrics import area_under_curve, f1_frame, landmark_errors
from lgrnet.evaluation.scoring import evaluate
from lgrnet.evaluation.threshold_choice import best_thresholds
from lgrnet.network.config import model_config
from lgrnet.network.model import LGRNet

TINY = {
    "aus": AUS,
    "input_size": 64,
    "stem_stride": 2,
    "stem_widths": (4, 8),
    "feature_widths": (8, 8, 8),
    "refine_widths": (8, 8, 8),
    "align_hidden": 16,
    "head_hidden": 8,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_tiny_shards(tmp_path_factory.mktemp("shards"), missing=True)


def test_area_under_curve_is_the_share_of_ordered_pairs():
    rng = np.random.default_rng(0)
    probability = np.round(rng.random((60, 2)), 1)  # rounded, so that there are ties
    presence = rng.integers(0, 2, (60, 2))
    presence[:5, 0] = 9
    for column, area in enumerate(area_under_curve(probability, presence)):
        wins = [
            (p > q) + 0.5 * (p == q)
            for p in probability[presence[:, column] == 1, column]
            for q in probability[presence[:, column] == 0, column]
        ]
        assert area == pytest.approx(np.mean(wins))


def test_area_is_undefined_for_an_au_that_never_changes():
    assert np.isnan(area_under_curve(np.ones((4, 1)), np.ones((4, 1), int))).all()


def test_thresholds_are_the_highest_near_the_best_of_the_grid():
    rng = np.random.default_rng(1)
    presence = rng.integers(0, 2, (300, 4))
    probability = (0.3 * presence + 0.5 * rng.random((300, 4))).clip(0, 1)
    easy = np.where(presence[:, 3], 0.6 + 0.4 * rng.random(300) ** 0.2, 0.3 * rng.random(300))
    probability[:, 3] = easy
    chosen = best_thresholds(probability, presence)
    above_the_best = 0
    for column in range(4):
        there, absent = probability[:, column], presence[:, column] == 0
        scores = {
            t: f1_frame(probability[:, [column]] >= t, presence[:, [column]])[0]
            for t in np.arange(4, 17) / 20
            if (there[absent] >= t).mean() <= 0.2
        }
        assert 0 < len(scores) < 13, "the bound on false alarms decides here"
        near = [t for t, f1 in scores.items() if f1 >= max(scores.values()) - 0.01]
        assert chosen[column] == max(near)
        above_the_best += scores[chosen[column]] < max(scores.values())
    assert above_the_best, "the slack decides here"


def test_where_all_thresholds_give_false_alarms_the_highest_is_taken():
    presence = np.array([[0], [0], [0], [1]])
    assert best_thresholds(np.full((4, 1), 0.9), presence) == [0.8]


def test_among_equal_thresholds_the_highest_is_taken():
    assert best_thresholds(np.array([[0.01], [0.62]]), np.array([[0], [1]])) == [0.6]


def test_an_au_that_never_occurs_keeps_the_middle():
    probability = np.array([[0.42, 0.1]] + [[0.0, 0.9]] * 9)
    presence = np.array([[0, 9]] + [[0, 9]] * 9)
    assert best_thresholds(probability, presence).tolist() == [0.5, 0.5]


def test_evaluation_agrees_with_a_plain_loop(root):
    torch.manual_seed(0)
    model = LGRNet(model_config("edge", **TINY)).eval()
    shards = FaceShards(root, "test", AUS)
    result = evaluate(model, shards, torch.device("cpu"))
    errors = []
    for index in range(len(shards)):
        crop = shards.face(index)[12:188, 12:188, ::-1].astype(np.float32)
        image = torch.from_numpy(((crop / 255 - 0.5) / 0.5).transpose(2, 0, 1)[None].copy())
        with torch.inference_mode():
            prediction = model(image)
        expected = prediction.au_logits.sigmoid().numpy()[0]
        np.testing.assert_allclose(result.probability[index], expected, atol=1e-5)
        points, true = prediction.landmarks[0].numpy(), shards.labels.landmarks[index] - 12
        eyes = np.linalg.norm(true[19:25].mean(0) - true[25:31].mean(0))
        errors.append(
            np.mean([np.hypot(*(p - t)) for p, t in zip(points, true, strict=True)]) / eyes
        )
    assert result.presence[-1].tolist() == [9, 9]
    assert result.landmark_error == pytest.approx(np.mean(errors), rel=1e-5)


def test_intensities_are_judged_where_the_network_tells_them(root, tmp_path, capsys):
    torch.manual_seed(0)
    model = LGRNet(model_config("edge", **TINY, intensity=True)).eval()
    save_checkpoint(tmp_path / "tiny.pt", model)
    path = tmp_path / "scores.json"
    assert main([str(tmp_path / "tiny.pt"), "--data", str(root), "--json", str(path)]) == 0
    shards = FaceShards(root, "test", AUS)
    said, true = evaluate(model, shards, torch.device("cpu")).intensity
    np.testing.assert_allclose(true, 5 * shards.labels.intensity)
    row = json.loads(path.read_text())["aus"]["AU12"]
    assert row["intensity_mae"] == pytest.approx(np.abs(said[:, 1] - true[:, 1]).mean(), rel=1e-5)
    assert "ICC" in capsys.readouterr().out


def test_command_prints_a_table_and_writes_json(root, tmp_path, capsys):
    model = LGRNet(model_config("edge", **TINY)).eval()
    save_checkpoint(tmp_path / "tiny.pt", model, {"thresholds": [0.4, 0.6]})
    path = tmp_path / "scores.json"
    code = main([str(tmp_path / "tiny.pt"), "--data", str(root), "--json", str(path)])
    assert code == 0
    printed, scores = capsys.readouterr().out, json.loads(path.read_text())
    assert "Lip Corner Puller" in printed
    assert "always on" in printed
    assert scores["aus"]["AU12"]["threshold"] == 0.6
    known = FaceShards(root, "test").labels.presence[:, 1]
    rate = (known[known != 9] == 1).mean()
    assert scores["aus"]["AU12"]["always_on_f1"] == pytest.approx(2 * rate / (1 + rate))


def test_what_is_undefined_is_null(root, tmp_path, capsys):
    """AU 12 is there in no face, AU 1 in every one."""
    data = tmp_path / "data"
    write_index(data, AUS, {"test": 1}, {})
    faces = FaceShards(root, "test")
    always = np.tile(np.array([[1, 0]], np.uint8), (len(faces), 1))
    labels = Labels(
        presence=always, intensity=np.full(always.shape, np.nan, np.float32),
        landmarks=faces.labels.landmarks, subject=faces.labels.subject,
    )  # fmt: skip
    pictures = np.stack([faces.face(index) for index in range(len(faces))])
    write_shard(data, shard_name("test", 0), pictures, labels)
    save_checkpoint(tmp_path / "tiny.pt", LGRNet(model_config("edge", **TINY, intensity=True)))
    path, page = tmp_path / "scores.json", tmp_path / "page.png"
    command = [tmp_path / "tiny.pt", "--data", data, "--json", path, "--page", page]
    assert main([*map(str, command)]) == 0

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    scores = json.loads(path.read_text(), parse_constant=refuse)
    assert scores["aus"]["AU12"]["recall"] is None
    assert scores["aus"]["AU01"]["auc"] is None
    assert scores["aus"]["AU01"]["intensity_mae"] is None
    assert scores["aus"]["AU01"]["base_rate"] == 1
    assert "nan" in capsys.readouterr().out
    assert cv2.imread(str(page)) is not None


def test_scores_that_cannot_be_written_are_told(root, tmp_path, caplog, capsys):
    save_checkpoint(tmp_path / "tiny.pt", LGRNet(model_config("edge", **TINY)))
    (tmp_path / "file").write_text("not a folder")
    command = [str(tmp_path / "tiny.pt"), "--data", str(root), "--json"]
    page = ["--page", str(tmp_path / "file" / "page.png")]
    assert main([*command, str(tmp_path / "scores.json"), *page]) == 2
    assert str(tmp_path / "file") in caplog.text
    with pytest.raises(SystemExit, match="2"):
        main([*command, str(tmp_path / "file" / "scores.json")])
    assert (
        f"{tmp_path / 'file'} is a file, and no folder for scores.json" in capsys.readouterr().err
    )


def test_a_page_of_plots(root, tmp_path, caplog):
    save_checkpoint(tmp_path / "tiny.pt", LGRNet(model_config("edge", **TINY)).eval())
    arguments = [str(tmp_path / "tiny.pt"), "--data", str(root)]
    arguments += ["--json", str(tmp_path / "scores.json")]
    assert main([*arguments, "--page", str(tmp_path / "page.png")]) == 0
    page = cv2.imread(str(tmp_path / "page.png"))
    assert page.shape[0] > page.shape[1] * 0.4
    (tmp_path / "scores.json").unlink()
    assert main([*arguments, "--page", str(tmp_path / "page.bmp")]) == 2
    assert "ends in .png" in caplog.text
    assert not (tmp_path / "scores.json").exists()


def test_scores_are_written_without_being_asked(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_checkpoint(tmp_path / "tiny.pt", LGRNet(model_config("edge", **TINY)).eval())
    assert main(["tiny.pt", "--data", str(root), "--split", "val"]) == 0
    scores = json.loads((tmp_path / "out" / f"tiny_{root.name}_val.json").read_text())
    assert scores["frames"] == 12
    assert scores["sha256"] == sha256((tmp_path / "tiny.pt").read_bytes()).hexdigest()


def test_scores_of_a_fold_do_not_name_the_corpus_twice():
    model = Path("nowhere/m.onnx")
    for data, name in (("bp4d", "m_onnx_bp4d_fold1.json"), ("more", "m_onnx_more_bp4d_fold1.json")):
        assert default_record(model, Path("data", data), "bp4d_fold1") == Path("out", name)
    with_flip_test = default_record(model, Path("data", "bp4d"), "bp4d_fold1", flip_test=True)
    assert with_flip_test == Path("out", "m_onnx_bp4d_fold1_flip_test.json")


def test_scores_are_written_where_nobody_reads_on(root, tmp_path):
    save_checkpoint(tmp_path / "tiny.pt", LGRNet(model_config("edge", **TINY)).eval())
    command = [sys.executable, "-m", "lgrnet.evaluate", tmp_path / "tiny.pt", "--data", root]
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run(
        [*command, "--split", "val", "--json", tmp_path / "scores.json"],
        stdout=writes, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(writes)
    assert (done.returncode, "Traceback" in done.stderr) == (141, False), done.stderr
    assert json.loads((tmp_path / "scores.json").read_text())["frames"] == 12


def test_scores_of_a_run_lie_in_its_folder(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("first", "second"):
        path = tmp_path / name / "last.pt"
        path.parent.mkdir()
        (path.parent / "config.json").write_text("{}")
        save_checkpoint(path, LGRNet(model_config("edge", **TINY)).eval())
        assert main([f"{name}/last.pt", "--data", str(root), "--split", "val"]) == 0
        assert (path.parent / f"last_{root.name}_val.json").is_file()
    assert not (tmp_path / "out").exists()


def test_scores_that_cannot_be_written_are_told_all_the_same(
    root, tmp_path, monkeypatch, capsys, caplog
):
    monkeypatch.chdir(tmp_path)
    save_checkpoint(tmp_path / "last.pt", LGRNet(model_config("edge", **TINY)).eval())
    (tmp_path / "config.json").write_text("{}")
    record = tmp_path / f"last_{root.name}_val.json"
    record.mkdir()  # as if nobody might write there, which root may
    command = ["last.pt", "--data", str(root), "--split", "val"]
    assert main(command) == 2
    printed = capsys.readouterr().out
    assert "Lip Corner Puller" in printed
    assert record.name in caplog.text
    assert "name another file with --json" in caplog.text
    assert main([*command, "--json", "elsewhere.json"]) == 0
    assert capsys.readouterr().out == printed


def test_a_split_without_faces_is_named(root, tmp_path, caplog):
    shutil.copytree(root, tmp_path / "data")
    index = json.loads((tmp_path / "data" / "dataset.json").read_text())
    index["splits"]["test"] = 0
    (tmp_path / "data" / "dataset.json").write_text(json.dumps(index))
    save_checkpoint(tmp_path / "tiny.pt", LGRNet(model_config("edge", **TINY)).eval())
    assert main([str(tmp_path / "tiny.pt"), "--data", str(tmp_path / "data")]) == 2
    assert f"{tmp_path / 'data'} has no face of test" in caplog.text


def test_bad_input_exits_with_2(root, tmp_path, caplog):
    (tmp_path / "noise.pt").write_bytes(b"noise")
    assert main([str(tmp_path / "noise.pt"), "--data", str(root)]) == 2
    model = LGRNet(model_config("edge", **TINY)).eval()
    save_checkpoint(tmp_path / "tiny.pt", model)
    assert main([str(tmp_path / "tiny.pt"), "--data", str(tmp_path)]) == 2
    assert "lgrnet.faces.generate" in caplog.text
    assert main([str(tmp_path / "tiny.pt"), "--data", str(root), "--split", "exam"]) == 2
    assert "exam" in caplog.text


def test_baselines_are_what_a_loop_counts(root, tmp_path, caplog, capsys):
    path = tmp_path / "new" / "baselines.json"
    command = [f"--data={root}", f"--json={path}", "--no-progress"]
    assert baselines([*command, "--cnn-epochs", "0"]) == 0
    record = json.loads(path.read_text())
    rows = record["baselines"]
    assert list(rows) == ["always on", "perceptron on true landmarks"]
    presence = FaceShards(root, "test").labels.presence
    for column, key in ((0, "AU01"), (1, "AU12")):
        judged = [label for label in presence[:, column].tolist() if label != 9]
        there = sum(label == 1 for label in judged)
        expected = 2 * there / (2 * there + len(judged) - there)
        assert rows["always on"]["f1"][key] == pytest.approx(expected)
    for row in rows.values():
        assert row["mean_all"] == pytest.approx(sum(row["f1"].values()) / 2)
        assert row["mean_BP4D-12"] == row["mean_all"]  # both are of BP4D
    assert "always on" in capsys.readouterr().out
    assert baselines(command) == 2  # 24 faces are no batch of the network
    assert "--cnn-epochs 0" in caplog.text


def test_baselines_see_further_data_sets(root, tmp_path, caplog, monkeypatch):
    more, path, seen = write_tiny_shards(tmp_path / "more", 3), tmp_path / "baselines.json", []

    def perceptron(train, test):
        seen.append((len(train), len(test)))
        return landmark_perceptron(train, test, epochs=1)

    monkeypatch.setattr("lgrnet.baselines.landmark_perceptron", perceptron)
    command = [f"--data={root}", f"--json={path}", "--cnn-epochs=0", "--no-progress", "--also"]
    assert baselines([*command, str(more)]) == 0
    assert seen == [(24 + 6, 12)]
    assert json.loads(path.read_text())["data"]["also"] == [{"made for": "tests"}]
    assert baselines([*command, str(tmp_path)]) == 2
    assert f"{tmp_path} holds no dataset.json" in caplog.text


def test_what_cannot_be_is_told_before_hours_are_spent(root, tmp_path, capsys):
    command = [f"--data={root}", "--cnn-epochs=0", "--no-progress"]
    for more, said in (
        (["--cnn-epochs=-1"], "--cnn-epochs: -1 is not 0 or more"),
        ([f"--json={tmp_path}"], "is a folder, give the name of a file"),
    ):
        with pytest.raises(SystemExit, match="2"):
            baselines([*command, *more])
        assert said in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["last.pt", f"--json={tmp_path}"])
    assert "is a folder, give the name of a file" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match="2"):
        baselines([*command, f"--json={tmp_path / 'file' / 'b.json'}"])
    assert "is a file, and no folder for b.json" in capsys.readouterr().err


def test_the_plain_network_is_trained_and_asked(tmp_path):
    root = write_tiny_shards(tmp_path / "data", 32)
    train, test = FaceShards(root, "train"), FaceShards(root, "test")
    said = convolutional(train, test, 1, progress=False)
    assert said.shape == (32, 2)
    assert ((said > 0) & (said < 1)).all()
    assert said.std(0).min() > 0


def test_the_perceptron_learns_what_landmarks_show(tmp_path):
    write_index(tmp_path, (12,), {"train": 1, "test": 1}, {})
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        presence = rng.integers(0, 2, (300, 1)).astype(np.uint8)
        landmarks = rng.normal(100, 3, (300, 49, 2)).astype(np.float32)
        landmarks[presence[:, 0] == 1, 31:43] += 15
        labels = Labels(presence, presence.astype(np.float32), landmarks, np.arange(300))
        faces = np.zeros((300, 200, 200, 3), np.uint8)
        write_shard(tmp_path, shard_name(split, 0), faces, labels)
    train, test = FaceShards(tmp_path, "train"), FaceShards(tmp_path, "test")
    answers = landmark_perceptron(train, test, epochs=40)
    assert f1_frame(answers >= 0.5, test.labels.presence)[0] > 0.9


def test_landmark_error_is_relative_to_the_eyes():
    target = np.random.default_rng(0).uniform(20, 150, (1, 49, 2))
    eyes = np.linalg.norm(target[0, 19:25].mean(0) - target[0, 25:31].mean(0))
    assert landmark_errors(target + np.array([3, 4]), target)[0] == pytest.approx(5 / eyes)
