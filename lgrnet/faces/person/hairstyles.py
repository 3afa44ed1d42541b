"""Cuts of hair, and how often people wear them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    """A cut; pairs are the range that people are drawn from, lengths in cm.

    Attributes:
        comb: Where the hair is combed to: "part", "forward", "back", "up" or "tie".
        top: Length on top of the head.
        side: Length at sides and back.
        height: How far the outer hair stands off the scalp.
        held: Whether it lies along the skull and falls freely only below the ears.
        gravity: Pull downwards over the combing.
        clump: How far a lock draws together at its tip, in [0, 1].
        locks: Locks on a full sphere; the scalp is about 0.4 of it.
        strands: Strands of a lock.
        wave: Amplitude of waves.
        turn: Length of a wave.
        coil: Whether waves are curls.
        fringe: Share of people whose front is cut to a fringe.
        points: Points of a strand.
        frizz: How far single strands stray, cm.
    """

    comb: str
    top: tuple[float, float]
    side: tuple[float, float]
    height: tuple[float, float]
    held: bool = True
    gravity: float = 0.5
    clump: float = 0.45
    locks: int = 620
    strands: int = 7
    wave: tuple[float, float] = (0.0, 0.1)
    turn: tuple[float, float] = (4.0, 7.0)
    coil: bool = False
    fringe: float = 0.0
    points: int = 12
    frizz: float = 0.12


STYLES = {
    "side part": Style("part", (5, 9), (1.5, 3.5), (0.5, 1.4), fringe=0.3),
    "crop": Style("forward", (4, 7), (1, 2.5), (0.4, 1.2), fringe=0.8),
    "textured": Style("up", (1.8, 4), (0.6, 1.6), (0.1, 0.4), False, 0.2, 0.6, 900, 6, (0, 0.25)),
    "slick": Style("back", (7, 11), (2, 5), (0.3, 1.3), gravity=0.1, clump=0.4),
    "buzz": Style("up", (0.2, 0.5), (0.15, 0.4), (0, 0.1), False, 0.3, 0, 2600, 2, points=3),
    "afro": Style(
        *("up", (1.5, 5), (1.2, 4), (0, 0.1), False, 0.0, -0.3, 1300, 4),
        *((0.2, 0.45), (1.0, 1.8), True, 0.0, 20),
    ),
    "curly": Style(
        *("part", (7, 13), (5, 12), (0.8, 2.2), True, 0.6, 0.75, 500, 5),
        *((0.3, 0.55), (1.8, 3.2), True, 0.3, 28),
    ),
    "bob": Style("part", (15, 20), (13, 18), (0.5, 1.3), fringe=0.4, locks=480, strands=6),
    "long straight": Style(
        "part", (26, 42), (26, 42), (0.4, 1.2), fringe=0.25, locks=480, strands=6
    ),
    "long wavy": Style(
        *("part", (24, 38), (24, 38), (0.6, 1.6), True, 0.5, 0.75, 480, 6),
        *((0.25, 0.7), (4, 8), False, 0.2, 28),
    ),
    "tied": Style("tie", (30, 40), (26, 36), (0.1, 0.4), clump=0.2, fringe=0.25, frizz=0.05),
    "bun": Style("tie", (18, 20), (14, 18), (0.1, 0.4), clump=0.2, fringe=0.2, frizz=0.05),
}
"""Every cut by name."""

MASCULINE = {
    **{"side part": 0.27, "crop": 0.2, "textured": 0.2, "slick": 0.1, "buzz": 0.14},
    **{"afro": 0.03, "curly": 0.03, "long straight": 0.02, "tied": 0.01},
}
"""Cut → share of masculine people who wear it."""

OTHERS = {
    **{"long straight": 0.27, "long wavy": 0.22, "bob": 0.13, "tied": 0.14, "bun": 0.08},
    **{"curly": 0.06, "side part": 0.04, "crop": 0.03, "textured": 0.03},
}
"""Cut → share of the others."""
