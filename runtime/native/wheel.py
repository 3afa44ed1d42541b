"""A wheel that brings the compiled engine: ``python -m runtime.native.wheel WHEEL``."""

import argparse
import base64
import csv
import hashlib
import io
import platform
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from runtime.console.stoppable import stoppable
from runtime.errors import InputError
from runtime.files.atomic import PendingFile
from runtime.native.compile import CompileError, cross_compile
from runtime.native.library import BUILT, ENGINE, checksum_path, library_path, targets
from runtime.native.library import __file__ as library_file


class System(NamedTuple):
    """What a wheel is for.

    Attributes:
        triple: As Zig names it, with the oldest C library or macOS that will do.
        machine: As `platform.machine` names it there, in lower case.
        here: As `sys.platform` names it there.
    """

    triple: str
    machine: str
    here: str


SYSTEMS = {
    "manylinux_2_17_x86_64": System("x86_64-linux-gnu.2.17", "x86_64", "linux"),
    "manylinux_2_17_aarch64": System("aarch64-linux-gnu.2.17", "aarch64", "linux"),
    "win_amd64": System("x86_64-windows-gnu", "amd64", "win32"),
    "macosx_11_0_arm64": System("aarch64-macos.11.0", "arm64", "darwin"),
}
"""Platform tag of the wheel → what it is for."""


def add_engines(wheel: Path, system: str, folder: Path) -> Path:
    """Write a wheel anew, with the engine compiled for all processors of a system.

    Args:
        wheel: Of this version, for every system, as ``pip wheel --no-deps`` makes it of a checkout.
        system: A key of `SYSTEMS`.
        folder: Where the new wheel goes.

    Returns:
        The new wheel, named after the system.

    Raises:
        InputError: The file is no such wheel.
        CompileError: Zig is not installed, or fails.
    """
    path = folder / wheel.name.replace("-any.whl", f"-{system}.whl")
    if path.name == wheel.name:
        raise InputError(
            f"{wheel} is not for every system: give the wheel of `pip wheel --no-deps`"
        )
    with _open(wheel) as archive:
        about = _description(archive, wheel)
        _require_these_sources(archive, wheel)
        # Opened before anything is compiled, which takes minutes.
        with PendingFile(path) as part, zipfile.ZipFile(part, "w") as made:
            _write(archive, made, about, _compile(SYSTEMS[system]), system)
    return path


def _open(wheel: Path) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(wheel)
        damaged = archive.testzip()
    except OSError as error:
        raise InputError(f"{wheel} cannot be read ({error.strerror})") from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{wheel} is no wheel, or damaged ({error})") from error
    if damaged:
        archive.close()
        raise InputError(f"{wheel} is damaged at {damaged}: make it anew")
    return archive


def _description(archive: zipfile.ZipFile, wheel: Path) -> str:
    """Name the file in a wheel that describes it; its list of files lies beside it."""
    names = archive.namelist()
    found = [name for name in names if name.endswith(".dist-info/WHEEL")]
    if len(found) != 1 or _list_beside(found[0]) not in names:
        raise InputError(f"{wheel} is no wheel: its .dist-info with WHEEL and RECORD is not there")
    return found[0]


def _list_beside(about: str) -> str:
    return about.removesuffix("WHEEL") + "RECORD"


def _require_these_sources(archive: zipfile.ZipFile, wheel: Path) -> None:
    """See that the wheel will look for the engine that is compiled here, named after its sources.

    Raises:
        InputError: It will not.
    """
    root, inside = ENGINE.parents[2], set(archive.namelist())
    for path in (*sorted(ENGINE.glob("*.?pp")), Path(library_file)):
        name = path.relative_to(root).as_posix()
        if name not in inside or archive.read(name) != path.read_bytes():
            raise InputError(
                f"{wheel} is of another version, its {name} differs: make the wheel anew "
                f"(pip wheel --no-deps) of {root}"
            )


def _compile(system: System) -> dict[str, bytes]:
    """Compile the engine for all instruction sets; names in the wheel → contents."""
    engines, folder = {}, _built()
    with tempfile.TemporaryDirectory() as inside:
        for target in targets(system.machine):
            path = library_path(target, Path(inside))
            cross_compile(target, system.triple, path)
            for each in (path, checksum_path(path)):
                engines[folder + each.name] = each.read_bytes()
            print(f"compiled for {target}", file=sys.stderr)
    return engines


def _built() -> str:
    """The folder of compiled engines in a wheel."""
    return BUILT.relative_to(ENGINE.parents[2]).as_posix() + "/"


def _write(
    archive: zipfile.ZipFile,
    made: zipfile.ZipFile,
    about: str,
    engines: Mapping[str, bytes],
    system: str,
) -> None:
    """Copy a wheel, with engines, its tag and its list of files brought up to date.

    Engines that it had go: they are of the system on which it was made. The format is that of
    https://packaging.python.org/specifications/binary-distribution-format.
    """
    listed = _list_beside(about)

    def stays(name: str) -> bool:
        return name not in (about, listed) and not name.startswith(_built())

    changed = {about: _retagged(archive.read(about).decode(), system).encode(), **engines}
    rows = csv.reader(io.StringIO(archive.read(listed).decode()))
    record = io.StringIO(newline="")
    writer = csv.writer(record, lineterminator="\n")
    writer.writerows(row for row in rows if row and stays(row[0]))
    for name, content in changed.items():
        checksum = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        writer.writerow([name, f"sha256={checksum}", len(content)])
    writer.writerow([listed, "", ""])
    for info in archive.infolist():
        if stays(info.filename):
            made.writestr(info, archive.read(info))
    for name, content in {**changed, listed: record.getvalue().encode()}.items():
        info = zipfile.ZipInfo(name, archive.getinfo(about).date_time)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = (0o100755 if name.endswith(".so") else 0o100644) << 16
        made.writestr(info, content)


def _retagged(text: str, system: str) -> str:
    """Say in a wheel's description which system it is for."""
    kept = (line for line in text.splitlines() if not line.startswith(("Root-Is-Purelib:", "Tag:")))
    own = ("Root-Is-Purelib: false", f"Tag: py3-none-{system}")
    return "\n".join([*(line for line in kept if line), *own]) + "\n"


def _here() -> str | None:
    """The system of this machine, if wheels can be made for it."""
    machine = platform.machine().lower()
    fits = (
        tag for tag, each in SYSTEMS.items() if (each.here, each.machine) == (sys.platform, machine)
    )
    return next(fits, None)


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments; None for those of the process.

    Returns:
        Exit code: 0, 1 where the engine could not be compiled, 2 where a file cannot be used.
    """
    here = _here()
    parser = argparse.ArgumentParser(
        prog="python -m runtime.native.wheel",
        description="Put the native engine, compiled for all processors of a system, into a wheel "
        "(from pip wheel --no-deps). Needs Zig: pip install ziglang.",
    )
    parser.add_argument("wheel", type=Path, help="wheel of this version, for every system")
    parser.add_argument(
        "--system", choices=SYSTEMS, default=here, required=here is None,
        help="what the new wheel is for" + (" (default: %(default)s)" if here else ""),
    )  # fmt: skip
    parser.add_argument(
        "-o", "--out", type=Path, default=Path(), metavar="DIR",
        help="folder for the new wheel (default: %(default)s)",
    )  # fmt: skip
    args = parser.parse_args(argv)
    try:
        path = add_engines(args.wheel, args.system, args.out)
    except (CompileError, InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, CompileError) else 2
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
