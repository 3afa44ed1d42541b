"""The action units (AUs) of FACS: their names, and the subsets that the corpora annotate.

Names are those of the FACS manual (Ekman & Friesen 1978; Ekman, Friesen & Hager 2002).
"""

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


def au_name(key: str) -> str:
    """Name the AU of a key, ``au_name("AU06") == "Cheek Raiser"``; nothing for one not known."""
    return AU_NAMES.get(int(key.removeprefix("AU")), "")
