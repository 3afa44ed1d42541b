"""What the exports' command lines have in common."""

import argparse
from pathlib import Path

import pytest

from export.bounds import Bounds
from export.options import add_precision, checked_output, run


def test_where_an_export_goes(tmp_path):
    default = tmp_path / "net.npz"
    assert checked_output(None, default) == default
    for name in ("a.npz", "a.NPZ"):
        assert checked_output(str(tmp_path / name), default) == tmp_path / name
    for name in ("a.onnx", "npz", "a.npz.part"):
        with pytest.raises(ValueError, match=r"give a name that ends in \.npz"):
            checked_output(tmp_path / name, default)
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(ValueError, match="is a folder: give the name of a file"):
        checked_output(Path(tmp_path / "folder.npz"), default)


def test_each_bound_is_the_one_that_its_option_says():
    parser = argparse.ArgumentParser()
    add_precision(parser, "precision", 0.5)
    given = {
        "--max-f1-loss": 0.11, "--max-mean-f1-loss": 0.12, "--max-change": 0.13,
        "--max-landmark-change": 0.14, "--max-intensity-change": 0.15,
    }  # fmt: skip
    told = {}
    parsed = parser.parse_args([word for pair in given.items() for word in map(str, pair)])
    assert run(parsed, lambda **arguments: told.update(arguments), ()) == 0
    assert told["bounds"] == Bounds(0.11, 0.12, 0.13, 0.14, 0.15)
    run(parser.parse_args([]), lambda **arguments: told.update(arguments), ())
    assert told["bounds"].intensity == Bounds().intensity
