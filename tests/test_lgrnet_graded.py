"""A head of intensities that nothing teaches is refused before anything is trained."""

import json

import numpy as np
import pytest
from test_lgrnet_evaluate import TINY
from tiny_shards import write_tiny_shards

from lgrnet.checkpoint import load_checkpoint, save_checkpoint
from lgrnet.data.shards import read_labels
from lgrnet.network.config import model_config
from lgrnet.network.model import LGRNet
from lgrnet.train import main


@pytest.fixture
def train(tmp_path):
    """Return what trains a step with intensities, on faces of which columns tell none."""

    def run(ungraded, *changes):
        data = write_tiny_shards(tmp_path / "data")
        for path in data.glob("*.labels.npz"):
            labels = read_labels(path, 2)
            labels["intensity"][:, ungraded] = np.nan
            if path.name == "val-00000.labels.npz":
                labels["intensity"][:] = 0.5  # those who judge teach nothing
            np.savez(path, **labels)
        model = "".join(f"{key} = {json.dumps(value)}\n" for key, value in TINY.items())
        (tmp_path / "tiny.toml").write_text(
            f'out = "{tmp_path / "run"}"\n[model]\npreset = "edge"\nintensity = true\n{model}'
            f'[data]\nroot = "{data}"\nworkers = 0\n[optim]\nepochs = 1\nbatch = 12\n'
        )
        settings = [part for change in changes for part in ("--set", change)]
        return main([str(tmp_path / "tiny.toml"), "--no-progress", *settings])

    return run


def test_aus_whose_intensity_no_face_tells_are_named(train, tmp_path, caplog):
    assert train([1]) == 2
    assert "no face that is trained on tells how strong AU 12 is" in caplog.text
    assert "--set 'model.aus=[1]'" in caplog.text
    assert not (tmp_path / "run").exists()
    assert train([1], "model.aus=[1]") == 0
    assert load_checkpoint(tmp_path / "run" / "last.pt")[0].config.intensity


def test_faces_without_any_intensity_teach_none(train, caplog):
    assert train([0, 1]) == 2
    assert "tells how strong AU 1, 12 is" in caplog.text
    assert "model.aus" not in caplog.text
    assert train([0, 1], "model.intensity=false") == 0


@pytest.mark.parametrize("knows", [True, False])
def test_weights_to_begin_with_may_know_them(train, tmp_path, caplog, knows):
    save_checkpoint(tmp_path / "a.pt", LGRNet(model_config("edge", **TINY, intensity=knows)))
    begin = f"init={tmp_path / 'a.pt'}"
    assert train([1], begin, "init_rule=trunk") == 2, "no head is taken over"
    assert train([1], begin) == (0 if knows else 2)
    told = "its intensity stays what the head of" in caplog.text
    assert told == knows
    if knows:  # what goes on needs the source no more
        (tmp_path / "a.pt").unlink()
        assert train([1], begin) == 0
