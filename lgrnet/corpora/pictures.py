"""Folders of numbered pictures: BP4D as distributed, DISFA where its videos were taken apart."""

import re
from collections.abc import Sequence
from pathlib import Path

from lgrnet.corpora.problems import Problems

_SUFFIX = r"\.(?:jpe?g|png|bmp)"
_BARE = re.compile(rf"(\d+){_SUFFIX}", re.IGNORECASE)
_PREFIXED = re.compile(rf"(?:.*\D)?(\d+){_SUFFIX}", re.IGNORECASE)


def list_pictures(folder: Path, problems: Problems, prefixed: bool = False) -> dict[int, Path]:
    """List the numbered pictures of a folder.

    Args:
        folder: The folder; an absent one has none.
        problems: Where to say that two have the same number.
        prefixed: Whether something may stand before the number: ``frame-12.jpg``.

    Returns:
        Number → file, in the order of the names; hidden files, as macOS writes ``._12.jpg`` beside
        each file on foreign discs, are none.
    """
    pattern = _PREFIXED if prefixed else _BARE
    pictures: dict[int, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not path.name.startswith(".") and (match := pattern.fullmatch(path.name)):
            number = int(match[1])
            if number in pictures:
                problems.add(path, f"has the number of {pictures[number].name} beside it")
            pictures[number] = path
    return pictures


def find_first(
    folder: Path, numbers: Sequence[int], count: int, first: int | None, problems: Problems
) -> int | None:
    """Tell the number of the picture of frame 1.

    Args:
        folder: Of the pictures.
        numbers: Theirs, some.
        count: How many frames are labelled.
        first: What the user says; None if nothing.
        problems: Where to say that the numbers do not tell.

    Returns:
        The number; None if it cannot be told. It can if no picture is missing.
    """
    if first is not None:
        return first
    lowest, highest = min(numbers), max(numbers)
    whole = len(set(numbers)) == highest - lowest + 1
    if whole and len(set(numbers)) == count and lowest in (0, 1):
        return lowest
    problems.add(
        folder,
        f"holds {len(numbers)} pictures numbered {lowest} to {highest} for {count} labelled "
        "frames, so that it is not plain which one frame 1 is: give its number with "
        "--first-picture 0 or 1",
    )
    return None
