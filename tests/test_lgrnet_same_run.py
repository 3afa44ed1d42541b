"""A run goes on only as the one that was begun."""

import json
import shutil
from dataclasses import fields

import pytest
from test_lgrnet_train import config, run, weights  # noqa: F401  (config is a fixture)
from tiny_shards import write_tiny_shards

from lgrnet.experiment import UNTOLD, Experiment, load_experiment

FIRST = {
    "model": {
        *("preset", "aus", "crop_size", "input_size", "stem_stride", "stem_widths"),
        *("feature_widths", "refine_widths", "align_hidden", "head_hidden", "relation", "gate"),
        *("fusion", "attention", "attention_cells", "intensity", "architecture"),
    },
    "data": {
        *("root", "train", "val", "val_root", "workers", "limit", "corpus", "fold"),
    },
    "augment": {"flip", "rotation", "scale", "photometric", "occlusion", "grey_border"},
    "optim": {
        *("optimiser", "lr", "weight_decay", "schedule", "epochs", "batch", "align_weight"),
        *("intensity_weight", "dice_over", "precision"),
    },
    "distil": {"teacher", "weight"},
    "": {"model", "data", "augment", "optim", "distil", "out", "seed", "init", "init_rule"}
    | {"save_every", "training_data", "licence"},
}
"""Settings that every run has recorded, or that are compared otherwise."""


@pytest.mark.parametrize("part", FIRST)
def test_of_every_setting_is_known_what_runs_did_before_it_came(part):
    """Or a run that an older version began would not go on, nor its folds be averaged."""
    settings = {field.name for field in fields(getattr(Experiment(), part) if part else Experiment)}
    assert settings - FIRST[part] == UNTOLD.get(part, {}).keys(), "UNTOLD of lgrnet/experiment.py"


def test_a_run_from_before_further_data_sets_goes_on(config, tmp_path):  # noqa: F811
    """Nor did it tell what it is made from, which came later."""
    given = ("optim.epochs=1",)
    assert run(config, tmp_path / "run", *given) == 0
    path = tmp_path / "run" / "config.json"
    told = json.loads(path.read_text())
    del told["data"]["also"], told["optim"]["clip"]
    path.write_text(json.dumps(told))
    (tmp_path / "run" / "origin.json").unlink()
    assert run(config, tmp_path / "run", *given) == 0


def test_a_run_from_before_a_setting_is_one_that_did_it(config, tmp_path, caplog, monkeypatch):  # noqa: F811
    given = ("optim.epochs=1", "augment.flip=0.0")
    assert run(config, tmp_path / "run", *given) == 0
    path = tmp_path / "run" / "config.json"
    path.write_text(path.read_text().replace('"flip": 0.0,', ""))
    assert run(config, tmp_path / "run", *given) == 2
    assert "(other augment.flip)" in caplog.text
    monkeypatch.setitem(UNTOLD, "augment", {"flip": 0.0})
    assert run(config, tmp_path / "run", *given) == 0
    assert run(config, tmp_path / "run", "optim.epochs=1", "augment.flip=0.5") == 2


def test_a_run_of_other_faces_or_initial_weights_is_noticed(config, tmp_path, caplog):  # noqa: F811
    data, init = tmp_path / "data", tmp_path / "init.pt"
    write_tiny_shards(data)
    more = [f"data.root={data}", "optim.epochs=1"]
    assert run(config, tmp_path / "first", *more) == 0
    shutil.copy(tmp_path / "first" / "last.pt", init)
    assert run(config, tmp_path / "run", *more, f"init={init}") == 0
    assert run(config, tmp_path / "run", *more, f"init={init}") == 0, "nothing has changed"
    assert run(config, tmp_path / "second", *more, "seed=1") == 0
    shutil.copy(tmp_path / "second" / "last.pt", init)
    assert run(config, tmp_path / "run", *more, f"init={init}") == 2
    assert (
        f"{tmp_path / 'run'} holds a run with other initial weights than there are" in caplog.text
    )
    shutil.rmtree(data)
    write_tiny_shards(data, count=20)
    assert run(config, tmp_path / "first", *more) == 2
    assert f"{tmp_path / 'first'} holds a run with other faces than" in caplog.text
    (tmp_path / "first" / "origin.json").write_text("{")
    assert run(config, tmp_path / "first", *more) == 2
    assert "origin.json is damaged" in caplog.text


def test_what_a_run_began_with_may_be_deleted(config, tmp_path, caplog):  # noqa: F811
    init = tmp_path / "init.pt"
    assert run(config, tmp_path / "first", "optim.epochs=1") == 0
    shutil.copy(tmp_path / "first" / "last.pt", init)
    more = ["optim.epochs=1", f"init={init}"]
    assert run(config, tmp_path / "run", *more) == 0
    init.unlink()
    assert run(config, tmp_path / "run", *more) == 0, "what is finished is left as it is"
    assert run(config, tmp_path / "new", *more) == 2, "a run that has not begun needs it"
    shutil.copy(tmp_path / "run" / "last.pt", init)
    assert run(config, tmp_path / "run", *more) == 2, "it is still known what it was"
    assert f"{tmp_path / 'run'} holds a run with other initial weights" in caplog.text


