"""What comes between a camera and a face: mostly hands, at times a thing, cloth or hair.

A network that has only seen bare faces reads a hand over the mouth as an expression. The labels and
landmarks of an occluded face stay what they are.
"""

from collections.abc import Callable

import numpy as np

from lgrnet.faces.drawing.canvas import Overlay
from lgrnet.faces.scene.coverings import sample_mask, sample_scarf, sample_strand
from lgrnet.faces.scene.hand import sample_hand
from lgrnet.faces.scene.objects import (
    sample_cup,
    sample_microphone,
    sample_patch,
    sample_pen,
    sample_phone,
)

_THINGS: dict[str, tuple[float, Callable[[np.random.Generator], Overlay]]] = {
    "cup": (0.08, sample_cup),
    "microphone": (0.07, sample_microphone),
    "phone": (0.05, sample_phone),
    "pen": (0.03, sample_pen),
    "mask": (0.06, sample_mask),
    "scarf": (0.05, sample_scarf),
    "patch": (0.04, sample_patch),
}
_STRAND = 0.05

KINDS = ("hand", "strand", *_THINGS)
"""What may come before a face."""

_CHANCES = np.array([_STRAND, *(chance for chance, _ in _THINGS.values())])
_CHANCES = np.array([1 - _CHANCES.sum(), *_CHANCES])


def sample_occluder(
    rng: np.random.Generator,
    skin_colour: np.ndarray,
    hair_colour: np.ndarray | None = None,
    kind: str | None = None,
) -> Overlay:
    """Draw one thing that hides a part of the face.

    Args:
        rng: Source of randomness.
        skin_colour: (3,) linear reflectance of the person's face, RGB: the hand's colour.
        hair_colour: (3,) linear reflectance of the hair; None for dark brown.
        kind: One of :data:`KINDS`; None for a random one, a hand in 57 of 100.

    Returns:
        The overlay, to be drawn after all that the person wears.
    """
    kind = kind or str(rng.choice(KINDS, p=_CHANCES))
    if kind == "hand":
        return sample_hand(rng, skin_colour)
    if kind == "strand":
        brown = np.array([0.03, 0.02, 0.013])
        return sample_strand(rng, brown if hair_colour is None else hair_colour)
    return _THINGS[kind][1](rng)


def sample_occluders(
    rng: np.random.Generator,
    probability: float,
    skin_colour: np.ndarray,
    hair_colour: np.ndarray | None = None,
) -> tuple[Overlay, ...]:
    """Draw nothing, or with a probability one occluder.

    Args:
        rng: Source of randomness.
        probability: Of an occluder, in [0, 1].
        skin_colour: (3,) linear reflectance of the person's face, RGB.
        hair_colour: (3,) linear reflectance of the hair; None for dark brown.

    Returns:
        No or one overlay, for ``render``'s ``overlays``.
    """
    if rng.random() >= probability:
        return ()
    return (sample_occluder(rng, skin_colour, hair_colour),)
