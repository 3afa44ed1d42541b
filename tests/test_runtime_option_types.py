"""Numbers on command lines."""

import argparse
import math

import pytest

from lgrnet import evaluate, train
from lgrnet.heatmaps.__main__ import main as heatmaps
from runtime.console.option_types import (
    at_least,
    count,
    finite,
    not_negative,
    positive,
    positive_real,
    whole,
)
from runtime.options import read_keys


@pytest.mark.parametrize(
    ("kind", "text", "number"),
    [
        (whole, "-3", -3), (positive, "1", 1), (count, "0", 0),
        (not_negative, "0", 0.0), (not_negative, "2.5", 2.5), (not_negative, "inf", math.inf),
        (finite, "40.5", 40.5), (positive_real, "0.1", 0.1),
    ],
)  # fmt: skip
def test_numbers_are_read(kind, text, number):
    read = kind(text)
    assert (read, type(read)) == (number, type(number))


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (whole, "2.5", "'2.5' is no whole number"),
        (positive, "two", "'two' is no whole number"),
        (positive, "0", "0 is not 1 or more"),
        (count, "-1", "-1 is not 0 or more"),
        (not_negative, "-0.5", "-0.5 is not 0 or more"),
        (not_negative, "nan", "nan is not 0 or more"),
        (not_negative, "much", "'much' is no number"),
        (read_keys, "AU6,²", "'²' is no action unit: write AU12 or 12"),
        (finite, "-1", "-1 is not 0 or more"),
        (finite, "inf", "inf is not finite"),
        (positive_real, "0.0", "0.0 is not above 0"),
        (positive_real, "-1", "-1 is not 0 or more"),
        (positive_real, "nan", "nan is not 0 or more"),
    ],
)
def test_others_are_refused(kind, text, said):
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        kind(text)
    assert str(caught.value) == said


def test_the_least_number_is_enough():
    assert at_least(64, 64) == 64


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (train.main, ["a.toml"]),
        (evaluate.main, ["a.pt"]),
        (heatmaps, ["a.pt", "a.png"]),
    ],
)
def test_no_thread_cannot_compute(command, line, capsys):
    with pytest.raises(SystemExit) as caught:
        command([*line, "--threads", "0"])
    assert caught.value.code == 2
    assert "argument --threads: 0 is not 1 or more" in capsys.readouterr().err
