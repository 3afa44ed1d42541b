"""Records of measurements: JSON files that tables and charts are made from."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lgrnet.evaluation.defined import defined
from runtime.files.atomic import write_json

FORMAT = "lgrnet-fps-2"
"""Changes whenever tables and charts can no longer be made of older files."""


class RecordError(ValueError):
    """A file is no record of a measurement; the message says which and what to do."""


def write_record(record: dict, path: Path) -> None:
    """Write a record; an older file of that name stays until the new one is complete.

    Args:
        record: Plain values; what is undefined, NaN here, is null there.
        path: Where to; its folder is made if need be.
    """
    write_json(path, defined(record))


def read_record(path: Path, form: str | None = FORMAT) -> dict:
    """Read a record.

    Args:
        path: Written by :func:`write_record`.
        form: The ``format`` that it must have; None for any, or none.

    Returns:
        The record. What is in it is not looked at: see :func:`complete`.

    Raises:
        RecordError: There is no such file, or it is no such record.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordError(f"record {path} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise RecordError(f"record {path} is not JSON ({error}): measure again") from error
    if not isinstance(record, dict):
        raise RecordError(f"record {path} is no JSON object: measure again")
    found = record.get("format")
    if form is not None and found != form:
        raise RecordError(
            f"record {path} has format {found!r}, not {form!r}: measure again with the benchmark "
            "that writes such records"
        )
    return record


@contextmanager
def complete(what: str) -> Iterator[None]:
    """Name what the block makes something of, where that lacks a key.

    Args:
        what: A record or records, with their names.

    Raises:
        RecordError: It does.
    """
    try:
        yield
    except KeyError as error:
        raise RecordError(f"{what} has no {error}: measure again") from error


def read_scores(root: Path, name: str, form: str | None = None) -> dict:
    """Read a record that the documents show.

    Args:
        root: The project's.
        name: Of a file in its ``docs``, without suffix.
        form: As of :func:`read_record`; files of `lgrnet.evaluate` have none.

    Returns:
        The record.

    Raises:
        RecordError: As of :func:`read_record`.
    """
    return read_record(root / "docs" / f"{name}.json", form)
