import json
import subprocess

import numpy as np
import pytest
from test_lgrnet_train import config  # noqa: F401  (a fixture)

from benchmarks import ablation
from benchmarks.ablation import VARIANTS, Verdict, compare, folder_of, parse_args
from lgrnet.checkpoint import load_checkpoint
from lgrnet.train import main as train_main


def drawn(rng, people, skill):
    """One verdict: each person with 40 frames, of which the network sees `skill` rightly."""
    right = rng.random((people, 40)) < skill
    shown = rng.random((people, 40)) < 0.5
    counts = np.stack([(right & shown).sum(1), (~right).sum(1)], axis=-1)[:, None]
    hits, errors = counts.sum((0, 1))
    return Verdict(2 * hits / (2 * hits + errors), 0.5, 0.1, counts)


def test_a_difference_that_is_there_is_told_from_one_that_is_not():
    rng = np.random.default_rng(0)
    skills = {"LGRNet": 0.8, "w/ Bi": 0.8, "w/o S-B": 0.7}
    verdicts = {name: [drawn(rng, 200, skill) for _ in range(3)] for name, skill in skills.items()}
    rows = {row["variant"]: row for row in compare(verdicts)}
    assert rows["LGRNet"]["difference"] == 0
    assert rows["LGRNet"]["difference_95"] == [0, 0]
    low, high = rows["w/ Bi"]["difference_95"]
    assert low < 0 < high
    low, high = rows["w/o S-B"]["difference_95"]
    assert low < rows["w/o S-B"]["difference"] < high < 0
    f1 = [each.f1 for each in verdicts["w/o S-B"]]
    assert rows["w/o S-B"]["f1"] == pytest.approx(sum(f1) / 3)


def test_variants_have_folders_of_their_own(tmp_path):
    folders = {folder_of(tmp_path, variant, seed) for variant in VARIANTS for seed in range(3)}
    assert len(folders) == 3 * len(VARIANTS)
    assert {folder.parent for folder in folders} == {tmp_path}


def test_trained_and_judged(config, tmp_path, monkeypatch, capsys):  # noqa: F811
    ran = []

    def run(command, check):
        assert check
        assert command[1:3] == ["-m", "lgrnet.train"]
        ran.append(train_main([*command[3:], "--no-progress"]))

    monkeypatch.setattr(ablation, "SPLITS", ("test", "val"))  # the tiny data have no control people
    data = config.parent / "data"
    common = ["--runs", str(tmp_path), "--data", str(data), "--config", str(config), "--seeds", "1"]
    path = tmp_path / "ablation.json"
    with pytest.raises(SystemExit, match=r"LGRNet_0.*run the command `train` first"):
        ablation.judge(parse_args([*common, "judge", "--json", str(path)]))
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "run", run)
        ablation.train(parse_args([*common, "train"]))
        assert ran == [0] * len(VARIANTS)
        ablation.train(parse_args([*common, "train"]))
    assert len(ran) == len(VARIANTS), "what is trained is not trained again"
    for variant, changes in VARIANTS.items():
        model, meta = load_checkpoint(folder_of(tmp_path, variant, 0) / "last.pt")
        assert {key: getattr(model.config, key) for key in changes} == changes
        assert meta["epoch"] == 1
    jaanet, _ = load_checkpoint(folder_of(tmp_path, "JÂA-Net", 0) / "last.pt")
    assert jaanet.config.cells == jaanet.config.grid + 8
    ablation.judge(parse_args([*common, "judge", "--json", str(path)]))
    record = json.loads(path.read_text())
    assert [row["variant"] for row in record["splits"]["val"]["rows"]] == list(VARIANTS)
    assert record["splits"]["test"]["frames"] == 12
    assert "w/o F&R" in capsys.readouterr().out
