"""Damaged files of a data set and of a run: each is named, with what to do."""

import json
from pathlib import Path

import drawn_corpora
import numpy as np
import pytest
import torch
from tiny_corpus import write_tiny_corpus

from lgrnet.evaluate import main as evaluate
from lgrnet.prepare import main as prepare
from lgrnet.train import main as train

CONFIGS = Path(__file__).parents[1] / "configs"
NETWORK = [
    "model.input_size=64", "model.stem_widths=[4, 4]", "model.feature_widths=[4, 4, 8]",
    "model.refine_widths=[4, 4, 8]", "model.align_hidden=8", "model.head_hidden=4",
    "data.workers=0", "optim.epochs=1", "optim.batch=8", "data.limit=16",
]  # fmt: skip


def halve(data):
    return data[: len(data) // 2]


def empty(data):
    return b""


def scramble(data):
    return bytes((7 * place + byte) % 251 for place, byte in enumerate(data))


def scramble_the_end(data):
    return data[:-60] + scramble(data[-60:-20]) + data[-20:]


def flip_a_bit(data):
    middle = len(data) // 2  # where the landmarks are
    return data[:middle] + bytes([data[middle] ^ 16]) + data[middle + 1 :]


WAYS = [halve, empty, scramble]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Return a folder with a data set and a network trained on fold 1 of it."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("damage")
    write_tiny_corpus(folder / "data", "disfa", 2)
    assert train(arguments(folder)) == 0
    return folder


def arguments(folder):
    settings = [f"data.root={folder / 'data'}", f"out={folder / 'runs'}", *NETWORK]
    sets = [f for change in settings for f in ("--set", change)]
    return [str(CONFIGS / "disfa.toml"), "--fold", "1", "--no-progress", *sets]


@pytest.fixture
def spoil():
    """Return what damages a file for one test."""
    kept = {}

    def damage(path, way):
        kept[path] = path.read_bytes()
        path.write_bytes(way(kept[path]))
        return path

    yield damage
    for path, data in kept.items():
        path.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "way"),
    [(name, way) for name in ("state.pt", "config.json") for way in WAYS]
    + [("state.pt", flip_a_bit)],
)
def test_a_run_names_the_file_that_it_cannot_go_on_from(lab, caplog, spoil, name, way):
    path = spoil(lab / "runs" / "lgrnet" / "fold1" / name, way)
    assert train(arguments(lab)) == 2
    assert f"{path} is damaged" in caplog.text
    assert "delete it" in caplog.text


def test_a_finished_run_says_so(lab, caplog):
    caplog.set_level("INFO")
    assert train(arguments(lab)) == 0
    folder = lab / "runs" / "lgrnet" / "fold1"
    assert f"{folder}: all 1 epochs are trained already" in caplog.text


def test_a_run_goes_on_though_its_last_checkpoint_is_damaged(lab, caplog, spoil):
    spoil(lab / "runs" / "lgrnet" / "fold1" / "last.pt", WAYS[0])
    assert train(arguments(lab)) == 0


@pytest.mark.parametrize("way", [*WAYS, scramble_the_end])
def test_a_damaged_checkpoint_is_named(lab, caplog, spoil, way):
    path = spoil(lab / "runs" / "lgrnet" / "fold1" / "last.pt", way)
    assert evaluate([str(path), "--data", str(lab / "data"), "--split", "SN003"]) == 2
    assert str(path) in caplog.text


@pytest.mark.parametrize(
    ("name", "way"),
    [(f"SN003-00000.{kind}", way) for kind in ("faces.npy", "labels.npz") for way in WAYS]
    + [("SN003-00000.labels.npz", flip_a_bit)],
)
def test_damaged_faces_are_named(lab, caplog, spoil, name, way):
    path = spoil(lab / "data" / name, way)
    checkpoint = lab / "runs" / "lgrnet" / "fold1" / "last.pt"
    command = [str(checkpoint), "--data", str(lab / "data"), "--split", "SN003"]
    assert evaluate([*command, "--json", str(lab / "scores.json")]) == 2
    assert f"{path} is damaged" in caplog.text
    assert "run the command that made it again" in caplog.text


@pytest.mark.parametrize("way", [halve, scramble])
def test_an_experiment_that_is_no_text_is_named(tmp_path, caplog, way):
    path = tmp_path / "e.toml"
    path.write_bytes(b"\xff" + way(b"[data]\nroot = 'x'\n"))
    assert train([str(path), "--fold", "1"]) == 2
    assert f"{path} is not TOML" in caplog.text


def test_a_corpus_asks_for_a_fold(lab, caplog):
    checkpoint = lab / "runs" / "lgrnet" / "fold1" / "last.pt"
    assert evaluate([str(checkpoint), "--data", str(lab / "data")]) == 2
    assert (
        "not 'test'; each is a person: name some of them, or choose them by --corpus" in caplog.text
    )


@pytest.mark.parametrize("what", ["splits", "aus", "recipe"])
def test_a_senseless_index_is_named(lab, caplog, spoil, what):
    path = spoil(
        lab / "data" / "dataset.json",
        lambda data: json.dumps(json.loads(data) | {what: ["SN001"]}).encode(),
    )
    assert train(arguments(lab)) == 2
    assert f"{path} is damaged" in caplog.text


def test_labels_of_another_shape_are_named(lab, caplog, spoil):
    path = lab / "data" / "SN003-00000.labels.npz"
    with np.load(path) as labels:
        arrays = dict(labels)
    spoil(path, empty)
    np.savez(path, **{**arrays, "presence": arrays["presence"][:, :-1]})
    checkpoint = lab / "runs" / "lgrnet" / "fold1" / "last.pt"
    assert evaluate([str(checkpoint), "--data", str(lab / "data"), "--split", "SN003"]) == 2
    assert f"{path} is damaged (presence has the shape (2, 7), 2 subjects)" in caplog.text


def test_what_a_killed_run_left_half_written_is_removed(lab, caplog):
    folder = lab / "runs" / "lgrnet" / "fold1"
    for name in (".state.99.part.pt", ".last.99.part.json"):
        (folder / name).write_bytes(b"left behind")
    assert train(arguments(lab)) == 0
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize(
    "name", ["SN001-00000.frames.json", "SN001-00000.labels.npz", "dataset.json"]
)
@pytest.mark.parametrize("way", WAYS)
def test_preparing_again_names_what_it_cannot_read(tmp_path, caplog, spoil, name, way):
    drawn_corpora.write_disfa(tmp_path / "disfa", subjects=("SN001",), frames=2)
    command = ["disfa", "--root", str(tmp_path / "disfa"), "--out", str(tmp_path / "out"),
               "--subjects", "SN001", "--workers", "0", "--no-progress"]  # fmt: skip
    assert prepare(command) == 0
    path = spoil(tmp_path / "out" / name, way)
    assert prepare(command) == 2
    assert str(path) in caplog.text
    # What the message says to do is enough.
    path.unlink()
    assert prepare(command) == 0
