import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_lgrnet_train import config  # noqa: F401  (a fixture)

from benchmarks import ablation, sweep
from benchmarks.ablation import ORDER, Verdict, compare, parse_args
from lgrnet.checkpoint import load_checkpoint
from lgrnet.train import main as train_main
from runtime.errors import InputError

CHANGES = {
    "lgrnet": {"relation": "skip_bilstm", "fusion": True},
    "with_bi": {"relation": "bilstm", "fusion": True},
    "without_sb": {"relation": "none", "fusion": True},
    "without_fr": {"relation": "skip_bilstm", "fusion": False},
    "without_full": {"relation": "none", "fusion": False},
    "jaanet": {"architecture": "jaanet", "relation": "none", "attention": "refined"},
}
"""What the paper leaves out in each row of Tables III and IV, as fields of the configuration."""


def drawn(rng, people, skill):
    """One verdict: each person with 40 frames, of which the network sees `skill` rightly."""
    right = rng.random((people, 40)) < skill
    shown = rng.random((people, 40)) < 0.5
    each = [right & shown, ~right & ~shown, ~right & shown]
    counts = np.stack(each, axis=-1).sum(1)[:, None]
    hits, alarms, misses = counts.sum((0, 1))
    drawn_auc = rng.normal(skill, 0.01, 1000)
    return Verdict(2 * hits / (2 * hits + alarms + misses), skill, 0.1, counts, drawn_auc)


def test_a_difference_that_is_there_is_told_from_one_that_is_not():
    rng = np.random.default_rng(0)
    skills = {"lgrnet": 0.8, "with_bi": 0.8, "without_sb": 0.7}
    verdicts = {name: [drawn(rng, 200, skill) for _ in range(3)] for name, skill in skills.items()}
    rows = {row["variant"]: row for row in compare(verdicts)}
    assert rows["LGRNet"]["difference"] == 0
    assert rows["LGRNet"]["difference_95"] == rows["LGRNet"]["auc_difference_95"] == [0, 0]
    for key in ("difference", "auc_difference"):
        low, high = rows["w/ Bi"][f"{key}_95"]
        assert low < 0 < high
        low, high = rows["w/o S-B"][f"{key}_95"]
        assert low < rows["w/o S-B"][key] < high < 0
    # Means of three seeds that vary by 0.01 each, less the same: √(2 / 3) · 0.01, ±1.96 of it.
    assert rows["w/o S-B"]["auc_difference"] == pytest.approx(-0.1)
    assert [low, high] == pytest.approx([-0.116, -0.084], abs=2e-3)
    f1 = [each.f1 for each in verdicts["without_sb"]]
    assert rows["w/o S-B"]["f1"] == pytest.approx(sum(f1) / 3)


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
    with pytest.raises(InputError, match=r"lgrnet_0.*run the command `train` first"):
        ablation.judge(parse_args([*common, "judge", "--json", str(path)]))
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "run", run)
        ablation.train(parse_args([*common, "train"]))
        assert ran == [0] * len(ORDER)
        ablation.train(parse_args([*common, "train"]))
    assert len(ran) == len(ORDER), "what is trained is not trained again"
    for variant, changes in CHANGES.items():
        model, meta = load_checkpoint(tmp_path / f"{variant}_0" / "last.pt")
        assert {key: getattr(model.config, key) for key in changes} == changes
        assert meta["epoch"] == 1
    jaanet, _ = load_checkpoint(tmp_path / "jaanet_0" / "last.pt")
    assert jaanet.config.cells == jaanet.config.grid + 8
    ablation.judge(parse_args([*common, "judge", "--json", str(path)]))
    record = json.loads(path.read_text())
    assert [row["variant"] for row in record["splits"]["val"]["rows"]] == [
        *("LGRNet", "w/ Bi", "w/o S-B", "w/o F&R", "w/o full", "JÂA-Net")
    ]
    assert record["splits"]["test"]["frames"] == 12
    whole, other = record["splits"]["val"]["rows"][:2]
    assert other["auc_difference"] == pytest.approx(other["auc"] - whole["auc"])
    low, high = other["auc_difference_95"]
    assert low <= high
    assert "w/o F&R" in capsys.readouterr().out


@pytest.mark.parametrize("main", [ablation.main, sweep.main])
def test_what_is_not_trained_is_told_without_a_traceback(main, tmp_path, capsys):
    command = "judge" if main is ablation.main else "measure"
    assert main(["--runs", str(tmp_path / "none"), command]) == 2
    assert re.search(r"^error: .*none.*run the command `train` first$", capsys.readouterr().err)


@pytest.mark.parametrize("main", [ablation.main, sweep.main])
def test_a_training_that_fails_ends_the_series(main, tmp_path, capsys, monkeypatch):
    ran = []

    def run(command, check):
        ran.append(command)
        raise subprocess.CalledProcessError(2, command)

    monkeypatch.setattr(subprocess, "run", run)
    assert main(["--runs", str(tmp_path), "train"]) == 2
    assert capsys.readouterr().err.startswith("error: Command ")
    (command,) = ran
    assert command[:3] == [sys.executable, "-m", "lgrnet.train"]
    (out,) = [each for each in command if each.startswith("--set=out=")]
    assert Path(json.loads(out.removeprefix("--set=out="))).parent == tmp_path
    assert command[-2:] == ["--threads", "1"]
