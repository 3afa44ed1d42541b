"""What identifies a run, written when it begins, so that only the same run is resumed."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runtime.errors import InputError
from runtime.files.atomic import drop
from runtime.formats.growing import partial_path
from runtime.outputs.pictures import write_whole
from runtime.sources import Source

_FREE = frozenset({"device", "threads", "backend", "model"})
"""Options that may change on the way: where and how fast the same is computed."""

_LONGEST = 60  # letters of a value in a message

_SOURCE = ("file", "bytes", "files")

_DIGITS = 16  # of a digest

_LATER = ("files", "finder_file")
"""What older versions did not note."""

_LATER_OPTIONS = {"flip_test": False}
"""Options that older versions did not have, and what they did."""

_SAMPLE = 4096  # bytes of a file that are looked at, in three places


def record_path(base: Path) -> Path:
    """Name the file that says what a run was and how fast."""
    return Path(f"{base}.latency.json")


def identity(
    source: Source,
    model: Mapping[str, object],
    precision: str,
    options: Mapping[str, object],
    finder_sha256: str | None = None,
) -> dict[str, object]:
    """Say what decides over the results of a run.

    Args:
        source: What is run.
        model: What the model says of itself.
        precision: What it computes in.
        options: What was chosen.
        finder_sha256: Digest of the face finder's file, None where it is of none.

    Returns:
        ``file`` and, of a source that is one file, its ``bytes``; ``files``, how many and a digest
        of their names, sizes and samples of them; ``model``, ``precision``, ``options`` and
        ``finder_file``, its digest; plain values, as JSON gives them back.
    """
    path = Path(source.name)
    said = {
        "file": path.resolve().name if path.exists() else path.name,
        "bytes": path.stat().st_size if path.is_file() else None,
        "files": _digest(source.files or ([("", path)] if path.is_file() else [])),
        "model": dict(model),
        "precision": precision,
        "options": {name: value for name, value in options.items() if name not in _FREE},
        "finder_file": finder_sha256 and f"sha256 {finder_sha256[:_DIGITS]}",
    }
    return json.loads(json.dumps(said))


def _digest(files: Sequence[tuple[str, Path]]) -> str | None:
    """Tell files from others of the same names, without reading the whole of them."""
    if not files:
        return None
    digest = hashlib.sha256()
    for name, path in files:
        digest.update(f"{name}\0".encode(errors="backslashreplace"))
        try:
            size = path.stat().st_size
            digest.update(f"{size}\0".encode())
            with path.open("rb") as file:
                # Files of one kind differ in the middle, repaired ones at an end.
                for place in (0, size // 2, max(0, size - _SAMPLE)):
                    file.seek(place)
                    digest.update(file.read(_SAMPLE))
        except OSError:  # it is told when its turn comes
            digest.update(b"unreadable\0")
    return f"{len(files)}, sha256 {digest.hexdigest()[:_DIGITS]}"


def read_record(path: Path) -> dict[str, Any]:
    """Read what a run has said of itself.

    Args:
        path: Its record, or its note.

    Returns:
        What it said; nothing if there is no such file.

    Raises:
        InputError: The file is damaged.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(said, dict) or not isinstance(said.get("run", {}), dict):
            raise ValueError("it is another kind of JSON")
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path} is damaged ({error}), so that nobody knows what run it is of: give "
            "--overwrite to begin anew, or write to another place (--out)"
        ) from error
    return said


def left_beside(base: Path, files: Sequence[str]) -> list[str]:
    """Name the files of earlier runs that a new run has not replaced.

    Args:
        base: Path of the new run's files without their suffixes, whose record is not written yet.
        files: Names of those files, as of `runtime.outputs.Wanted.names`.

    Returns:
        Names of what earlier records tell of and is still there; nothing where they are damaged.
    """
    try:
        before = read_record(record_path(base))
    except InputError:  # of what a run overwrites, nobody has to know more
        return []
    lists = (before.get(key) for key in ("files", "files_of_earlier_runs"))
    told = [name for names in lists if isinstance(names, list) for name in names]
    old = dict.fromkeys(name for name in told if isinstance(name, str) and name not in files)
    return [name for name in old if (base.parent / name).exists()]


def note(base: Path, run: Mapping[str, object]) -> None:
    """Note what the run is of whose table grows beside it."""
    write_whole(_noted(base), (json.dumps({"run": run}, indent=2) + "\n").encode())


def forget(base: Path) -> None:
    """Remove the note, of a run that ended."""
    drop(_noted(base))


def of_source(record: Mapping[str, Any], source: Source, run: Mapping[str, object]) -> bool:
    """Tell whether a record is of this source, whatever the model and options were.

    Args:
        record: What `record_path` holds.
        source: What is to be run.
        run: From `identity`.
    """
    before = record.get("run")
    if before is None:  # of an older version
        return record.get("source") == source.name
    return all(before.get(key, run.get(key)) == run.get(key) for key in _SOURCE)


def check_same(base: Path, run: Mapping[str, object]) -> None:
    """Check that a run is the one that was begun.

    Args:
        base: Path of its files without their suffixes.
        run: From `identity`.

    Raises:
        InputError: It is another; the message says in what.
    """
    for path in (_noted(base), record_path(base)):
        before = read_record(path).get("run")
        if before is not None:
            break
    else:
        return  # of an older version, which noted nothing
    run = {name: value for name, value in run.items() if name in before or name not in _LATER}
    options = run.get("options")
    if isinstance(before.get("options"), Mapping) and isinstance(options, Mapping):
        later = {name: value for name, value in _LATER_OPTIONS.items() if name in options}
        before = {**before, "options": {**later, **before["options"]}}
    other = _difference(before, run)
    if other:
        raise InputError(
            f"{base}.*: the run that was begun had {other}: give the same to go on, or begin anew "
            "with --overwrite"
        )


def _difference(before: Mapping[str, Any], now: Mapping[str, Any], where: str = "") -> str:
    """Tell the first thing that differs, as words; empty where nothing does."""
    for name in (*before, *(name for name in now if name not in before)):
        then, here = before.get(name), now.get(name)
        if then == here:
            continue
        if isinstance(then, Mapping) and isinstance(here, Mapping):
            return _difference(then, here, f"{name} ")
        return f"{where}{name} {_short(then)}, this one has {_short(here)}"
    return ""


def _short(value: object) -> str:
    if isinstance(value, Mapping):  # what is empty or 0 was not asked for
        value = {key: each for key, each in value.items() if each}
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def _noted(base: Path) -> Path:
    return partial_path(record_path(base))