def test_what_was_gone_when_it_was_noted_may_come_back(config, tmp_path):  # noqa: F811
    init = tmp_path / "init.pt"
    assert run(config, tmp_path / "first", "optim.epochs=1") == 0
    shutil.copy(tmp_path / "first" / "last.pt", init)
    more = ["optim.epochs=1", f"init={init}"]
    assert run(config, tmp_path / "run", *more) == 0
    (tmp_path / "run" / "origin.json").unlink()  # as runs had none before
    init.unlink()
    assert run(config, tmp_path / "run", *more) == 0
    shutil.copy(tmp_path / "first" / "last.pt", init)
    assert run(config, tmp_path / "run", *more) == 0


def test_a_folder_with_another_run_is_refused(config, tmp_path, caplog):  # noqa: F811
    assert run(config, tmp_path / "run", "optim.epochs=1") == 0
    before = (tmp_path / "run" / "last.pt").read_bytes()
    assert run(config, tmp_path / "run", "optim.epochs=2") == 2
    assert "another configuration (other optim.epochs)" in caplog.text
    # What only changes how fast it is makes it no other run.
    assert run(config, tmp_path / "run", "optim.epochs=1", "data.workers=1", "save_every=7") == 0
    assert (tmp_path / "run" / "last.pt").read_bytes() == before


def test_initial_weights_of_another_name_that_are_not_there_are_noticed(config, tmp_path, caplog):  # noqa: F811
    assert run(config, tmp_path / "first", "optim.epochs=1") == 0
    source = tmp_path / "first" / "last.pt"
    assert run(config, tmp_path / "run", "optim.epochs=1", f"init={source}") == 0
    assert run(config, tmp_path / "run", "optim.epochs=1", f"init={tmp_path / 'typo.pt'}") == 2
    assert "(other init)" in caplog.text
    source.rename(tmp_path / "moved.pt")
    assert run(config, tmp_path / "run", "optim.epochs=1", f"init={tmp_path / 'moved.pt'}") == 0
    (tmp_path / "moved.pt").unlink()
    assert run(config, tmp_path / "run", "optim.epochs=1", f"init={tmp_path / 'moved.pt'}") == 0


def test_a_run_and_its_data_may_be_moved(config, tmp_path, monkeypatch, caplog):  # noqa: F811
    root = load_experiment(config).data.root
    shutil.copytree(root, tmp_path / "data")
    shutil.copy(config, tmp_path / "tiny.toml")
    moved = tmp_path / "tiny.toml"
    text = moved.read_text().replace(str(root), str(tmp_path / "data"))
    moved.write_text(text)
    assert run(config, tmp_path / "run", "optim.epochs=1") == 0
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / "elsewhere", "elsewhere"):
        assert run(moved, path, "optim.epochs=1") == 0
    shutil.copytree(tmp_path / "data", tmp_path / "judge")
    shutil.copytree(tmp_path / "data", tmp_path / "more")
    others = ["optim.epochs=1", f"data.val_root={root}", f'data.also=["{tmp_path / "data"}"]']
    assert run(moved, "second", *others) == 0
    others[1:] = [f"data.val_root={tmp_path / 'judge'}", f'data.also=["{tmp_path / "more"}"]']
    assert run(moved, "second", *others) == 0
    assert run(moved, "second", *others, "init=typo.pt") == 2
    assert "(other init)" in caplog.text
    (tmp_path / "elsewhere" / "origin.json").unlink()  # as of a run that does not tell its data
    assert run(config, "elsewhere", "optim.epochs=1") == 2
    assert "(other data.root)" in caplog.text


def test_a_run_with_other_judges_under_the_same_name_is_noticed(config, tmp_path, caplog):  # noqa: F811
    judges = tmp_path / "judges"
    write_tiny_shards(judges)
    more = ["optim.epochs=1", f"data.val_root={judges}"]
    assert run(config, tmp_path / "run", *more) == 0
    index = next(path for path in judges.glob("*.json") if "made for" in path.read_text())
    index.write_text(index.read_text().replace("tests", "others"))
    assert run(config, tmp_path / "run", *more) == 2
    assert f"{tmp_path / 'run'} holds a run with other judged on than" in caplog.text
    # A run of before this was told is known by where they lie.
    path = tmp_path / "run" / "origin.json"
    told = json.loads(path.read_text())
    del told["judged on"]
    path.write_text(json.dumps(told))
    assert run(config, tmp_path / "run", *more) == 0
    path.write_text(json.dumps(told))
    assert run(config, tmp_path / "run", "optim.epochs=1") == 2
    assert "(other data.val_root)" in caplog.text
