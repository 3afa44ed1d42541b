"""What the options of all commands have in common: read from every parser there is."""

import argparse
from importlib import import_module
from itertools import chain
from pathlib import Path
from unittest import mock

import pytest

from export.tensorrt.__main__ import _parser as tensorrt_parser

ROOT = Path(__file__).parents[1]


class _Parsing(BaseException):
    """Carries the parser out of a command that begins to read its arguments."""


def commands() -> list[str]:
    """Return the modules that are run as ``python -m`` or as commands of the runtime."""
    files = chain.from_iterable(
        (ROOT / folder).rglob("*.py") for folder in ("benchmarks", "export", "lgrnet", "runtime")
    )
    found = []
    for file in files:
        own = file.parent.name == "commands" or '__name__ == "__main__"' in file.read_text("utf-8")
        if own and "ArgumentParser(" in file.read_text("utf-8"):
            found.append(".".join(file.relative_to(ROOT).with_suffix("").parts))
    return sorted([*found, "runtime.cli"])


def parsers(name: str) -> list[argparse.ArgumentParser]:
    """Return the parser of a command, and those of its commands."""

    def stop(parser, *_):
        raise _Parsing(parser)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_known_args", stop)
        with pytest.raises(_Parsing) as caught:
            import_module(name).main([])
    found = [caught.value.args[0]]
    for parser in found:  # grows
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                found.extend(action.choices.values())
    return found


def options(name: str) -> list[argparse.Action]:
    """Return the options of a command, with those of its commands."""
    actions = chain.from_iterable(parser._actions for parser in parsers(name))
    return [action for action in actions if action.option_strings]


@pytest.fixture(scope="module")
def all_options():
    return {name: options(name) for name in commands()}


def test_every_command_is_looked_at(all_options):
    known = {"runtime.cli", "runtime.commands.plot", "lgrnet.prepare", "export.onnx",
             "export.tensorrt.__main__", "lgrnet.faces.generate", "benchmarks.fps"}  # fmt: skip
    assert known <= all_options.keys()
    assert len(all_options) > 40


def test_what_is_written_goes_where_o_and_out_say(all_options):
    seen = 0
    for name, actions in all_options.items():
        for action in actions:
            given = set(action.option_strings)
            if given & {"-o", "--out", "--output"}:
                assert given >= {"-o", "--out"}, name
                seen += 1
    assert seen > 20


@pytest.mark.parametrize("option", ["--threads", "--workers", "--batch"])
def test_numbers_of_threads_workers_and_faces_are_checked_alike(all_options, option):
    seen = 0
    for name, actions in all_options.items():
        for action in (each for each in actions if option in each.option_strings):
            for text, said in (("two", "'two' is no whole number"), ("-1", "-1 is not")):
                with pytest.raises(argparse.ArgumentTypeError, match=said):
                    action.type(text)
            if name != "lgrnet.prepare":  # where 0 workers are this process alone
                with pytest.raises(argparse.ArgumentTypeError, match="0 is not"):
                    action.type("0")
            assert action.type("3") == 3
            seen += 1
    assert seen >= 3


@pytest.mark.parametrize("name", commands())
def test_what_a_command_takes_is_explained_with_its_default(name):
    for parser in parsers(name):
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction) or action.help == argparse.SUPPRESS:
                continue
            assert action.help, f"{parser.prog} {action.dest}"
            none = action.default in (None, False, argparse.SUPPRESS) or action.nargs == 0
            if none or action.default in ([], (), "") or not action.option_strings:
                continue
            shown = parser._get_formatter()._expand_help(action)
            parts = action.default if isinstance(action.default, list) else [action.default]
            assert "default" in shown or "if not given" in shown, f"{parser.prog} {action.dest}"
            assert all(f"{part}".removesuffix(".0") in shown for part in parts)


def test_numbers_are_read_by_types_that_say_what_is_wrong(all_options):
    for name, actions in all_options.items():
        for action in actions:
            assert action.type not in (int, float), f"{name} {action.option_strings}"


# `benchmarks.tracks` also runs with other revisions of the runtime, which lack what does this.
@pytest.mark.parametrize("name", sorted(set(commands()) - {"benchmarks.tracks"}))
def test_no_command_ends_with_a_traceback_by_ctrl_c_or_without_a_reader(name, monkeypatch, capsys):
    if name.startswith("runtime.commands."):  # `runtime.cli` runs them
        name, given = "runtime.cli", [name.rpartition(".")[2]]
    else:
        given = []
    for error, code, lines in ((KeyboardInterrupt, 130, 1), (BrokenPipeError, 141, 0)):
        monkeypatch.setattr(
            argparse.ArgumentParser, "parse_known_args", mock.Mock(side_effect=error)
        )
        monkeypatch.setattr("runtime.console.stoppable.redirect_to_nowhere", lambda stream: None)
        assert import_module(name).main(given) == code
        said = capsys.readouterr()
        assert said.out == ""
        assert len(said.err.splitlines()) == lines
        assert "interrupted" in said.err or not lines


@pytest.mark.parametrize(("text", "number"), [("cuda", 0), ("cuda:1", 1), ("2", 2), ("0", 0)])
def test_a_gpu_is_named_as_everywhere_or_by_its_number(text, number):
    args = tensorrt_parser().parse_args(["net.onnx", "--device", text])
    assert (args.device, type(args.device)) == (number, int)


@pytest.mark.parametrize("text", ["cpu", "-1", "cuda:", "cuda:x", "²", "gpu"])
def test_what_is_no_gpu_is_refused(text, capsys):
    with pytest.raises(SystemExit) as caught:
        tensorrt_parser().parse_args(["net.onnx", f"--device={text}"])
    assert caught.value.code == 2
    assert f"argument --device: {text!r} is no GPU: give cuda" in capsys.readouterr().err
