"""One person's hair: its cut and colour, and how it is drawn over the head.

Strands are shaded after Kajiya and Kay (SIGGRAPH 1989) and laid near to far, against the depth of
the head.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lgrnet.faces.drawing.canvas import Canvas
from lgrnet.faces.drawing.raster import FAR
from lgrnet.faces.noise import smoothstep
from lgrnet.faces.person.hairstyles import MASCULINE, OTHERS, STYLES
from lgrnet.faces.person.locks import grow_guides, split_locks, strand_body
from lgrnet.faces.person.skull import Skull
from lgrnet.faces.person.strands import compose, in_sight, lay_strands, shade_strands

if TYPE_CHECKING:
    from lgrnet.faces.person.skin import Complexion

_DYES = ((0.55, 0.10, 0.12), (0.16, 0.22, 0.50), (0.72, 0.36, 0.52), (0.20, 0.42, 0.36))  # sRGB


@dataclass(frozen=True, eq=False)
class Hair:
    """One person's hair; an overlay that comes first, so that what follows lies over it.

    Attributes:
        style: Name in :data:`STYLES`.
        colour: (3,) linear reflectance.
        streaks: (3,) linear reflectance of the lightest locks.
        hairline: Height of the hairline at the middle, cm.
        recession: How much higher it is at the temples, cm; from 6 only a rim of hair is left.
        sideburn: How far the hair comes down beside the ears, cm, around 0.
        density: Share of locks that are there, above 0.
        top: Length on top, cm.
        side: Length at sides and back, cm.
        height: How far the outer hair stands off the scalp, cm.
        fringe: Height at which the front is cut, cm; NaN where it is combed with the rest.
        sweep: How far the fringe is combed sideways, in [-1, 1].
        part: Where the hair parts, x in cm.
        frame: How far forward long hair hangs beside the face, z in cm; negative behind the ears.
        wave: Amplitude of waves, cm.
        turn: Length of a wave, cm.
        gloss: Strength of the highlight.
        seed: Of the strands.
    """

    style: str
    colour: np.ndarray
    streaks: np.ndarray
    hairline: float
    recession: float
    sideburn: float
    density: float
    top: float
    side: float
    height: float
    fringe: float
    sweep: float
    part: float
    frame: float
    wave: float
    turn: float
    gloss: float
    seed: int

    @property
    def ground(self) -> float:
        """How strongly the scalp under the hair is painted in its colour, in [0, 1]."""
        full = 0.6 if self.style == "buzz" else 0.95
        return full * min(self.density, 1.0)

    def cover(
        self, x: np.ndarray, y: np.ndarray, z: np.ndarray, ragged: float | np.ndarray = 0.0
    ) -> np.ndarray:
        """Return how much hair grows at places of the head.

        The hairline lies 5 to 6 cm above the glabella and turns down at the temples to the
        sideburns.

        Args:
            x: Any shape, cm, head axes; so are ``y`` and ``z``.
            y: See ``x``.
            z: See ``x``.
            ragged: Noise of unit spread that makes the edge irregular.

        Returns:
            The cover in [0, 1].
        """
        across = np.abs(x)
        corner = np.exp(-(((across - 4.6) / 2.2) ** 2))
        middle = self.recession * max(0.3, min(1.0, self.recession / 6))
        line = self.hairline - 0.012 * across**2 + np.maximum(self.recession * corner, middle)
        line = line + 0.25 * ragged
        above = smoothstep(y, line, line + 0.9)
        # Beside the face, hair grows behind a line from the temple to the front of the ear.
        temple = np.interp(y, [-1, 3, 5, 7.5, 9.5, 12], [3.2, 3.9, 4.3, 5.3, 4.6, 3.0])
        front = smoothstep(temple + 0.2 * ragged - z, 0, 0.8)
        burn = 2.6 - self.sideburn
        low = np.interp(z, [-6, -3, -2, 2.2, 2.7], [-3.5, -0.5, 4.3, 4.8, burn])  # round the ear
        rim = np.maximum(smoothstep(across, 4.5, 6.2), smoothstep(-z, 3, 5))
        beside = front * smoothstep(y, low, low + 1.2) * rim * smoothstep(-y, -11.5, -9.5)
        return np.maximum(above, beside)

    def draw(self, canvas: Canvas) -> None:
        """Draw it."""
        rng = np.random.default_rng(self.seed)
        guides = grow_guides(self, rng, Skull(canvas))
        seen = canvas.see(guides.reshape(-1, 3)).reshape(guides.shape)
        kept = in_sight(canvas, seen)
        guides = guides[kept]
        if not len(guides):
            return
        strands, tone, tint = split_locks(self, rng, guides)
        strands = strands.astype(np.float32)
        tilts = rng.normal(0, 0.1, len(strands))
        colour = shade_strands(
            *(strands, tone, tint, tilts, canvas.pose.rotation(), canvas.light),
            *(self.colour, self.streaks, self.gloss),
        )
        seen = canvas.see(strands.reshape(-1, 3)).reshape(strands.shape).astype(np.float32)
        underlay = int((tone < 0).sum())
        opacity, width = strand_body(self, rng, canvas, strands, underlay)
        paint = np.zeros_like(canvas.image)
        cover = np.zeros_like(canvas.depth)
        head = canvas.depth.copy()
        near = seen[:, :, 2].mean(1)
        near[:underlay] += 1.0  # the underlay comes behind the strands
        lay_strands(
            np.argsort(near), seen, colour, opacity, width, head, canvas.depth, paint, cover
        )
        compose(canvas, paint, cover, head < FAR)


def sample_hair(rng: np.random.Generator, complexion: "Complexion") -> Hair:
    """Draw a hairstyle.

    Args:
        rng: Source of randomness.
        complexion: Gives the colour, the sex and the hairline.

    Returns:
        The hair.
    """
    chances = MASCULINE if complexion.masculine else OTHERS
    names = list(chances)
    name = names[rng.choice(len(names), p=np.array(list(chances.values())))]
    recession = 0.0
    if complexion.masculine:
        recession = max(0.0, rng.normal(0.6, 1.2))
    if complexion.bald:
        name, recession = "buzz", rng.uniform(6, 8)
    shaven = complexion.bald and rng.random() < 0.4
    style = STYLES[name]
    colour = np.clip(complexion.hair, 0.01, 1)
    if rng.random() < 0.04:
        colour = np.array(_DYES[rng.integers(len(_DYES))]) * rng.uniform(0.5, 1.2)
    linear = colour**2.2
    light = np.clip(colour * rng.uniform(1.0, 1.6) + rng.uniform(0, 0.04), 0, 0.85)
    fringe = np.nan
    if recession < 1.5 and rng.random() < style.fringe:
        fringe = rng.choice([rng.uniform(7, 9), rng.uniform(5.6, 7), rng.uniform(4.6, 5.6)],
            p=[0.45, 0.4, 0.15])  # fmt: skip
    return Hair(
        style=name,
        colour=linear,
        streaks=light**2.2,
        hairline=complexion.hairline,
        recession=recession,
        sideburn=complexion.sideburn,
        density=1e-6 if shaven else rng.uniform(0.8, 1.2),
        top=rng.uniform(*style.top),
        side=rng.uniform(*style.side),
        height=rng.uniform(*style.height) + 0.8 * complexion.hair_depth,
        fringe=float(fringe),
        sweep=float(rng.choice([-1, 1]) * rng.uniform(0, 0.9)),
        part=float(rng.choice([0, -1, 1], p=[0.3, 0.35, 0.35]) * rng.uniform(1.5, 4)),
        frame=-1.0 if rng.random() < 0.2 else rng.uniform(3.8, 6.8),
        wave=rng.uniform(*style.wave),
        turn=rng.uniform(*style.turn),
        gloss=rng.uniform(0.3, 1.3),
        seed=int(rng.integers(1 << 32)),
    )
