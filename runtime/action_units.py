"""The action units (AUs) of FACS: their names, and the subsets that the corpora annotate.

Names are those of the FACS manual (Ekman & Friesen 1978; Ekman, Friesen & Hager 2002).
"""

import operator
import re
from collections.abc import Iterable

from runtime.errors import InputError

AU_NAMES: dict[int, str] = {
    1: "Inner Brow Raiser",
    2: "Outer Brow Raiser",
    4: "Brow Lowerer",
    5: "Upper Lid Raiser",
    6: "Cheek Raiser",
    7: "Lid Tightener",
    9: "Nose Wrinkler",
    10: "Upper Lip Raiser",
    12: "Lip Corner Puller",
    14: "Dimpler",
    15: "Lip Corner Depressor",
    17: "Chin Raiser",
    20: "Lip Stretcher",
    23: "Lip Tightener",
    24: "Lip Pressor",
    25: "Lips Part",
    26: "Jaw Drop",
    28: "Lip Suck",
    43: "Eyes Closed",
}
"""FACS number → name, for every AU that this project knows."""

BP4D_AUS: tuple[int, ...] = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
"""The 12 AUs of BP4D that the paper evaluates (Table II)."""

DISFA_AUS: tuple[int, ...] = (1, 2, 4, 6, 9, 12, 25, 26)
"""The 8 AUs of DISFA that the paper evaluates (Table I)."""

MAX_INTENSITY = 5
"""FACS scores intensities from A to E; here they are 1 to 5, and 0 is an absent AU."""


def au_key(number: int) -> str:
    """Write an AU as users of this field do: ``au_key(6) == "AU06"``."""
    return f"AU{number:02d}"


_KEYS = frozenset(map(au_key, AU_NAMES))


def au_number(name: str | int) -> int:
    """Read an AU as people write it: ``12``, ``"12"``, ``"AU12"``, ``"au6"``.

    Args:
        name: As written.

    Returns:
        Its FACS number.

    Raises:
        InputError: It is no action unit.
    """
    if isinstance(name, str):
        if found := re.fullmatch(r"(?:AU)?(\d{1,3})", name, re.IGNORECASE | re.ASCII):
            return int(found[1])
    elif not isinstance(name, bool):
        try:
            if (number := operator.index(name)) >= 0:
                return number
        except TypeError:
            pass
    raise InputError(f"{name!r} is no action unit: write AU12 or 12")


def au_keys(aus: Iterable[str | int]) -> tuple[str, ...]:
    """Make the keys of AUs that are named one way or another, see `au_number`.

    Args:
        aus: The AUs.

    Returns:
        Keys in the order given, each once: ``("AU06", "AU12")`` of ``[6, "au12", "AU06"]``.

    Raises:
        InputError: One is no action unit, or they are no list.
    """
    if isinstance(aus, str) or not isinstance(aus, Iterable):
        raise InputError(f"action units are given as a list, [{aus!r}] and not {aus!r}")
    # Runs with ``--aus`` ask this of every face, by keys.
    keys = (au if isinstance(au, str) and au in _KEYS else au_key(au_number(au)) for au in aus)
    return tuple(dict.fromkeys(keys))


def choose_aus(aus: Iterable[str | int], known: Iterable[str] | None, who: str) -> tuple[str, ...]:
    """Make keys as `au_keys`, of AUs that are known.

    Args:
        aus: The AUs.
        known: Keys of those that there are; None where nobody knows.
        who: Who knows them, for the message: ``"this model knows"``.

    Returns:
        Keys in the order given, each once.

    Raises:
        InputError: One is not known, or is no action unit.
    """
    keys = au_keys(aus)
    unknown = [] if known is None else [key for key in keys if key not in known]
    if unknown:
        raise InputError(f"{who} no {', '.join(unknown)}: choose from {', '.join(known or ())}")
    return keys


def au_name(key: str) -> str:
    """Name the AU of a key, ``au_name("AU06") == "Cheek Raiser"``; nothing for one not known."""
    return AU_NAMES.get(int(key.removeprefix("AU")), "")
