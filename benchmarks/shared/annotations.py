"""What is to be seen in material of others that is not here, written down in TOML files."""

import tomllib
from collections.abc import Callable
from pathlib import Path

from runtime.errors import InputError


def read_annotations(path: Path, entry: str, check: Callable[[dict], None]) -> list[dict]:
    """Read a file of annotations.

    Args:
        path: A TOML file.
        entry: How its tables are called.
        check: Looks at one of them, and raises KeyError for what it lacks, ValueError or TypeError
            for what is wrong.

    Returns:
        The entries, as plain values.

    Raises:
        InputError: The file is missing, is no TOML, or `check` refuses an entry; the message says
            why.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))[entry]
        for each in entries:
            check(each)
    except OSError as error:
        raise InputError(f"annotations {path} cannot be read ({error.strerror})") from error
    except KeyError as error:
        raise InputError(f"annotations {path}: an entry lacks {error}") from error
    except (ValueError, TypeError) as error:
        raise InputError(f"annotations {path}: {error}") from error
    return entries
