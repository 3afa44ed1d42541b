"""AUs on command lines: every command reads both ways of writing them."""

import numpy as np
import pytest
from some_results import some_face, some_result

import runtime
from lgrnet.evaluate import parse_args as evaluate
from lgrnet.heatmaps.__main__ import parse_args as heatmaps
from runtime.action_units import au_keys, au_number
from runtime.cli import main
from runtime.commands import plot
from runtime.console.aus_option import join_aus
from runtime.errors import InputError
from runtime.formats import Layout, open_writer

WRITINGS = [["1", "2", "12"], ["AU12,AU02,AU01"], ["au1", "AU02", "12"], ["1, 2", "12"]]


@pytest.mark.parametrize("option", ["--aus", "--au"])
@pytest.mark.parametrize("written", WRITINGS, ids=" ".join)
@pytest.mark.parametrize("first", [True, False])
def test_the_lab_reads_numbers_and_keys(written, first, option):
    for command, what in ((evaluate, ["a.pt"]), (heatmaps, ["a.pt", "12.png"])):
        aus = [option, *written]
        args = command([*aus, *what] if first else [*what, *aus])
        assert args.aus == (1, 2, 12)
    assert evaluate(["a.pt"]).aus is None


@pytest.mark.parametrize("option", ["--aus", "--au", "--a"])
@pytest.mark.parametrize("written", WRITINGS, ids=" ".join)
@pytest.mark.parametrize("first", [True, False])
def test_the_runtime_reads_numbers_and_keys(written, first, option, monkeypatch):
    seen = []
    monkeypatch.setattr("runtime.cli._run", lambda args, _: seen.append(args) or 0)
    monkeypatch.setattr(plot, "plot", lambda table, out, aus, width: seen.append((table, aus)))
    aus = [option, *written]
    assert main([*aus, "clip.mp4"] if first else ["clip.mp4", *aus]) == 0
    assert (seen[0].sources, seen[0].aus) == (["clip.mp4"], ("AU01", "AU02", "AU12"))
    assert main(["plot", *aus, "a.csv"] if first else ["plot", "a.csv", *aus]) == 0
    assert (str(seen[1][0]), seen[1][1]) == ("a.csv", ("AU01", "AU02", "AU12"))


def test_only_what_can_be_an_au_joins():
    for argv in (["--aus", "AU12", "clip.mp4", "6"], ["--every", "2", "4"], ["--aus=1", "2"]):
        assert join_aus(argv) == argv
    assert join_aus(["--aus", "1", "2", "--every", "2"]) == ["--aus", "1 2", "--every", "2"]
    assert join_aus(["--aus", "nose", "2"]) == ["--aus", "nose", "2"]


def test_a_folder_with_a_number_for_a_name_is_no_au(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert join_aus(["--aus", "AU12", "25"]) == ["--aus", "AU12 25"]
    (tmp_path / "25").mkdir()
    assert join_aus(["--aus", "AU12", "6", "25"]) == ["--aus", "AU12 6", "25"]


def test_a_command_reads_the_process_s_arguments(monkeypatch):
    monkeypatch.setattr("sys.argv", ["evaluate", "a.pt", "--aus", "1", "12"])
    assert evaluate().aus == (1, 12)


def test_others_are_refused_by_name(capsys):
    with pytest.raises(SystemExit) as caught:
        evaluate(["a.pt", "--aus", "two"])
    assert caught.value.code == 2
    assert "argument --aus: 'two' is no action unit" in capsys.readouterr().err


@pytest.mark.parametrize("name", [6, "6", "06", "AU6", "au06", "AU06", np.int64(6)])
def test_programs_name_action_units_as_command_lines_do(name, tmp_path):
    assert au_number(name) == 6
    assert au_keys([12, name, "AU12"]) == ("AU12", "AU06")
    assert Layout((name,)) == Layout(("AU06",))
    assert some_face().only([name]).aus == {"AU06": 0.25}
    with open_writer("native", tmp_path / "clip", Layout((name, 12))) as writer:
        writer.write(some_result(0, some_face()))
    runtime.plot(tmp_path / "clip.csv", aus=np.array([name]))
    with pytest.raises(InputError, match=r"clip.csv has no AU01: choose from AU06, AU12$"):
        runtime.plot(tmp_path / "clip.csv", aus=[name, 1])


@pytest.mark.parametrize("name", ["nose", "AU", "", "AU1.5", "-1", "9" * 5000, -1, 1.5, True, None])
def test_what_is_no_action_unit_is_refused(name):
    with pytest.raises(InputError, match="is no action unit: write AU12 or 12"):
        au_number(name)
