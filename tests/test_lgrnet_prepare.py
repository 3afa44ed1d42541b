"""`python -m lgrnet.prepare` as a whole: processes, kill -9, bad arguments, what training reads."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import drawn_corpora
import numpy as np
import pytest

from lgrnet.corpora import folds
from lgrnet.data.augment import AugmentConfig
from lgrnet.data.batches import TrainingFaces, training_batches
from lgrnet.data.shards import FaceShards
from lgrnet.prepare import main
from runtime.installed import how_to_install


def arguments(folder, *more):
    return [
        *("bp4d", "--root", str(folder / "bp4d"), "--subjects", "F001", "M002"),
        *("--no-progress", *more),
    ]


@pytest.fixture
def unblock():
    """Return a function that opens a pipe for reading once a process has ended.

    A test that waits for the process to open it would wait for ever if it ended before.
    """

    def start(process, pipe):
        def run():
            process.wait()
            os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))

        threading.Thread(target=run, daemon=True).start()

    return start


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_killed_run_goes_on_and_ends_as_an_uninterrupted_one(tmp_path, unblock):
    drawn_corpora.write_bp4d(tmp_path / "bp4d")
    assert main([*arguments(tmp_path, "--workers", "0"), "--out", str(tmp_path / "whole")]) == 0

    # In place of the picture of a frame in the middle of a shard stands a pipe, which is taken for
    # a file: the worker waits there, half-way through the shard, until it is killed.
    (tmp_path / "sitecustomize.py").write_text(
        "import pathlib\npathlib.Path.is_file = lambda path: path.exists() and not path.is_dir()\n"
    )
    picture = tmp_path / "bp4d" / "Sequences" / "F001" / "T4" / "315.jpg"
    content = picture.read_bytes()
    picture.unlink()
    os.mkfifo(picture)
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "lgrnet.prepare"),
            *(*arguments(tmp_path, "--workers", "1"), "--out", str(killed)),
        ],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        start_new_session=True,  # so that its workers can be killed with it, and nothing else
        stderr=subprocess.DEVNULL,
    )
    unblock(process, picture)
    pipe = os.open(picture, os.O_WRONLY)  # returns when the worker has come there
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    os.close(pipe)
    picture.unlink()
    picture.write_bytes(content)

    done = {path: path.stat().st_mtime_ns for path in killed.glob("*.faces.npy")}
    assert sorted(path.name for path in done) == [f"F001-0000{n}.faces.npy" for n in range(3)]
    assert not (killed / "index.parquet").exists()
    (killed / ".F001-00003.labels.99.part.npz").write_bytes(b"left behind")
    assert main([*arguments(tmp_path, "--workers", "2"), "--out", str(killed)]) == 0
    assert all(path.stat().st_mtime_ns == written for path, written in done.items())
    again = {path.name: path.read_bytes() for path in killed.iterdir()}
    whole = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    assert again == whole


def test_training_reads_what_was_prepared(tmp_path):
    drawn_corpora.write_bp4d(tmp_path / "bp4d")
    assert main([*arguments(tmp_path, "--workers", "0"), "--out", str(tmp_path / "out")]) == 0
    train = [name for name in folds.train_subjects("bp4d", 1) if name in ("F001", "M002")]
    shards = FaceShards(tmp_path / "out", train, aus=(12, 1))
    assert shards.recipe["corpus"] == "bp4d"
    faces = TrainingFaces(shards, AugmentConfig(), seed=0)
    batch = next(iter(training_batches(faces, 8, epoch=0, workers=0)))
    assert batch.faces.shape == (8, 176, 176, 3)
    assert set(np.unique(batch.presence)) <= {0, 1, 9}


def test_a_folder_that_was_made_otherwise_is_refused(tmp_path, caplog):
    drawn_corpora.write_bp4d(tmp_path / "bp4d")
    out = ["--out", str(tmp_path / "out")]
    assert main([*arguments(tmp_path, "--workers", "0"), *out]) == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert main([*arguments(tmp_path, "--workers", "0", "--offset", "1"), *out]) == 2
    assert "holds a data set made from another recipe" in caplog.text
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}


def test_an_output_that_is_a_file_is_refused(tmp_path, caplog):
    (tmp_path / "out").write_text("a file")
    for out in (tmp_path / "out", tmp_path / "out" / "below"):
        drawn_corpora.write_bp4d(tmp_path / "bp4d", subjects=("F001",))
        more = ["--workers", "0", "--no-progress", "--subjects", "F001"]
        assert main(["bp4d", "--root", str(tmp_path / "bp4d"), "--out", str(out), *more]) == 2
        assert f"output folder {out}" in caplog.text
        shutil.rmtree(tmp_path / "bp4d")


def test_senseless_arguments_are_refused(tmp_path, caplog):
    more = ["--subjects", "SN001"]
    assert main(["bp4d", "--root", str(tmp_path), "--out", str(tmp_path / "o"), *more]) == 2
    assert "'SN001' is no subject of bp4d" in caplog.text


def test_missing_libraries_are_named(tmp_path, caplog, monkeypatch):
    drawn_corpora.write_bp4d(tmp_path / "bp4d")
    out = ["--out", str(tmp_path / "out")]
    for name in ("h5py", "pyarrow"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, name, None)
            assert main([*arguments(tmp_path, "--workers", "0"), *out]) == 2
        assert name in caplog.text
        assert how_to_install("corpora") in caplog.text
        caplog.clear()
    assert not (tmp_path / "out").exists()
