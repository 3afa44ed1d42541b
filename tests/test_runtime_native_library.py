"""The compiled engine as a file: compiling it, finding it, and what may be wrong with it."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from native_engine import require_native

from runtime.errors import InputError
from runtime.files.cache import cache_folder, cache_path
from runtime.native import compile as compiling
from runtime.native import library
from runtime.native.__main__ import main
from runtime.native.compile import CompileError, compile_engine


@pytest.fixture(autouse=True)
def compiled():
    require_native()


def test_an_engine_that_is_not_compiled(tmp_path):
    with pytest.raises(ImportError, match=r"not compiled .*run `python -m runtime\.native`"):
        library.find_library(tmp_path)


@pytest.mark.parametrize(("command", "why"), [("false", "says nothing"), ("nonsuch", "start")])
def test_a_compiler_that_fails(tmp_path, monkeypatch, capsys, command, why):
    monkeypatch.setenv("CXX", command)
    with pytest.raises(CompileError, match=f"could not be compiled.*{why}"):
        compile_engine("portable", tmp_path)
    assert not list(tmp_path.iterdir())
    assert main(["--target", "portable"]) == 1
    assert capsys.readouterr().err.startswith("error: the native engine could not be compiled")


def test_a_folder_that_cannot_be_made_is_named(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(
        "runtime.native.__main__.compile_engine",
        lambda target: compile_engine(target, tmp_path / "file" / "built"),
    )
    assert main(["--target", "portable"]) == 2
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_a_faster_instruction_set_that_does_not_compile_is_told(tmp_path, monkeypatch, caplog):
    def run(command, source, output):
        if "-mavx2" in command:
            raise CompileError("it has a bug")
        output.write_bytes(b"library")

    monkeypatch.setattr(compiling, "compiler", lambda: ["c++"])
    monkeypatch.setattr(compiling, "probe", lambda command, folder: None)
    monkeypatch.setattr(compiling, "_run", run)
    monkeypatch.setattr(compiling, "targets", lambda: ("avx2", "portable"))
    assert compile_engine(folder=tmp_path) == library.library_path("portable", tmp_path)
    assert "avx2, which may be faster, was not compiled: it has a bug" in caplog.text


@pytest.mark.parametrize(
    ("machine", "wanted"),
    [
        ("x86_64", ("avx512", "avxvnni", "avx2", "portable")),
        ("AMD64", ("avx512", "avxvnni", "avx2", "portable")),
        ("aarch64", ("dotprod", "portable")),
        ("arm64", ("dotprod", "portable")),
        ("riscv64", ("portable",)),
    ],
)
def test_instruction_sets_are_those_of_the_processor(monkeypatch, machine, wanted):
    monkeypatch.setattr(library.platform, "machine", lambda: machine)
    assert library.targets() == wanted


def test_zig_gets_flags_that_it_knows(monkeypatch):
    monkeypatch.setattr(compiling, "compiler", lambda: [sys.executable, "-m", "ziglang", "c++"])
    assert compiling.compile_command("dotprod")[-1] == "-mcpu=generic+dotprod"
    monkeypatch.setattr(compiling, "compiler", lambda: ["/opt/zig", "c++"])
    assert compiling.compile_command("dotprod")[-1] == "-mcpu=generic+dotprod"
    assert compiling.compile_command("avx2")[-2:] == ["-mavx2", "-mfma"]
    monkeypatch.setattr(compiling, "compiler", lambda: ["g++"])
    assert compiling.compile_command("dotprod")[-1] == "-march=armv8.2-a+dotprod"


def test_no_compiler_at_all(monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(compiling.shutil, "which", lambda name: None)
    monkeypatch.setattr(compiling, "find_spec", lambda name: None)
    with pytest.raises(CompileError, match=r"no C\+\+ compiler.*pip install ziglang"):
        compiling.compiler()
    monkeypatch.setattr(compiling, "find_spec", lambda name: name)
    assert compiling.compiler()[1:] == ["-m", "ziglang", "c++"]


def test_an_engine_that_does_not_run_here_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("runtime.native.__main__.compile_engine", lambda _: tmp_path / "made.so")
    monkeypatch.setattr("runtime.native.__main__.open_library", lambda _: None)
    assert main(["--target", "portable"]) == 1
    assert (
        "made.so does not run on this processor: give another --target" in capsys.readouterr().err
    )


def test_a_library_of_other_sources_or_flags_is_not_taken(tmp_path, monkeypatch):
    here = library.digest.__wrapped__()
    monkeypatch.setattr(library, "FLAGS", (*library.FLAGS, "-O1"))
    flags = library.digest.__wrapped__()
    monkeypatch.setattr(library, "ENGINE", tmp_path)
    (tmp_path / "engine.cpp").write_text("int x;")
    sources = library.digest.__wrapped__()
    assert len({here, flags, sources}) == 3
    (tmp_path / "engine.cpp~").write_text("int y;")
    assert library.digest.__wrapped__() == sources, "what an editor leaves is no source"


@pytest.mark.parametrize(
    ("content", "noted"),
    [
        *((b"", True), (b"text", True), (b"\x7fELF\x02\x01" + b"\0" * 80, True)),
        *(("another", True), ("another", False), ("folder", False)),
        *(("cut", False), ("zeros", False)),
    ],
)
def test_a_library_that_is_damaged_is_passed_over_and_named(tmp_path, content, noted):
    good = next(p for p in (library.library_path(t) for t in library.targets()) if p.exists())
    bad = library.library_path(library.targets()[0], tmp_path)
    if content == "cut":  # to open it would end the process
        content = good.read_bytes()[: good.stat().st_size // 2]
    elif content == "another":
        content = next(Path(np.__file__).parent.rglob("_umath_linalg*.so")).read_bytes()
    elif content == "zeros":  # as a power cut leaves it
        content = good.read_bytes()[:4096] + bytes(good.stat().st_size - 4096)
    if content == "folder":
        bad.mkdir()
    else:
        bad.write_bytes(content)
        if noted:
            library.write_checksum(bad)
        elif content[:4096] == good.read_bytes()[:4096]:
            library.checksum_path(bad).write_bytes(library.checksum_path(good).read_bytes())
    with pytest.raises(
        ImportError, match=r"lgrnet-.* cannot be used \(.*python -m runtime\.native"
    ):
        library.find_library(tmp_path)
    assert library.find_library(tmp_path, library.BUILT).lgrnet_runs_here()


def test_a_packed_program_brings_an_engine_that_was_signed(monkeypatch, tmp_path):
    good = next(p for p in (library.library_path(t) for t in library.targets()) if p.exists())
    (tmp_path / good.name).write_bytes(good.read_bytes() + b"signed")
    checksum = library.checksum_path(good).read_bytes()
    library.checksum_path(tmp_path / good.name).write_bytes(checksum)
    monkeypatch.setattr(library, "BUILT", tmp_path)
    with pytest.raises(ImportError, match="it is not what was compiled"):
        library.find_library(tmp_path)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert library.find_library(tmp_path).lgrnet_runs_here()
    monkeypatch.setattr(library, "BUILT", tmp_path / "other")  # in a cache anyone may damage it
    with pytest.raises(ImportError, match="it is not what was compiled"):
        library.find_library(tmp_path)


def test_an_installation_that_cannot_be_written_to_leaves_it_in_the_users_cache(
    tmp_path, monkeypatch, capsys
):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(library, "BUILT", tmp_path / "file" / "built")

    def run(command, source, output):
        output.write_bytes(b"library")

    monkeypatch.setattr(compiling, "compiler", lambda: ["c++"])
    monkeypatch.setattr(compiling, "probe", lambda command, folder: None)
    monkeypatch.setattr(compiling, "_run", run)
    made = compile_engine("portable")
    assert made == library.library_path("portable", tmp_path / "cache" / "lgrnet" / "native")
    assert made.exists()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert main(["--target", "portable"]) == 2
    assert "set XDG_CACHE_HOME" in capsys.readouterr().err


@pytest.mark.parametrize("command", ['g++ "x', " "])
def test_a_compiler_of_nonsense(monkeypatch, command):
    monkeypatch.setenv("CXX", command)
    if command.strip():
        with pytest.raises(CompileError, match=r"\$CXX is no command"):
            compiling.compiler()
    else:
        monkeypatch.setattr(compiling.shutil, "which", lambda name: name)
        assert compiling.compiler() == ["c++"]


def test_a_compiler_with_a_space_in_its_path(monkeypatch, tmp_path):
    path = tmp_path / "Program Files" / "c++"
    path.parent.mkdir()
    path.touch()
    monkeypatch.setenv("CXX", str(path))
    assert compiling.compiler() == [str(path)]
    monkeypatch.setenv("CXX", "ccache c++")
    assert compiling.compiler() == ["ccache", "c++"]


@pytest.mark.parametrize(
    ("system", "zig", "first"),
    [
        ("linux", True, "c++"), ("linux", False, "c++"),
        ("win32", True, sys.executable), ("win32", False, "c++"),
    ],
)  # fmt: skip
def test_zig_goes_first_on_windows(monkeypatch, system, zig, first):
    """GCC for Windows makes programs that end in an access violation there."""
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(compiling.shutil, "which", lambda name: name)
    monkeypatch.setattr(compiling, "find_spec", lambda name: zig or None)
    monkeypatch.setattr(compiling.sys, "platform", system)
    assert compiling.compiler()[0] == first


def test_a_compiler_that_speaks_another_encoding(tmp_path, monkeypatch):
    path = tmp_path / "c++"
    path.write_bytes(b"#!/bin/sh\nprintf 'error: f\\374r nichts' >&2\nexit 1\n")
    path.chmod(0o755)
    monkeypatch.setenv("CXX", str(path))
    with pytest.raises(CompileError, match="says error: f\N{REPLACEMENT CHARACTER}r nichts"):
        compile_engine("portable", tmp_path / "built")


def test_only_the_library_stays(tmp_path, monkeypatch):
    """Zig's linker leaves more beside it on Windows."""

    def run(command, source, output):
        output.write_bytes(b"library")
        output.with_suffix(".pdb").write_bytes(b"for debuggers")

    monkeypatch.setattr(compiling, "compiler", lambda: ["c++"])
    monkeypatch.setattr(compiling, "probe", lambda command, folder: None)
    monkeypatch.setattr(compiling, "_run", run)
    made = compile_engine("portable", tmp_path)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".sha256", ".so"]
    assert made.read_bytes() == b"library"


def test_what_is_built_cannot_be_opened(tmp_path, monkeypatch):
    """As where temporary folders may not hold programs."""
    monkeypatch.setattr(compiling, "_run", lambda command, source, output: output.write_text("no"))
    with pytest.raises(CompileError, match="what it makes cannot be opened"):
        compiling.probe(["c++"], tmp_path)


def test_users_without_a_home_have_the_engine_of_the_package(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert library.find_library().lgrnet_runs_here()
    assert cache_path("native") is None
    with pytest.raises(InputError, match="set XDG_CACHE_HOME"):
        cache_folder("native")
    monkeypatch.setattr(os.path, "expanduser", lambda path: "/")
    assert cache_path("native") is None
