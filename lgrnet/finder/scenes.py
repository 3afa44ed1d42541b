"""Scenes to learn from: heads laid over a backdrop, or a face that fills the picture.

Every scene comes with the box and the five points of each face in it, and with whether it counts:
faces that are mostly hidden, cut off, seen too far from the side or too small are neither to be
found nor to be missed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from lgrnet.data.shards import FaceShards
from lgrnet.finder.backdrops import Photographs, sample_backdrop
from lgrnet.finder.bodies import draw_body
from lgrnet.finder.covers import cover_face
from lgrnet.finder.flaws import spoil
from lgrnet.finder.geometry import MIRRORED, box_size, face_box, five_points, mirror
from lgrnet.finder.head_shards import HEAD_SIDE, Heads
from runtime.align import ALIGNED_SIZE

SIDE = 256
"""Pixels along each side of a scene."""

FILLED = 0.2
"""Share of scenes that one aligned face fills, as in videos of one person."""

_LARGEST_FILLED, _SMALLEST_FILLED = 380, 110  # pixels of the aligned picture; the scene cuts it off
_CONTINUED = 0.5  # of the aligned pictures go on beyond their edges with the colours at these

# How many faces: of the other scenes so many have at most so many faces, and how large the largest
# may be; what is left over is a crowd.
_NOBODY, _ONE, _FEW = 0.15, 0.45, 0.28
_ROOM = ((1, 240.0), (4, 130.0), (11, 60.0))
_SMALLEST = 9.0

_BODIES = 0.65  # of the heads have one
_BEHIND = 0.6  # of the heads seen from behind that are drawn are used: they are no faces
_SPREAD_OUT = 0.8  # of the faces lie anywhere, all others near the middle
_OVER_EDGE = 0.05  # of a face's size that its middle may lie outside

_TURNED_AWAY = 110.0  # degrees of yaw from which a head shows no face
_COUNTS_TO = 78.0  # degrees of yaw up to which a face must be found
_COUNTS_FROM = 10.0  # pixels
_VISIBLE = 0.5  # of a box that must show the head for its face to count
_INSIDE = 0.6  # of a box that must lie in the picture, as everywhere in this project
_GONE = 0.08  # of a box: where less shows the head, there is no face at all


class Scene(NamedTuple):
    """A picture and the faces in it.

    Attributes:
        image: (256, 256, 3) uint8, BGR.
        boxes: (n, 4) float32: left, top, right, bottom, pixels.
        points: (n, 5, 2) float32, pixels, see :func:`lgrnet.finder.geometry.five_points`.
        counts: (n,) bool, whether a face is to be found; others are ignored.
    """

    image: np.ndarray
    boxes: np.ndarray
    points: np.ndarray
    counts: np.ndarray


@dataclass(eq=False)
class _Placed:
    """A head in a scene: its five points, box, yaw in degrees, and how much of it each pixel shows.

    `shows` is (SIDE, SIDE) float32 and falls where something is drawn in front.
    """

    points: np.ndarray
    box: np.ndarray
    yaw: float
    shows: np.ndarray


class SceneMaker:
    """Puts scenes together.

    Args:
        heads: Folder of cut-out heads and rendered backgrounds.
        faces: Folder of the data set whose training split fills scenes.
        pictures: Folder of pictures without faces; None for rendered backgrounds alone.

    Attributes:
        heads: The heads.
        faces: The aligned faces.
        photographs: The pictures without faces.

    Raises:
        DatasetError: One of the folders is not what it should be.
    """

    def __init__(self, heads: Path, faces: Path, pictures: Path | None = None) -> None:
        self.heads = Heads(heads)
        self.faces = FaceShards(faces, "train")
        self.photographs = Photographs(pictures)
        frontal = np.abs(self.heads.yaw) <= _TURNED_AWAY
        odds = np.where(frontal, 1.0, _BEHIND)
        self._chances = np.cumsum(odds / odds.sum())

    def sample(self, rng: np.random.Generator) -> Scene:
        """Draw a scene.

        Args:
            rng: Source of all randomness.
        """
        image = self._backdrop(rng)
        if rng.random() < FILLED:
            image, face = self._fill(rng, image)
            placed = [face]
        else:
            placed = []
            for size in _sample_sizes(rng):  # small ones first: what is near is in front
                self._add_head(rng, image, float(size), placed)
        kept = [(face, _judge(face)) for face in placed]
        kept = [(face, counts) for face, counts in kept if counts is not None]
        return Scene(
            spoil(rng, image),
            np.array([face.box for face, _ in kept], np.float32).reshape(-1, 4),
            np.array([face.points for face, _ in kept], np.float32).reshape(-1, 5, 2),
            np.array([counts for _, counts in kept], bool),
        )

    def _backdrop(self, rng: np.random.Generator) -> np.ndarray:
        return sample_backdrop(rng, self.photographs, self.heads.backgrounds, SIDE)

    def _add_head(
        self, rng: np.random.Generator, image: np.ndarray, size: float, placed: list[_Placed]
    ) -> None:
        """Lay a head, perhaps with a body, over the image and what is in it already."""
        index = min(int(np.searchsorted(self._chances, rng.random())), len(self.heads) - 1)
        landmarks = self.heads.points[index].astype(np.float64)
        side = max(4, round(HEAD_SIDE * size / box_size(face_box(landmarks))))
        landmarks = (landmarks + 0.5) * (side / HEAD_SIDE) - 0.5
        flipped = bool(rng.random() < 0.5)
        if flipped:
            landmarks = mirror(landmarks, side)
        if rng.random() < _SPREAD_OUT:
            wanted = rng.uniform(-_OVER_EDGE * size, SIDE + _OVER_EDGE * size, 2)
        else:
            wanted = SIDE / 2 + rng.normal(0, SIDE / 8, 2)
        offset = np.round(wanted - landmarks.mean(0)).astype(int)
        landmarks = landmarks + offset
        if rng.random() < _BODIES:
            body = draw_body(rng, image, landmarks, lambda: self._backdrop(rng))
            if body is not None:
                _hide(placed, *body)
        gain = np.exp(rng.normal(0, 0.25)) * np.exp(rng.normal(0, 0.06, 3))
        shows = np.zeros((SIDE, SIDE), np.float32)
        low, high = np.maximum(offset, 0), np.minimum(offset + side, SIDE)
        if (high > low).all():
            place = (slice(low[1], high[1]), slice(low[0], high[0]))
            first, end = low - offset, high - offset
            seen = (slice(first[1], end[1]), slice(first[0], end[0]))
            small = _scaled(self.heads.heads[index], side, flipped)[seen]
            opacity = small[..., 3:] * np.float32(1 / 255)
            colour = np.minimum(small[..., :3] * gain.astype(np.float32), small[..., 3:])
            image[place] = image[place] * (1 - opacity) + colour + np.float32(0.5)
            shows[place] = opacity[..., 0]
            _hide(placed, place, opacity[..., 0])
        points = five_points(landmarks)
        points = points[MIRRORED] if flipped else points
        if abs(self.heads.yaw[index]) <= _COUNTS_TO:
            cover_face(rng, image, points, lambda: self._backdrop(rng))
        placed.append(
            _Placed(
                points,
                face_box(landmarks),
                abs(float(self.heads.yaw[index])),
                shows,
            )
        )

    def _fill(self, rng: np.random.Generator, image: np.ndarray) -> tuple[np.ndarray, _Placed]:
        """Lay an aligned picture, which a face fills, over the image."""
        index = int(rng.integers(len(self.faces)))
        face = self.faces.face(index)
        landmarks = self.faces.labels.landmarks[index].astype(np.float64)
        side = int(rng.uniform(_SMALLEST_FILLED, _LARGEST_FILLED))
        aspect = np.exp(rng.uniform(-0.08, 0.08))
        size = np.array([int(side * aspect), int(side / aspect)])
        how = cv2.INTER_AREA if side < ALIGNED_SIZE else cv2.INTER_LINEAR
        face = cv2.resize(face, size.tolist(), interpolation=how)
        landmarks = (landmarks + 0.5) * (size / ALIGNED_SIZE) - 0.5
        flipped = bool(rng.random() < 0.5)
        if flipped:
            face, landmarks = face[:, ::-1], mirror(landmarks, size[0])
        # A small picture lies inside the scene, a large one covers all of it.
        offset = rng.uniform(np.minimum(0, SIDE - size), np.maximum(0, SIDE - size)).astype(int)
        low, high = np.maximum(offset, 0), np.minimum(offset + size, SIDE)
        part = face[low[1] - offset[1] : high[1] - offset[1],
                    low[0] - offset[0] : high[0] - offset[0]]  # fmt: skip
        if rng.random() < _CONTINUED:
            (left, top), (right, bottom) = low.tolist(), (SIDE - high).tolist()
            image = cv2.copyMakeBorder(part, top, bottom, left, right, cv2.BORDER_REPLICATE)
        else:
            image[low[1] : high[1], low[0] : high[0]] = part
        landmarks = landmarks + offset
        points = five_points(landmarks)
        points = points[MIRRORED] if flipped else points
        cover_face(rng, image, points, lambda: self._backdrop(rng))
        everywhere = np.ones((SIDE, SIDE), np.float32)
        return image, _Placed(points, face_box(landmarks), 0.0, everywhere)


def _sample_sizes(rng: np.random.Generator) -> np.ndarray:
    """Draw how large the faces of a scene are, pixels, ascending."""
    kind = rng.random()
    if kind < _NOBODY:
        count = 0
    elif kind < _NOBODY + _ONE:
        count = 1
    elif kind < _NOBODY + _ONE + _FEW:
        count = int(rng.integers(2, 5))
    else:
        count = int(rng.integers(4, 12))
    largest = next(size for most, size in _ROOM if count <= most)
    return np.sort(np.exp(rng.uniform(np.log(_SMALLEST), np.log(largest), count)))


def _scaled(head: np.ndarray, side: int, flipped: bool) -> np.ndarray:
    """Bring a head to a size, (side, side, 4) float32, colours multiplied by the opacity."""
    opacity = np.ascontiguousarray(head[..., 3])
    thick = cv2.cvtColor(opacity, cv2.COLOR_GRAY2BGR)
    colour = cv2.multiply(np.ascontiguousarray(head[..., :3]), thick, scale=1 / 255)
    how = cv2.INTER_AREA if side < HEAD_SIDE else cv2.INTER_LINEAR
    small = cv2.resize(np.dstack([colour, opacity]), (side, side), interpolation=how)
    return (small[:, ::-1] if flipped else small).astype(np.float32)


def _hide(placed: list[_Placed], place: tuple[slice, slice], opacity: np.ndarray) -> None:
    """Note that something now lies in front of all heads that were there before."""
    for face in placed:
        face.shows[place] *= 1 - opacity


def _judge(face: _Placed) -> bool | None:
    """Tell whether a face counts; None if there is none to be seen."""
    if face.yaw > _TURNED_AWAY:
        return None
    left, top, right, bottom = (round(float(edge)) for edge in face.box)
    area = max(1, (right - left) * (bottom - top))
    part = face.shows[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    visible, inside = float(part.sum()) / area, part.size / area
    if visible <= _GONE:
        return None
    return bool(
        visible > _VISIBLE
        and inside > _INSIDE
        and face.yaw <= _COUNTS_TO
        and np.sqrt(area) >= _COUNTS_FROM
    )
