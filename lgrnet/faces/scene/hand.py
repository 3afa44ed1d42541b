"""A hand at the face: a skeleton of capsules, drawn as a height field before the head.

The hand is a real one in three dimensions: finger bones with joint angles, a back of four
metacarpals, a thumb and a forearm. It is seen along the camera's axis without perspective of its
own; bodies that grow together blend smoothly, fingers that only touch do not.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import exp, sqrt
from typing import NamedTuple

import numba
import numpy as np

from lgrnet.faces.drawing.camera import rotation
from lgrnet.faces.drawing.canvas import Canvas
from lgrnet.faces.noise import fractal_noise
from lgrnet.faces.scene.capsules import Capsules, raise_capsules
from lgrnet.faces.scene.relief import SKIN_WRAP, Frame, lay, open_frame

# From knuckle to tip: index, middle, ring, little finger. Bones, radii at the four joints and
# knuckles for a hand 19 cm long and 8.4 cm wide, between the means of women and men
# (Gordon et al., Anthropometric Survey of U.S. Army Personnel, 2012: 18.1 × 7.9, 19.3 × 8.8 cm).
_BONES = np.array([(4.2, 2.5, 2.0), (4.7, 2.9, 2.1), (4.3, 2.7, 2.1), (3.4, 2.0, 1.8)])
_RADII = np.array(
    [(1.0, 0.88, 0.77, 0.58), (1.0, 0.9, 0.78, 0.6), (0.95, 0.84, 0.74, 0.57),
     (0.85, 0.74, 0.64, 0.5)]
)  # fmt: skip
_KNUCKLES = np.array([(2.7, 8.7, 0), (0.85, 9.1, 0.25), (-1.0, 8.7, 0.1), (-2.7, 7.8, -0.25)])
_CARPALS = np.array([(1.3, 1.2, 0), (0.5, 1.0, 0.15), (-0.4, 1.0, 0.1), (-1.3, 1.2, -0.1)])
_THUMB = np.array([(2.1, 2.4, -0.6), (4.1, 5.0, -1.2), (5.2, 7.9, -1.2), (5.8, 9.9, -1.2)])
_THUMB_RADII = (1.45, 1.05, 0.92, 0.72)

_PALM, _PROXIMAL, _MIDDLE, _DISTAL, _SLEEVE = range(5)
_TEXTURE = 128  # side of the skin's noise, texels
_TEXELS_PER_CM = 8
_SHADOW_REACH = 1.5  # cm around the hand that is drawn for its shadow on the face


class Gesture(NamedTuple):
    """How a hand on the image's right comes to the face.

    Attributes:
        landmark: What it touches: index among the 68 for a hand on the image's right, and left.
        offset: Mean place of the touching point from that landmark, cm, head axes; x is mirrored.
        touch: Finger (0 index … 3 little) and joint (1 … 4, the tip) that touch it.
        turn: Least and most angle of the fingers from upwards to the image's left, degrees.
        twist: Least and most rotation about the hand's length, degrees; positive shows the
            thumb's side.
        bend: Mean flexion at the three joints of the index and of the other fingers, degrees.
        spread: Most angle between neighbouring fingers, degrees.
        thumb: Chance that the thumb is seen.
    """

    landmark: tuple[int, int]
    offset: tuple[float, float]
    touch: tuple[int, int]
    turn: tuple[float, float]
    twist: tuple[float, float]
    bend: tuple[tuple[float, float, float], tuple[float, float, float]]
    spread: float
    thumb: float


_FLAT = (8, 14, 8)
_CURVED = (22, 32, 18)
_CURLED = (62, 88, 48)
GESTURES = {
    "covers mouth": Gesture((62, 62), (0, 0), (1, 2), (35, 85), (-15, 30), (_FLAT, _FLAT), 5, 0.5),
    "fingers on lips": Gesture(
        (62, 62), (0.8, 0.8), (1, 4), (0, 40), (-25, 20), (_CURVED, _CURVED), 9, 0.5
    ),
    "fist at mouth": Gesture(
        (57, 57), (0.5, -0.5), (1, 2), (15, 70), (-10, 40), ((50, 80, 40), _CURLED), 3, 0.6
    ),
    "holds chin": Gesture(
        (8, 8), (0.3, 1.4), (0, 2), (25, 75), (10, 55), ((35, 60, 30), _CURLED), 4, 0.6
    ),
    "on cheek": Gesture(
        (45, 36), (0.8, -2.0), (1, 4), (-15, 25), (-25, 25), (_FLAT, _FLAT), 7, 0.4
    ),
    "finger on cheek": Gesture(
        (45, 36), (0.6, -1.5), (0, 4), (-10, 30), (0, 40), ((4, 10, 8), _CURLED), 5, 0.4
    ),
    "on brow": Gesture(
        (24, 19), (-1.0, 1.5), (1, 4), (20, 65), (-20, 30), (_CURVED, _CURVED), 8, 0.3
    ),
    "rubs eye": Gesture(
        (47, 40), (0, -0.2), (0, 4), (10, 55), (-10, 35), ((25, 40, 25), (40, 60, 35)), 6, 0.3
    ),
    "rubs nose": Gesture(
        (35, 31), (0.2, 0.4), (0, 4), (15, 60), (-5, 45), ((15, 35, 20), _CURLED), 5, 0.4
    ),
    "face in hand": Gesture(
        (28, 28), (0.3, 0.3), (1, 4), (0, 35), (-25, 15), (_FLAT, _FLAT), 8, 0.4
    ),
}  # fmt: skip
"""What hands do at faces."""

_CHANCE = np.array([0.2, 0.16, 0.13, 0.12, 0.09, 0.06, 0.06, 0.06, 0.07, 0.05])


@dataclass(frozen=True, eq=False)
class Hand:
    """A hand that touches a face.

    Attributes:
        capsules: The hand, cm, view axes, the touching point at the origin.
        landmark: Index among the 68 of what is touched.
        offset: (3,) cm, head axes, from there.
        colours: (3, 3), linear reflectance of skin, nails and sleeve.
        texture: (S, S) float32, noise of unit deviation.
    """

    capsules: Capsules
    landmark: int
    offset: np.ndarray
    colours: np.ndarray
    texture: np.ndarray

    def draw(self, canvas: Canvas) -> None:
        """Draw the hand and its shadow on the face."""
        body = self.capsules
        point = canvas.anatomy[self.landmark] + self.offset
        outline = np.concatenate([body.start, body.end])
        frame = open_frame(canvas, point, outline, float(body.radii.max()) + _SHADOW_REACH)
        if frame is None:
            return
        body = self._rest_on(frame)
        relief, owner, along = raise_capsules(frame, body)
        reflectance = np.zeros(relief.normal.shape, np.float32)
        gloss = np.zeros(owner.shape, np.float32)
        _paint(
            body, relief.normal, owner, along, self.colours, self.texture, frame.inverse,
            reflectance, gloss,
        )  # fmt: skip
        lay(canvas, frame, relief, reflectance, gloss, SKIN_WRAP)

    def _rest_on(self, frame: Frame) -> Capsules:
        """Move the hand towards the camera until it only sinks in as far as skin gives way."""
        body, face = self.capsules, frame.face
        share = np.linspace(0, 1, 4)[:, None, None]
        places = (body.start * (1 - share) + body.end * share).reshape(-1, 3) + frame.point
        radii = (body.radii[:, 0] * (1 - share[..., 0]) + body.radii[:, 1] * share[..., 0]).ravel()
        pixels = places[:, :2] @ frame.forward[:, :2].T + frame.forward[:, 2]
        column, row = np.round(pixels).astype(int).T
        inside = (row >= 0) & (column >= 0) & (row < face.shape[0]) & (column < face.shape[1])
        below = face[row[inside], column[inside]] - (places[inside, 2] - 0.55 * radii[inside])
        lift = np.clip(below.max(initial=-1.0), -1.0, 4.0)
        move = frame.point + np.array([0, 0, lift])
        return body._replace(start=body.start + move, end=body.end + move)


def sample_hand(
    rng: np.random.Generator, skin_colour: np.ndarray, gesture: str | None = None
) -> Hand:
    """Draw a hand and what it does.

    Args:
        rng: Source of randomness.
        skin_colour: (3,) linear reflectance of the person's face, RGB.
        gesture: A key of :data:`GESTURES`; None for a random one.

    Returns:
        The hand.
    """
    does = GESTURES[gesture or rng.choice(list(GESTURES), p=_CHANCE / _CHANCE.sum())]
    mirrored = bool(rng.random() < 0.5)
    capsules, touch = _build(rng, does)
    turn, twist = np.deg2rad([rng.uniform(*does.turn), -rng.uniform(*does.twist)])
    axes = rotation(0, np.deg2rad(rng.normal(5, 12)), turn) @ rotation(twist, 0, 0)
    if mirrored:
        axes = np.diag([-1.0, 1, 1]) @ axes
    place = rng.normal(0, 0.6, 2) + does.offset
    # Hands are a little darker and redder than faces.
    skin = np.asarray(skin_colour) * (1.0, 0.88, 0.84) * rng.uniform(0.78, 1.0)
    nails = skin * (1.05, 1.0, 1.0) + (0.06, 0.03, 0.03)
    if rng.random() < 0.15:
        nails = rng.uniform(0.02, 0.6) * rng.uniform((0.6, 0.05, 0.05), (1, 0.5, 0.6))
    sleeve = np.clip(rng.uniform(0.02, 0.6) + rng.normal(0, 0.06, 3), 0.01, 0.8)
    return Hand(
        capsules=capsules._replace(
            start=(capsules.start - touch) @ axes.T,
            end=(capsules.end - touch) @ axes.T,
            back=capsules.back @ axes.T,
        ),
        landmark=does.landmark[int(mirrored)],
        offset=np.array([-place[0] if mirrored else place[0], place[1], 0]),
        colours=np.stack([skin, nails, sleeve]),
        texture=fractal_noise(rng, _TEXTURE, (8, 16, 32, 64), 0.8),
    )


def _build(rng: np.random.Generator, gesture: Gesture) -> tuple[Capsules, np.ndarray]:
    """Pose a hand: wrist at the origin, fingers up, back to the camera; and its touching point."""
    rows, up = [], np.array([0, 0, 1.0])

    def add(start, end, radii, back, finger, kind):
        rows.append((start, end, radii, back, finger, kind))

    for knuckle, carpal in zip(_KNUCKLES, _CARPALS, strict=True):
        add(carpal, knuckle, (1.35, 1.08), up, 0, _PALM)
    add((0, -14, -0.3), (0, 1.2, 0), (3.2, 2.5), up, 0, _PALM)
    if rng.random() < 0.6:
        cuff = rng.uniform(-5, 0)
        add((0, -14, -0.2), (0, cuff, 0), (4.4, 3.5), up, 6, _SLEEVE)
    stretch, girth = rng.normal(1, 0.05), rng.normal(1, 0.06)
    spread, common = rng.uniform(0, gesture.spread), rng.normal(0, 8, 3)
    webs, touch = [], np.zeros(3)
    for finger in range(4):
        flexion = np.array(gesture.bend[min(finger, 1)]) + common + rng.normal(0, 4, 3)
        aside = np.deg2rad((1.3 - finger) * spread + rng.normal(0, 1))
        joints, pitch = [_KNUCKLES[finger]], 0.0
        radii = _RADII[finger] * girth
        for bone in range(3):
            pitch += np.deg2rad(max(flexion[bone], 0))
            ahead = np.array([np.sin(aside), np.cos(aside), 0])
            back = np.sin(pitch) * ahead + np.cos(pitch) * up
            axis = np.cos(pitch) * ahead - np.sin(pitch) * up
            joints.append(joints[-1] + axis * _BONES[finger, bone] * stretch)
            add(joints[-2], joints[-1], radii[bone : bone + 2], back, finger + 1, _PROXIMAL + bone)
        webs.append(joints[0] * 0.62 + joints[1] * 0.38 - back * 0.3)
        if finger == gesture.touch[0]:
            touch = joints[gesture.touch[1] - 1]
    for one, other in pairwise(webs):
        add(one, other, (0.5, 0.5), up, 0, _PALM)
    if rng.random() < gesture.thumb:
        swing = rotation(0, 0, np.deg2rad(rng.uniform(-12, 22)))
        joints = (_THUMB - _THUMB[0]) @ swing.T + _THUMB[0]
        back = np.array([0.75, 0.1, 0.65])
        for bone in range(3):
            kind = (_PALM, _PROXIMAL, _DISTAL)[bone]
            radii = np.array(_THUMB_RADII[bone : bone + 2]) * girth
            add(joints[bone], joints[bone + 1], radii, back, 5 if bone else 0, kind)
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    start, end, radii, back = (column.astype(np.float64) for column in columns[:4])
    return Capsules(start, end, radii, back, limb=columns[4], kind=columns[5]), touch


@numba.njit(cache=True, fastmath=True)
def _paint(body, normal, owner, along, colours, texture, inverse, reflectance, gloss):
    """Colour skin, creases, nails and sleeve, and roughen their normals, in place."""
    rows, columns = owner.shape
    mask = _TEXTURE - 1
    for row in range(rows):
        for column in range(columns):
            i = owner[row, column]
            if i < 0:
                continue
            kind = body.kind[i]
            x = inverse[0, 0] * column + inverse[0, 1] * row + inverse[0, 2]
            y = inverse[1, 0] * column + inverse[1, 1] * row + inverse[1, 2]
            u, v = int((x + 99) * _TEXELS_PER_CM), int((y + 99) * _TEXELS_PER_CM)
            grain = texture[v & mask, u & mask]
            coarse = texture[(v >> 2) & mask, (u >> 2) & mask]
            slope_x = grain - texture[v & mask, (u - 1) & mask]
            slope_y = grain - texture[(v - 1) & mask, u & mask]
            bump = 0.10 if kind == _SLEEVE else 0.035
            normal[row, column, 0] -= bump * slope_x
            normal[row, column, 1] -= bump * slope_y
            nx, ny, nz = normal[row, column, 0], normal[row, column, 1], normal[row, column, 2]
            tone, red, nail, shine = 1 + 0.03 * grain + 0.04 * coarse, 0.02 * coarse, 0.0, 0.35
            if _PROXIMAL <= kind <= _DISTAL:
                back = body.back[i]
                facing_back = max(nx * back[0] + ny * back[1] + nz * back[2], 0.0)
                ux, uy, uz = (body.end[i] - body.start[i])[:3]
                length = sqrt(ux * ux + uy * uy + uz * uz)
                place = along[row, column]
                for joint in range(2):
                    if (kind == _PROXIMAL and joint == 0) or (kind == _DISTAL and joint == 1):
                        continue
                    off = abs(place - joint * length)
                    if off < 1.2:
                        crease = exp(-((off / 0.08) ** 2)) + exp(-(((off - 0.26) / 0.07) ** 2))
                        tone -= 0.24 * crease * facing_back
                        red += 0.14 * exp(-((off / 0.5) ** 2)) * facing_back
                if kind == _DISTAL:
                    red += 0.05
                    side = (
                        nx * (uy * back[2] - uz * back[1])
                        + ny * (uz * back[0] - ux * back[2])
                        + nz * (ux * back[1] - uy * back[0])
                    ) / length
                    on = (place - length + 0.05) / 0.62
                    oval = on**4 + (side / 0.72) ** 4
                    if facing_back > 0.3:
                        nail = min(max((1.1 - oval) / 0.4, 0.0), 1.0)
                        tone -= 0.2 * exp(-(((oval - 1.25) / 0.4) ** 2))
                        if on > 0.6:
                            tone += 0.25 * nail
                        shine += 0.9 * nail
            elif kind == _SLEEVE:
                shine = 0.0
            gloss[row, column] = shine
            for k in range(3):
                colour = colours[2, k] if kind == _SLEEVE else colours[0, k]
                colour = colour * (1 - nail) + colours[1, k] * nail
                colour *= tone * (1.0 + (0.3 * red if k == 0 else -0.9 * red))
                reflectance[row, column, k] = max(colour, 0.0)
