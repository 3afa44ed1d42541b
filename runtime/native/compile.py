"""Compiles the native engine for this machine: ``python -m runtime.native``."""

import ctypes
import logging
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from runtime.errors import InputError
from runtime.files.atomic import PendingFile, make_folder, take_name
from runtime.native.library import (
    ENGINE,
    FLAGS,
    TARGETS,
    folders,
    library_path,
    targets,
    write_checksum,
)

COMPILERS = ("c++", "g++", "clang++")

ZIG = {"dotprod": ("-mcpu=generic+dotprod",)}
"""Instruction set → what Zig takes instead of `TARGETS`' flags: of ARM it knows no -march."""

logger = logging.getLogger(__name__)


class CompileError(RuntimeError):
    """There is no compiler, or it failed; the message says why."""


class LackingError(CompileError):
    """The compiler did its part, and this processor lacks the instructions."""


def compiler() -> list[str]:
    """Choose a C++ compiler: ``$CXX``, one on the path, or the one in the package ``ziglang``.

    Returns:
        Its command.

    Raises:
        CompileError: There is none.
    """
    if told := os.environ.get("CXX", "").strip():
        try:
            return [told] if Path(told).is_file() else _words(told)
        except ValueError as error:
            raise CompileError(f"$CXX is no command ({error}): {told}") from error
    zig = find_spec("ziglang") is not None
    # GCC for Windows puts vectors where their instructions cannot take them (GCC's bug 54412).
    if not (zig and sys.platform == "win32"):
        for name in COMPILERS:
            if shutil.which(name):
                return [name]
    if zig:
        return [sys.executable, "-m", "ziglang", "c++"]
    raise CompileError(
        f"no C++ compiler: looked for $CXX, {', '.join(COMPILERS)}; install one, or one that comes "
        "as a Python package: pip install ziglang"
    )


def compile_command(target: str) -> list[str]:
    """Write the command that compiles for an instruction set, but for source and output.

    Args:
        target: A key of `TARGETS`.

    Returns:
        Compiler and flags.

    Raises:
        CompileError: There is no compiler.
    """
    command = compiler()
    zig = "ziglang" in command or Path(command[0]).stem == "zig"
    return [*command, *FLAGS, *(_zig_flags(target) if zig else TARGETS[target])]


def cross_compile(target: str, triple: str, path: Path) -> None:
    """Compile the engine for another system, with Zig, and note its checksum.

    Args:
        target: A key of `TARGETS`.
        triple: The system, as Zig names it.
        path: The library.

    Raises:
        CompileError: Zig is not installed, or fails.
    """
    if find_spec("ziglang") is None:
        raise CompileError("no Zig, which compiles for other systems: pip install ziglang")
    zig = [sys.executable, "-m", "ziglang", "c++", "-target", triple, "-s"]
    with tempfile.TemporaryDirectory(dir=path.parent, ignore_cleanup_errors=True) as inside:
        made = Path(inside, "engine.so")
        _run([*zig, *FLAGS, *_zig_flags(target)], "engine.cpp", made)
        take_name(made, path)
    write_checksum(path)


def _zig_flags(target: str) -> tuple[str, ...]:
    return ZIG.get(target, TARGETS[target])


def _words(command: str) -> list[str]:
    """Split a command; on Windows backslashes are part of paths."""
    if os.name != "nt":
        return shlex.split(command)
    return [word.strip('"') for word in shlex.split(command, posix=False)]


def compile_engine(target: str | None = None, folder: Path | None = None) -> Path:
    """Compile the engine.

    Args:
        target: A key of `runtime.native.library.TARGETS`; None for the fastest that runs here. One
            that does not compile is passed over with a warning.
        folder: Where the library goes; None for the first of `runtime.native.library.folders` that
            can be written to.

    Returns:
        The library.

    Raises:
        CompileError: There is no compiler, it failed, or what it made does not run here.
        InputError: The folder cannot be written to.
        ValueError: The target is unknown.
    """
    if target is not None and target not in TARGETS:
        raise ValueError(f"target {target!r}: give one of {', '.join(TARGETS)}")
    folder = _writable(folders() if folder is None else (folder,))
    failures = []
    for name in targets() if target is None else (target,):
        pending = PendingFile(library_path(name, folder), durable=True)
        try:
            command = compile_command(name)
            probe(command, folder)
            # In a folder of its own, as some linkers leave more than the library there.
            with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as inside:
                made = Path(inside, "engine.so")
                _run(command, "engine.cpp", made)
                take_name(made, pending.path)
            write_checksum(pending.target, pending.path)
            pending.commit()
        except CompileError as error:
            failures.append((name, error))
        else:
            for other, reason in failures:
                if not isinstance(reason, LackingError):
                    logger.warning("%s, which may be faster, was not compiled: %s", other, reason)
            return pending.target
        finally:
            pending.discard()
    reasons = "; ".join(f"{name}: {reason}" for name, reason in failures)
    raise CompileError(f"the native engine could not be compiled; {reasons}")


def _writable(where: Sequence[Path]) -> Path:
    """Choose the first folder that files can be made in.

    Raises:
        InputError: There is none.
    """
    for folder in where:
        try:
            make_folder(folder)
            with tempfile.TemporaryDirectory(dir=folder):
                return folder
        except (InputError, OSError) as error:
            reason = error
    raise InputError(
        f"the compiled engine can be written to none of {', '.join(map(str, where))} ({reason}): "
        "set XDG_CACHE_HOME to a folder that can be written to"
    )


def probe(command: list[str], folder: Path | None = None) -> None:
    """See whether this processor has the instructions, which takes a second, not many.

    Args:
        command: Compiler and flags.
        folder: Where it is tried, as temporary folders may not hold programs; None for one of
            these.

    Raises:
        LackingError: The processor lacks them.
        CompileError: The compiler fails.
    """
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as inside:
        path = Path(inside, "probe.so")
        _run(command, "probe.cpp", path)
        try:
            runs = ctypes.CDLL(str(path)).lgrnet_runs_here()
        except OSError as error:
            raise CompileError(f"what it makes cannot be opened ({error})") from error
        if not runs:
            raise LackingError("this processor lacks these instructions")


def _run(command: list[str], source: str, output: Path) -> None:
    """Compile a file of the engine."""
    try:
        done = subprocess.run(
            [*command, str(ENGINE / source), "-o", str(output)],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise CompileError(f"{command[0]} does not start ({error})") from error
    if done.returncode:
        raise CompileError(f"{command[0]} says {_reason(done.stderr)}")


def _reason(text: str) -> str:
    """Pick the first error out of what a compiler writes."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line or ": cannot " in line]
    return (errors or lines or ["nothing"])[0]
