"""``--aus`` on every command line: ``AU12,AU06``, ``12 6``, or a mixture of the two."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from runtime.action_units import au_number
from runtime.errors import InputError

OPTION = "--aus"
_WRITTEN = (OPTION, "--au", "--a")  # which argparse takes for it
METAVAR = "AU12,AU06"

_WORDS = re.compile(r"(AU)?\d+([, ]+(AU)?\d+)*[, ]*", re.IGNORECASE | re.ASCII)


def read_aus(text: str) -> tuple[int, ...]:
    """Read AUs as people write them: AU12, au6 or 6, with commas or spaces between.

    Args:
        text: As typed.

    Returns:
        FACS numbers, ascending, each once.

    Raises:
        argparse.ArgumentTypeError: A word is no action unit, or there is none.
    """
    numbers = set()
    for word in text.replace(",", " ").split():
        try:
            numbers.add(au_number(word))
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
    if not numbers:
        raise argparse.ArgumentTypeError(
            "names no action unit: write AU12, or leave it out for all"
        )
    return tuple(sorted(numbers))


def join_aus(argv: Sequence[str] | None) -> list[str]:
    """Make one argument of the AUs that follow ``--aus``, so that ``--aus 1 2 4`` is read.

    An option of many arguments would also take what comes after them, such as ``clip.mp4`` in
    ``--aus AU12 clip.mp4``. What is there as a file or folder is no AU, as a folder ``25``.

    Args:
        argv: A command's arguments; None for those of the process.

    Returns:
        The arguments, as an `argparse.ArgumentParser` takes them.
    """
    joined: list[str] = []
    for word in sys.argv[1:] if argv is None else argv:
        follows = len(joined) > 1 and joined[-2] in _WRITTEN and _WORDS.fullmatch(joined[-1])
        if follows and _WORDS.fullmatch(word) and not Path(word).exists():
            joined[-1] += f" {word}"
        else:
            joined.append(word)
    return joined
