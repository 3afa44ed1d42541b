"""Faces as the detector hands them out, made of what the network says."""

import numpy as np

from runtime.action_units import au_key
from runtime.boxes import face_box
from runtime.pipeline import Look, Sighting
from runtime.results import Face
from runtime.spec import ModelSpec


class FaceMaker:
    """Gives the network's numbers their names, and judges what is present by the thresholds.

    Args:
        spec: What the model says of itself.

    Attributes:
        keys: Keys of its AUs, such as ``"AU12"``, in its order.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self.keys = tuple(au_key(au) for au in spec.aus)
        self._thresholds = np.array(spec.thresholds)

    def make(self, number: int, look: Look, score: float, size: tuple[int, int]) -> Face:
        """Make a face.

        Args:
            number: Its number.
            look: What the network says of it.
            score: What the finder says of it.
            size: Width and height of the frame, pixels.

        Returns:
            The face, with what is present by the model's own thresholds.
        """
        landmarks = look.landmarks.astype(np.float32)
        landmarks.setflags(write=False)
        on = (look.probability >= self._thresholds).tolist()
        return Face(
            number,
            face_box(look.landmarks),
            score,
            landmarks,
            aus=self._named(look.probability),
            present=tuple(key for key, there in zip(self.keys, on, strict=True) if there),
            intensities={} if look.intensity is None else self._named(look.intensity),
            frame_size=size,
        )

    def number(self, sightings: list[Sighting], size: tuple[int, int]) -> tuple[Face, ...]:
        """Make faces of a frame by itself, numbered in their order."""
        return tuple(
            self.make(number, each.look, each.score, size) for number, each in enumerate(sightings)
        )

    def _named(self, values: np.ndarray) -> dict[str, float]:
        return dict(zip(self.keys, map(float, values), strict=True))
