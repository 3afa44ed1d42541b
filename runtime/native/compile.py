"""Compiles the native engine for this machine: ``python -m runtime.native``."""

import ctypes
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from runtime.atomic import PendingFile
from runtime.native.library import BUILT, ENGINE, TARGETS, library_path, targets

COMPILERS = ("c++", "g++", "clang++")

# Vectors wider than a register are split, of which compilers warn call by call.
# Hidden, as two engines opened in one process would share what has the same name in both.
FLAGS = (
    *("-std=c++20", "-O3", "-shared", "-fPIC", "-pthread"),
    *("-fvisibility=hidden", "-Wno-psabi"),
)


class CompileError(RuntimeError):
    """There is no compiler, or it failed; the message says why."""


def compiler() -> list[str]:
    """Choose a C++ compiler: ``$CXX``, one on the path, or the one in the package ``ziglang``.

    Returns:
        Its command.

    Raises:
        CompileError: There is none.
    """
    if os.environ.get("CXX"):
        return shlex.split(os.environ["CXX"])
    for name in COMPILERS:
        if shutil.which(name):
            return [name]
    if find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "c++"]
    raise CompileError(
        f"no C++ compiler: looked for $CXX, {', '.join(COMPILERS)}; install one, or one that comes "
        "as a Python package: pip install ziglang"
    )


def compile_engine(target: str | None = None, folder: Path = BUILT) -> Path:
    """Compile the engine.

    Args:
        target: A key of `runtime.native.library.TARGETS`; None for the fastest that runs here.
        folder: Where the library goes.

    Returns:
        The library.

    Raises:
        CompileError: There is no compiler, it failed, or what it made does not run here.
        ValueError: The target is unknown.
    """
    if target is not None and target not in TARGETS:
        raise ValueError(f"target {target!r}: give one of {', '.join(TARGETS)}")
    failures = []
    for name in targets() if target is None else (target,):
        pending = PendingFile(library_path(name, folder))
        try:
            command = [*compiler(), *FLAGS, *TARGETS[name]]
            _probe(command)
            _run(command, "engine.cpp", pending.path)
            pending.commit()
        except CompileError as error:
            failures.append(f"{name}: {error}")
        else:
            return pending.target
        finally:
            pending.discard()
    raise CompileError(f"the native engine could not be compiled; {'; '.join(failures)}")


def _probe(command: list[str]) -> None:
    """See whether this processor has the instructions, which takes a second, not many."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder, "probe.so")
        _run(command, "probe.cpp", path)
        if not ctypes.CDLL(str(path)).lgrnet_runs_here():
            raise CompileError("this processor lacks these instructions")


def _run(command: list[str], source: str, output: Path) -> None:
    """Compile a file of the engine."""
    try:
        done = subprocess.run(
            [*command, str(ENGINE / source), "-o", str(output)], capture_output=True, text=True
        )
    except OSError as error:
        raise CompileError(f"{command[0]} does not start ({error})") from error
    if done.returncode:
        raise CompileError(f"{command[0]} says {_reason(done.stderr)}")


def _reason(text: str) -> str:
    """Pick the first error out of what a compiler writes."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line]
    return (errors or lines or ["nothing"])[0]
