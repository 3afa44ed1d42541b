"""Nobody writes into a folder into which another run is writing, whatever that one is."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from drawn_corpora import write_disfa
from tiny_shards import write_tiny_shards

from lgrnet.alone import alone_in
from lgrnet.prepare import main as prepare
from lgrnet.train import main as train
from runtime.errors import InputError

HOLD = """
import sys, time
from pathlib import Path
from lgrnet.alone import alone_in

with alone_in(Path(sys.argv[1])):
    Path(sys.argv[1], ".shard.7.part.npy").write_bytes(b"half of it")
    print("alone", flush=True)
    time.sleep(300)
"""


@pytest.fixture
def busy(tmp_path):
    """Return a folder into which another process writes, and that process."""
    folder = tmp_path / "busy"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "alone\n"
        yield folder, other
        other.kill()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


EXPERIMENT = """
out = '{out}'
model = {{ preset = "edge", aus = [1, 12], input_size = 64, stem_stride = 2 }}
data = {{ root = '{data}', workers = 0 }}
optim = {{ epochs = 1, batch = 2 }}
"""


def start_training(folder: Path, tmp_path: Path) -> int:
    write_tiny_shards(tmp_path / "faces")
    told = EXPERIMENT.format(out=folder.as_posix(), data=(tmp_path / "faces").as_posix())
    (tmp_path / "tiny.toml").write_text(told, encoding="utf-8")
    return train([str(tmp_path / "tiny.toml"), "--no-progress"])


def start_preparing(folder: Path, tmp_path: Path) -> int:
    if not (tmp_path / "disfa").exists():
        write_disfa(tmp_path / "disfa", subjects=("SN001",), short=())
    command = ["disfa", "--root", str(tmp_path / "disfa"), "--subjects", "SN001"]
    return prepare([*command, "--out", str(folder), "--workers", "0", "--no-progress"])


@pytest.mark.skipif(sys.platform == "win32", reason="its processes are not killed by signals")
@pytest.mark.parametrize("start", [start_training, start_preparing])
def test_two_runs_do_not_write_one_folder(busy, tmp_path, caplog, start):
    folder, other = busy
    assert start(folder, tmp_path) == 2
    assert f"another run is writing into {folder}" in caplog.text
    assert names(folder) == {".lock", ".shard.7.part.npy"}, "the other's file was touched"

    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert start(folder, tmp_path) == 0
    assert not {name for name in names(folder) if name.startswith(".")}


def test_whoever_is_done_leaves_the_folder_to_others(tmp_path):
    with alone_in(tmp_path / "new"):
        with pytest.raises(InputError, match="another run is writing into"):
            alone_in(tmp_path / "new").__enter__()
        assert names(tmp_path / "new") == {".lock"}
    with alone_in(tmp_path / "new"):
        assert names(tmp_path / "new") == {".lock"}
    assert names(tmp_path / "new") == set()
