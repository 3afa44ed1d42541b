"""How good a camera, its settings and its connection are, drawn at random."""

from dataclasses import dataclass

import cv2
import numpy as np

HARSH = 0.15
"""Share of the pictures in which something is clearly bad."""

_KINDS = (
    *("exposure", "colour", "defocus", "motion", "resolution", "noise", "smoothing"),
    *("sharpening", "compression"),
)


@dataclass(frozen=True)
class Compression:
    """One time that the picture is stored or sent.

    Attributes:
        jpeg: JPEG's quality, 1 to 100, or None for video.
        qp: Video's quantisation parameter, 0 to 51.
        offset: Rows and columns that the blocks begin before the picture does, 0 to 15.
        deblock: Whether the decoder smooths the blocks' edges.
    """

    jpeg: int | None
    qp: float
    offset: tuple[int, int]
    deblock: bool


@dataclass(frozen=True)
class Flaws:
    """What a camera does to a picture of 200 × 200; lengths are pixels of that.

    Attributes:
        stops: Exposure, powers of two.
        mired: White balance, 10⁶ / K off daylight; positive is warm.
        green: Tint, share of green light too many.
        defocus: Standard deviation of the blur.
        motion: Length of the path of a point while the shutter is open.
        heading: Its direction, rad.
        scale: Resolution of the sensor over the picture's, at most 1.
        early: Whether the picture is enlarged before it is last compressed and not after.
        enlargement: OpenCV's interpolation.
        vignette: How much darker the corners are, share of light.
        vignette_centre: Where it is brightest, (x, y), from −1 to 1.
        read: Sensor noise in the dark, standard deviation of linear light.
        shot: Sensor noise over the root of linear light.
        chroma: Noise of colour over that of brightness.
        grain: Radius over which noise is correlated.
        smoothing: How different neighbours may be to be averaged, share of the range; 0 for none.
        contrast: Bend of the S-shaped tone curve, −1 to 1.
        gamma: Exponent of the tone curve.
        black: Brightness of black, less than 0 to lose the shadows.
        white: Brightness of white, more than 1 to lose the lights.
        saturation: Factor on colour; 0 is black and white.
        sharpening: Strength of the unsharp mask.
        sharpening_radius: Its standard deviation.
        comb: By how much every other row is shifted, as in interlaced video of a moving head.
        stripes: Standard deviation of the brightness of rows.
        compressions: How the picture is compressed, in order.
    """

    stops: float
    mired: float
    green: float
    defocus: float
    motion: float
    heading: float
    scale: float
    early: bool
    enlargement: int
    vignette: float
    vignette_centre: tuple[float, float]
    read: float
    shot: float
    chroma: float
    grain: float
    smoothing: float
    contrast: float
    gamma: float
    black: float
    white: float
    saturation: float
    sharpening: float
    sharpening_radius: float
    comb: int
    stripes: float
    compressions: tuple[Compression, ...]


def sample_flaws(rng: np.random.Generator) -> Flaws:
    """Draw flaws: slight ones in most pictures, one or two harsh ones in few."""
    count = rng.integers(1, 3) if rng.random() < HARSH else 0
    harsh = set(rng.choice(_KINDS, count, replace=False).tolist())

    def some(
        kind: str, share: float, usual: tuple[float, float], bad: tuple[float, float]
    ) -> float:
        """Draw from ``bad`` where the kind is harsh, else from ``usual`` in a share, else 0."""
        if kind in harsh:
            return float(rng.uniform(*bad))
        return float(rng.uniform(*usual)) if rng.random() < share else 0.0

    under = rng.random() < 0.6
    light = rng.random() ** 2  # most scenes are bright enough for little noise
    small = "resolution" in harsh or rng.random() < 0.4
    return Flaws(
        stops=some("exposure", 1, (-0.45, 0.4), (-1.5, -0.8) if under else (0.7, 1.3)),
        mired=some("colour", 1, (-14, 18), (-60, -25) if rng.random() < 0.4 else (30, 80)),
        green=float(rng.normal(0, 0.05 if "colour" in harsh else 0.015)),
        defocus=some("defocus", 0.7, (0.2, 0.9), (1.2, 2.3)),
        motion=some("motion", 0.2, (0.8, 2.5), (3, 7)),
        heading=float(rng.uniform(0, np.pi)),
        scale=some("resolution", 1, (0.55, 1), (0.3, 0.5)) if small else 1.0,
        early=bool(rng.random() < 0.3),
        enlargement=int(
            rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4], p=[0.7, 0.2, 0.1])
        ),
        vignette=float(rng.uniform(0.05, 0.4)) if rng.random() < 0.35 else 0.0,
        vignette_centre=(float(rng.normal(0, 0.4)), float(rng.normal(0, 0.4))),
        read=some("noise", 1, (0.0002, 0.0002 + 0.003 * light), (0.003, 0.006)),
        shot=some("noise", 1, (0.002, 0.003 + 0.025 * light), (0.035, 0.065)),
        chroma=float(rng.uniform(0, 1.2)),
        grain=float(rng.uniform(0.4, 1.1)) if rng.random() < 0.5 else 0.0,
        smoothing=some("smoothing", 0.08, (0.02, 0.05), (0.06, 0.13)),
        contrast=float(np.clip(rng.normal(0.08, 0.25), -0.4, 0.75)),
        gamma=float(np.exp(rng.normal(0, 0.09))),
        black=float(rng.uniform(0.02, 0.1) if rng.random() < 0.2 else rng.normal(0, 0.012)),
        white=float(rng.uniform(0.82, 0.95) if rng.random() < 0.15 else rng.uniform(0.96, 1.04)),
        saturation=0.0 if rng.random() < 0.05 else float(np.clip(rng.normal(1, 0.18), 0.35, 1.5)),
        sharpening=some("sharpening", 0.4, (0.1, 0.6), (0.9, 1.8)),
        sharpening_radius=float(rng.uniform(0.7, 1.6)),
        comb=int(rng.integers(1, 4)) if rng.random() < 0.012 else 0,
        stripes=float(rng.uniform(0.004, 0.015)) if rng.random() < 0.015 else 0.0,
        compressions=_sample_compressions(rng, "compression" in harsh),
    )


def _sample_compressions(rng: np.random.Generator, harsh: bool) -> tuple[Compression, ...]:
    """Draw the generations of a picture, the first the coarsest if harsh."""
    chain = []
    for place in range(rng.choice([0, 1, 2, 3], p=[0.08, 0.62, 0.24, 0.06]) or int(harsh)):
        bad = harsh and place == 0
        jpeg = rng.uniform(14, 35) if bad else rng.uniform(60, 97)
        chain.append(
            Compression(
                jpeg=int(jpeg) if rng.random() < 0.4 else None,
                qp=float(rng.uniform(34, 40) if bad else rng.uniform(16, 32)),
                offset=(int(rng.integers(0, 16)), int(rng.integers(0, 16))),
                deblock=bool(rng.random() < 0.75),
            )
        )
    return tuple(chain)
