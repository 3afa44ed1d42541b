"""The lab's path, every command of it: corpora as on disc → shards → folds → tables → pictures.

The corpora are drawn by a writer that knows the published formats and nothing of lgrnet.
"""

import json
from pathlib import Path

import cv2
import drawn_corpora
import numpy as np
import pytest
import torch

from lgrnet.corpora.folds import FOLDS, subjects, test_subjects
from lgrnet.data.shards import FaceShards
from lgrnet.evaluate import main as evaluate
from lgrnet.heatmaps.__main__ import main as heatmaps
from lgrnet.prepare import main as prepare
from lgrnet.tables.__main__ import main as tables
from lgrnet.train import main as train

CONFIGS = Path(__file__).parents[1] / "configs"
NETWORK = [
    "model.input_size=64", "model.stem_widths=[4, 4]", "model.feature_widths=[4, 4, 8]",
    "model.refine_widths=[4, 4, 8]", "model.align_hidden=8", "model.head_hidden=4",
    "data.workers=0", "optim.epochs=1", "optim.batch=8", "data.limit=16",
    "training_data=synthetic drawings",
]  # fmt: skip
WRITE = {
    "bp4d": lambda root: drawn_corpora.write_bp4d(root, subjects("bp4d"), frames=1),
    "disfa": lambda root: drawn_corpora.write_disfa(root, subjects("disfa"), frames=4),
}
FRAMES = {"bp4d": 41 * 8, "disfa": 27 * 4}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Return a folder with both corpora, prepared, and LGRNet trained on their folds."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("lab")
    for corpus, write in WRITE.items():
        write(folder / corpus)
        out = folder / "data" / corpus
        arguments = [corpus, "--root", str(folder / corpus), "--out", str(out)]
        assert prepare([*arguments, "--workers", "0", "--no-progress"]) == 0
        settings = [f"data.root={out}", f"out={folder / 'runs' / corpus}", *NETWORK]
        sets = [f for change in settings for f in ("--set", change)]
        arguments = [str(CONFIGS / f"{corpus}.toml"), "--fold", "all", "--no-progress", *sets]
        assert train(arguments) == 0
    return folder


def test_tables_come_of_both_corpora(lab, capsys):
    out = lab / "out" / "tables"
    assert tables([str(lab / "runs" / "bp4d"), str(lab / "runs" / "disfa"), "--out", str(out)]) == 0
    assert "say nothing of the corpus" in capsys.readouterr().out
    record = json.loads(out.with_name("tables.json").read_text())
    for corpus, frames in FRAMES.items():
        folds = record["measured"]["last epoch"][corpus]["LGRNet"]["folds"]
        assert sum(fold["frames"] for fold in folds.values()) == frames
    alignment = next(each for each in record["tables"] if each["table"] == "V")
    (ours,) = [
        row for row in alignment["rows"] if (row["name"], row["reported"]) == ("LGRNet", False)
    ]
    assert None not in ours["values"]
    assert 1 < ours["values"][0] < 20


@pytest.mark.parametrize("fold", FOLDS)
def test_checkpoints_are_worth_what_the_tables_say(lab, fold):
    folder = lab / "runs" / "disfa" / "lgrnet" / f"fold{fold}"
    path = lab / "scores.json"
    arguments = [str(folder / "last.pt"), "--data", str(lab / "data" / "disfa")]
    arguments += ["--corpus", "disfa", "--fold", str(fold), "--json", str(path)]
    assert evaluate(arguments) == 0
    found, kept = json.loads(path.read_text()), json.loads((folder / "last.json").read_text())
    assert found["frames"] == kept["frames"]
    assert found["landmark_error"] == pytest.approx(kept["landmark_error"], rel=1e-6)
    for key, row in kept["aus"].items():
        assert found["aus"][key]["f1"] == pytest.approx(row["f1"])


def test_heatmaps_of_prepared_faces(lab):
    shards = FaceShards(lab / "data" / "disfa", test_subjects("disfa", 1))
    cv2.imwrite(str(lab / "face.png"), shards.face(0))
    checkpoint = lab / "runs" / "disfa" / "lgrnet" / "fold1" / "best_on_test.pt"
    arguments = [str(checkpoint), str(lab / "face.png"), "--aligned", "--aus", "12", "25"]
    assert heatmaps([*arguments, "--out", str(lab / "out" / "maps")]) == 0
    with np.load(lab / "out" / "maps.npz") as numbers:
        assert np.abs(numbers["maps"]).max() > 0
        assert numbers["gates"].shape == (8, 8)
    assert cv2.imread(str(lab / "out" / "maps_gates.png")) is not None
