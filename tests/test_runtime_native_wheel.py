"""Wheels that bring the compiled engine; here another compiler stands in for Zig."""

import base64
import csv
import hashlib
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from native_engine import require_native

from runtime.native import compile as compiling
from runtime.native import wheel
from runtime.native.compile import CompileError, cross_compile
from runtime.native.library import FLAGS, digest, find_library, write_checksum

ROOT = Path(__file__).parents[1]
ABOUT = "lgrnet-7.dist-info/WHEEL"


@pytest.fixture
def pure(tmp_path):
    """A wheel of the runtime's Python and C++ files, for every system."""
    contents = {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for path in sorted((ROOT / "runtime").rglob("*"))
        if path.suffix in (".py", ".cpp", ".hpp")
    }
    contents["lgrnet-7.dist-info/METADATA"] = b"Metadata-Version: 2.4\nName: lgrnet\nVersion: 7\n"
    contents[ABOUT] = (
        b"Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    path = tmp_path / "lgrnet-7-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
        rows = "".join(f"{name},{checksum(text)},{len(text)}\n" for name, text in contents.items())
        archive.writestr("lgrnet-7.dist-info/RECORD", rows + "lgrnet-7.dist-info/RECORD,,\n")
    return path


@pytest.fixture
def compiled(monkeypatch):
    """Let this machine's own engine be what is compiled; gives what was asked for."""
    require_native()
    asked = []

    def cross_compile(target, triple, path):
        asked.append((target, triple))
        path.write_bytes(Path(find_library()._name).read_bytes())
        write_checksum(path)

    monkeypatch.setattr(wheel, "cross_compile", cross_compile)
    return asked


def checksum(content):
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode()[:43]


def test_engines_are_added_and_all_else_stays(pure, compiled, tmp_path, capsys):
    assert wheel.main([str(pure), "--system", "win_amd64", "-o", str(tmp_path / "made")]) == 0
    path = tmp_path / "made" / "lgrnet-7-py3-none-win_amd64.whl"
    assert capsys.readouterr().out == f"{path}\n"
    assert list(path.parent.iterdir()) == [path]
    names = ("avx512", "avxvnni", "avx2", "portable")
    assert compiled == [(name, "x86_64-windows-gnu") for name in names]
    with zipfile.ZipFile(path) as made, zipfile.ZipFile(pure) as old:
        assert len(set(made.namelist())) == len(made.namelist()) == len(old.namelist()) + 8
        listed = "lgrnet-7.dist-info/RECORD"
        for name in set(old.namelist()) - {ABOUT, listed}:
            assert made.read(name) == old.read(name)
        assert made.read(ABOUT).decode().splitlines() == [
            "Wheel-Version: 1.0", "Generator: hand", "Root-Is-Purelib: false",
            "Tag: py3-none-win_amd64",
        ]  # fmt: skip
        rows = list(csv.reader(io.StringIO(made.read(listed).decode())))
        assert sorted(name for name, *_ in rows) == sorted(made.namelist())
        for name, *told in rows[:-1]:
            assert told == [checksum(made.read(name)), str(len(made.read(name)))], name
        assert rows[-1] == [listed, "", ""]
        for name in names:
            engine = made.getinfo(f"runtime/native/built/lgrnet-{name}-{digest()}.so")
            assert engine.external_attr >> 16 == 0o100755


@pytest.mark.skipif(wheel._here() is None, reason="no wheels are made for this kind of machine")
def test_what_is_installed_has_an_engine_without_a_compiler(pure, compiled, tmp_path):
    made = wheel.add_engines(pure, wheel._here(), tmp_path / "made")
    folder = tmp_path / "installed"
    install = ("-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(folder))
    subprocess.run([sys.executable, *install, str(made)], check=True)
    code = "from runtime.native.library import find_library; print(find_library()._name)"
    told = {"PYTHONPATH": str(folder), "XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": ""}
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, env={**os.environ, **told}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(found.stdout.strip()).parent == folder / "runtime" / "native" / "built"


def test_wheels_that_will_not_do_are_named(pure, compiled, tmp_path, capsys):
    other = tmp_path / "other" / pure.name
    other.parent.mkdir()
    with zipfile.ZipFile(pure) as old, zipfile.ZipFile(other, "w") as made:
        for name in old.namelist():
            made.writestr(name, old.read(name).replace(b"#pragma once", b"#pragma  once"))
    source, torn = tmp_path / "source-any.whl", tmp_path / "torn-any.whl"
    with zipfile.ZipFile(pure) as old, zipfile.ZipFile(source, "w") as made:
        for name in old.namelist():
            if name != ABOUT:
                made.writestr(name, old.read(name))
    content = bytearray(pure.read_bytes())
    content[200] ^= 255
    torn.write_bytes(content)
    text, mine = tmp_path / "a-any.whl", tmp_path / "lgrnet-7-py3-none-win_amd64.whl"
    text.write_text("no wheel")
    for given, words in (
        (tmp_path / "none-any.whl", "none-any.whl cannot be read (No such file"),
        (text, "a-any.whl is no wheel"),
        (source, "source-any.whl is no wheel: its .dist-info with WHEEL and RECORD"),
        (torn, "torn-any.whl is"),
        (mine, "win_amd64.whl is not for every system: give the wheel of"),
        (other, "is of another version, its runtime/native/engine/cpu.hpp differs"),
    ):
        assert wheel.main([str(given), "--system", "win_amd64", "-o", str(tmp_path / "out")]) == 2
        assert words in capsys.readouterr().err
    assert not compiled
    assert not (tmp_path / "out").exists()


def test_engines_that_it_had_are_of_another_system(pure, compiled, tmp_path):
    old, name = "runtime/native/built/lgrnet-dotprod-0.so", "lgrnet-7.dist-info/RECORD"
    with zipfile.ZipFile(pure, "a") as archive:
        archive.writestr(old, b"engine")
    made = wheel.add_engines(pure, "win_amd64", tmp_path / "made")
    with zipfile.ZipFile(made) as archive:
        assert old not in archive.namelist()
        assert old not in archive.read(name).decode()


def test_a_folder_that_cannot_be_written_is_told_before_minutes_of_work(pure, compiled, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert wheel.main([str(pure), "--system", "win_amd64", "-o", str(tmp_path / "file")]) == 2
    assert not compiled


def test_without_zig_nothing_is_written(pure, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(compiling, "find_spec", lambda name: None)
    assert wheel.main([str(pure), "--system", "win_amd64", "-o", str(tmp_path / "out")]) == 1
    assert "no Zig, which compiles for other systems: pip install" in capsys.readouterr().err
    assert not list(tmp_path.glob("out/*"))


def test_zig_is_told_the_system_and_the_instructions(monkeypatch, tmp_path):
    commands = []

    def run(command, source, output):
        commands.append(command)
        output.write_bytes(b"library")
        if "x86_64-windows-gnu" in command:
            raise CompileError("it has a bug")

    monkeypatch.setattr(compiling, "find_spec", lambda name: name == "ziglang")
    monkeypatch.setattr(compiling, "_run", run)
    cross_compile("dotprod", "aarch64-macos.11.0", tmp_path / "engine.so")
    zig, system = commands[0][:4], commands[0][4:6]
    assert zig == [sys.executable, "-m", "ziglang", "c++"]
    assert system == ["-target", "aarch64-macos.11.0"]
    assert commands[0][-1] == "-mcpu=generic+dotprod"
    assert set(FLAGS) < set(commands[0])
    noted = (tmp_path / "engine.sha256").read_text().strip()
    assert noted == hashlib.sha256(b"library").hexdigest()
    with pytest.raises(CompileError, match="it has a bug"):
        cross_compile("avx2", "x86_64-windows-gnu", tmp_path / "other.so")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["engine.sha256", "engine.so"]
