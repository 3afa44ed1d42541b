"""What options of ``python -m runtime`` do, and which are refused."""

import argparse
import inspect
import re

import pytest
from some_runs import run, write_clip

from runtime import Detector, cli
from runtime.backends import DEFAULTS
from runtime.cli import main
from runtime.console.interrupts import Interrupts
from runtime.options import parser
from runtime.packaged import model_path
from runtime.signals import Signals


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["0"], "0 does not exist: for a camera write cam:0"),
        (["cam:7x"], "cam:7x does not exist"),
        (["--aus", "AU06", "--threshold", "AU12=0.6"], "--threshold AU12 has no effect"),
        (["--jsonl", "--resume"], "give --out"),
    ],
)
def test_what_cannot_be_meant_is_told(capsys, options, said):
    code, _, err = run(capsys, *options)
    assert (code, said in err) == (2, True), err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "no.onnx"), "no.onnx does not exist"),
        (("--device", "tpu"), "unknown device 'tpu'"),
        (("--finder", "no.onnx"), "face finder no.onnx does not exist"),
        (("--truth", "no.csv"), "no.csv does not exist"),
        (("--aus", "AU99"), "this model knows no AU99: choose from AU06, AU12, AU25"),
        (("--hysteresis", "1.5"), "hysteresis must be from 0 to below 1"),
        (("--threshold", "AU99=0.5"), "thresholds: this model knows no AU99: choose from AU06"),
        (("--resume", "--overwrite"), "give one of them"),
    ],
)
def test_bad_options(tmp_path, capsys, model, arguments, message):
    clip = write_clip(tmp_path / "clip.avi", 2)
    given = ["--model", model, *arguments]
    code, _, err = run(capsys, clip, "--out", tmp_path / "out", *given)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], {"search_every": 30, "min_face": 0, "search_side": None, "give_up": 60}),
        ([], {"max_faces": 8, "verify_every": 10, "signals": None}),
        (["--max-faces", 3, "--verify-every", 5], {"max_faces": 3, "verify_every": 5}),
        (
            ["--baseline", 9, "--hysteresis", 0.2, "--threshold", "AU12=0.6"],
            {"signals": Signals(hysteresis=0.2, baseline=9, thresholds={"AU12": 0.6})},
        ),
        (["--search-side", 800], {"search_side": 800, "flip_test": False}),
        (["--flip-test"], {"flip_test": True}),
        (["--search-every", 0], {"search_every": None}),
        (["--search-every", 7, "--min-face", 40.5], {"search_every": 7, "min_face": 40.5}),
        (["--give-up", 0], {"give_up": 0}),
    ],
)
def test_what_the_detector_and_the_source_are_told(
    tmp_path, capsys, monkeypatch, model, options, expected
):
    told = {}

    class Noted(cli.Detector):
        def __init__(self, *arguments, **settings):
            told.update(settings)
            super().__init__(*arguments, **settings)

    real = cli.open_source

    def noted(source, give_up):
        told["give_up"] = give_up
        return real(source, give_up)

    monkeypatch.setattr(cli, "Detector", Noted)
    monkeypatch.setattr(cli, "open_source", noted)
    clip = write_clip(tmp_path / "clip.avi", frames=1)
    code, *_ = run(capsys, clip, "--out", tmp_path, "--model", model, "--no-video", *options)
    assert code == 0
    assert expected.items() <= told.items()


def test_every_option_is_heeded(tmp_path, capsys, model):
    heeded = set()

    class Watched(argparse.Namespace):
        def __getattribute__(self, name):
            heeded.add(name)
            return super().__getattribute__(name)

    clip = write_clip(tmp_path / "clip.avi", frames=1)
    given = parser().parse_args([str(clip), "--out", str(tmp_path / "out"), "--model", str(model)])
    assert cli._run(Watched(**vars(given)), Interrupts()) == 0
    assert vars(given).keys() - heeded == set(), "of runtime/options.py, which runtime/cli.py reads"


def test_what_is_not_said_is_what_a_detector_does_by_itself():
    said = cli._settings(parser().parse_args([]))
    assert model_path(said.pop("model")) == model_path(None)
    arguments = inspect.signature(Detector).parameters
    assert said == {name: arguments[name].default for name in said}


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--max-faces", "0"], ["--threads", "x"], ["--unknown"]),
        *(["--search-every", "-1"], ["--min-face", "-1"], ["--min-face", "inf"]),
        *(["--give-up", "nan"], ["--aus", ""]),
    ],
)
def test_nonsense_on_the_command_line(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["out.csv", "a/out.parquet", "Out.MP4", "out.jsonl", "out.json"])
def test_a_file_is_no_folder_of_the_outputs(tmp_path, capsys, model, name):
    clip, out = write_clip(tmp_path / "clip.avi", 1), tmp_path / name
    given = [clip, "--model", model, "--no-video", "--out"]
    with pytest.raises(SystemExit, match="2"):
        run(capsys, *given, out)
    said = capsys.readouterr().err
    assert f"argument -o/--out: {out} is named like a file" in said
    assert "--format" in said
    assert not out.exists()
    assert run(capsys, *given, f"{out}/")[0] == 0
    assert (out / "clip.csv").is_file()
    assert run(capsys, *given, out)[0] == 0  # which is a folder now


@pytest.mark.parametrize("option", ["--every", "--max-faces", "--search-side", "--search-every"])
def test_fractions_of_what_is_counted_are_named(capsys, option):
    with pytest.raises(SystemExit, match="2"):
        main(["a.mp4", option, "2.5"])
    assert f"argument {option}: '2.5' is no whole number" in capsys.readouterr().err


def test_help_tells_the_exit_codes(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    for word in ("exit codes:", "130", "141", "--resume", "openface", "--smooth"):
        assert word in said


def test_help_tells_the_engine_of_each_kind_of_file():
    (backend,) = [each for each in parser()._actions if each.dest == "backend"]
    told = re.findall(r"(\w+) for (\.\w+)", backend.help)
    assert {suffix: engine for engine, suffix in told} == DEFAULTS
