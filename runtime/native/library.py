"""The compiled engine: where it lies, which one this processor can run, and its C functions."""

import ctypes
import hashlib
import os
import platform
import sys
from functools import cache
from pathlib import Path

from runtime.files.atomic import PendingFile
from runtime.files.cache import cache_path
from runtime.files.digest import file_sha256

ENGINE = Path(__file__).parent / "engine"
BUILT = Path(__file__).parent / "built"
CACHE = "native"
"""Folder in the user's cache for engines of an installation that cannot be written to."""

# Vectors wider than a register are split, of which compilers warn call by call.
# Hidden, as two engines opened in one process would share what has the same name in both.
FLAGS = (
    *("-std=c++20", "-O3", "-shared", "-fPIC", "-pthread"),
    *("-fvisibility=hidden", "-Wno-psabi"),
)

_MACHINES = {
    **dict.fromkeys(("avx512", "avxvnni", "avx2"), ("x86_64", "amd64")),
    "dotprod": ("aarch64", "arm64"),
}
"""Instruction set → `platform.machine` in lower case where it may be; any runs what is left out."""

TARGETS: dict[str, tuple[str, ...]] = {
    "avx512": (
        *("-mavx2", "-mfma", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"),
        "-mavx512vnni",
    ),
    "avxvnni": ("-mavx2", "-mfma", "-mavxvnni"),
    "avx2": ("-mavx2", "-mfma"),
    "dotprod": ("-march=armv8.2-a+dotprod",),
    "portable": (),
}
"""Instruction sets, the fastest first → compiler flags: AVX-512 with VNNI, AVX2 with 8-bit products
(Intel from Alder Lake, AMD from Zen 5), AVX2, ARM's NEON with 8-bit products (Cortex-A55, A75 and
later, Apple from M1), and any. They give the same results up to rounding; in 8 bits a number near
the middle between two may become either."""

HistogramCallback = ctypes.CFUNCTYPE(
    None, ctypes.c_char_p, ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_float)
)
"""What ``lgrnet_histograms`` hands its results to."""


def targets(machine: str | None = None) -> tuple[str, ...]:
    """Name the instruction sets that a kind of processor may have, the fastest first.

    Args:
        machine: As `platform.machine` names it, in lower case; None for this one.

    Returns:
        Keys of `TARGETS`.
    """
    here = machine or platform.machine().lower()
    return tuple(name for name in TARGETS if here in _MACHINES.get(name, (here,)))


@cache
def digest() -> str:
    """Hash the C++ files and the flags, so that a library of other sources is never opened."""
    total = hashlib.sha256(repr((FLAGS, TARGETS)).encode())
    for path in sorted(ENGINE.glob("*.?pp")):  # not what an editor leaves there
        total.update(path.name.encode())
        total.update(path.read_bytes())
    return total.hexdigest()[:12]


def folders() -> tuple[Path, ...]:
    """Name where compiled engines lie: with the package, and in the user's cache if any."""
    cache = cache_path(CACHE)
    return (BUILT,) if cache is None else (BUILT, cache)


def library_path(target: str, folder: Path = BUILT) -> Path:
    """Name the file of a compiled engine.

    Args:
        target: A key of `TARGETS`.
        folder: Where libraries lie.

    Returns:
        The file, whether or not it is there.
    """
    return folder / f"lgrnet-{target}-{digest()}.so"


def open_library(path: Path) -> ctypes.CDLL | None:
    """Open a compiled engine.

    Args:
        path: The file.

    Returns:
        The engine with its functions declared; None where this processor cannot run it.

    Raises:
        OSError: The file is damaged, or no library for this system.
        AttributeError: It is another library.
    """
    if path.parent != BUILT and hasattr(os, "geteuid"):  # a checksum does not say whose it is
        for each in (path.parent, path):
            about = each.stat()
            if about.st_uid not in (0, os.geteuid()):
                raise OSError(
                    f"{each} is another user's: set XDG_CACHE_HOME to a folder of your own"
                )
            if about.st_mode & 0o002:
                raise OSError(f"others can write to it: chmod o-w {each}")
    # PyInstaller rewrites the libraries that it packs, on macOS all of them, to sign them.
    if path.parent != BUILT or not getattr(sys, "frozen", False):
        checksum = checksum_path(path)
        if not checksum.exists():
            raise OSError(f"{checksum.name} is not beside it")
        if checksum.read_bytes().strip() != file_sha256(path).encode():
            raise OSError("it is not what was compiled")
    library = ctypes.CDLL(str(path))
    if not library.lgrnet_runs_here():
        return None
    pointer, text, whole = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    message = (text, whole)
    library.lgrnet_instruction_set.restype = text
    library.lgrnet_open.restype = pointer
    library.lgrnet_open.argtypes = [*4 * (pointer,), whole, whole, *message]
    library.lgrnet_run.argtypes = [*5 * (pointer,), *message]
    library.lgrnet_observe.argtypes = [pointer, *message]
    library.lgrnet_histograms.argtypes = [pointer, HistogramCallback, *message]
    library.lgrnet_finder_open.restype = pointer
    library.lgrnet_finder_open.argtypes = library.lgrnet_open.argtypes
    library.lgrnet_finder_run.argtypes = [*2 * (pointer,), *2 * (whole,), *3 * (pointer,), *message]
    for close in (library.lgrnet_close, library.lgrnet_finder_close):
        close.argtypes = [pointer]
        close.restype = None
    return library


def write_checksum(path: Path, content: Path | None = None) -> None:
    """Note what a compiled engine holds, beside it: opening a damaged one ends the process.

    Args:
        path: The engine.
        content: Where it is until it gets its name; None if it has it.
    """
    with PendingFile(checksum_path(path), durable=True) as part:
        part.write_text(file_sha256(content or path) + "\n", encoding="utf-8")


def checksum_path(path: Path) -> Path:
    """Name the file that tells what a compiled engine holds.

    Args:
        path: The engine.

    Returns:
        The file, whether or not it is there.
    """
    return path.with_suffix(".sha256")


def find_library(*where: Path) -> ctypes.CDLL:
    """Open the fastest compiled engine that runs here.

    Args:
        where: Folders in which libraries lie; `folders` if not given.

    Returns:
        The engine.

    Raises:
        ImportError: There is none; the message says how to make one.
    """
    where = where or folders()
    unusable = []
    for target in targets():
        for path in (library_path(target, folder) for folder in where):
            try:
                if path.exists() and (library := open_library(path)) is not None:
                    return library
            except (OSError, AttributeError) as error:
                unusable.append(f"; {path} cannot be used ({error})")
    looked = " and ".join(map(str, where))
    raise ImportError(
        f"the native engine is not compiled for this machine (looked for {digest()} in {looked}"
        f"{''.join(unusable)}): run `python -m runtime.native`, which needs a C++ compiler"
    )
