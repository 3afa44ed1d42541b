"""Records of measurements: JSON files that tables and charts are made from."""

import json
from pathlib import Path

from lgrnet.evaluation.defined import defined
from runtime.atomic import write_json

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


def read_record(path: Path, form: str = FORMAT) -> dict:
    """Read a record.

    Args:
        path: Written by :func:`write_record`.
        form: The ``format`` that it must have.

    Returns:
        The record.

    Raises:
        RecordError: There is no such file, or it is no such record.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordError(f"record {path} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise RecordError(f"record {path} is not JSON ({error}): measure again") from error
    found = record.get("format") if isinstance(record, dict) else None
    if found != form:
        raise RecordError(
            f"record {path} has format {found!r}, not {form!r}: measure again with the benchmark "
            "that writes such records"
        )
    return record


def read_scores(root: Path, name: str, form: str | None = None) -> dict:
    """Read a record that the documents show.

    Args:
        root: The project's.
        name: Of a file in its ``docs``, without suffix.
        form: The ``format`` that it must have; None for a file without one, as of
            `lgrnet.evaluate`.

    Returns:
        The record.

    Raises:
        RecordError: It has another ``format``, or one that it should have cannot be read.
    """
    path = root / "docs" / f"{name}.json"
    return json.loads(path.read_text("utf-8")) if form is None else read_record(path, form)
