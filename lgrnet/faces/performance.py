"""A person in front of a camera for a while: one light, one background, many expressions.

Made for look-alikes of corpora, whose frames follow one another as a video's do.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lgrnet.faces.drawing import photo
from lgrnet.faces.drawing.camera import Pose
from lgrnet.faces.motion.action_units import FACE_AUS
from lgrnet.faces.motion.cooccurrence import sample_intensities
from lgrnet.faces.motion.expression import sample_expression
from lgrnet.faces.motion.labels import au_presence
from lgrnet.faces.person.identity import Identity, Studio
from lgrnet.faces.render import fixed_placement, render
from lgrnet.faces.scene.background import sample_background
from lgrnet.faces.scene.light import sample_lighting

HOLD = 4
"""Frames that an expression lasts; in the first of them it is half way there."""

_PIXELS_PER_CM = 10.5  # the aligned face, 200 pixels wide, has about as many
_SUPERSAMPLE = 1.5


class Frame(NamedTuple):
    """A frame and what is true of it.

    Attributes:
        picture: (H, W, 3) uint8, BGR.
        intensity: (n,) float32 in [0, 1], AUs in the order of ``FACE_AUS``.
        presence: (n,) uint8, 0 or 1.
        landmarks: (49, 2) float64, 0-based pixels.
    """

    picture: np.ndarray
    intensity: np.ndarray
    presence: np.ndarray
    landmarks: np.ndarray


def perform(
    studio: Studio,
    person: Identity,
    rng: np.random.Generator,
    tendency: np.ndarray,
    frames: int,
    height: int,
    width: int,
) -> Iterator[Frame]:
    """Render a sequence.

    Args:
        studio: The rig and what is derived from it.
        person: Who.
        rng: Source of light, background, movement and expressions.
        tendency: What the person's face tends to do, (n,) standard normal.
        frames: How many.
        height: Rows of a frame.
        width: Columns of a frame.

    Yields:
        The frames.
    """
    light, background = sample_lighting(rng), sample_background(rng, height, width, tilt=0.0)
    targets = sample_intensities(rng, -(-frames // HOLD), 1.0, tendency)
    phase, amplitude = rng.uniform(0, 2 * np.pi, 5), rng.uniform(0.4, 1.0, 5)
    looks_at, gain = rng.normal(0, 0.12), None
    for number in range(frames):
        now, step = divmod(number, HOLD)
        before = targets[now - 1] if now else np.zeros_like(targets[0])
        mixed = 0.5 * (before + targets[now]) if step == 0 else targets[now]
        active = {au: float(v) for au, v in zip(FACE_AUS, mixed, strict=True) if v > 0}
        expression = sample_expression(rng, active)
        sway = amplitude * np.sin(0.45 * number * np.array([1, 1.4, 0.8, 1.2, 0.7]) + phase)
        pose = Pose(looks_at + 0.2 * sway[0], 0.09 * sway[1], 0.06 * sway[2], distance=90)
        at = np.array([width / 2 + 8 * sway[3], height / 2 + 8 + 5 * sway[4]])
        matrix = np.hstack([np.eye(2) * _PIXELS_PER_CM, at[:, None]])
        drawn = render(
            *(studio, person, expression, pose, light, background),
            fixed_placement(matrix),
            _SUPERSAMPLE,
        )
        gain = gain or photo.meter(drawn.linear, drawn.covered, 0.5)
        developed = photo.develop(drawn.linear, gain)
        noisy = developed + rng.normal(0, 0.01, developed.shape)
        intensity = np.array([expression.intensity.get(au, 0.0) for au in FACE_AUS], np.float32)
        presence = au_presence(intensity[None], drawn.landmarks[None])[0]
        yield Frame(photo.to_bgr8(noisy), intensity, presence, drawn.landmarks)
