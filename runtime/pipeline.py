"""The steps that one frame goes through, none of which remembers anything."""

from dataclasses import dataclass

import numpy as np

from runtime.align import (
    ALIGNED_SIZE,
    CROP_SIZE,
    alignment_matrix,
    crop_matrix,
    invert,
    transform,
    warp,
)
from runtime.backends import Backend, FrameBackend
from runtime.boxes import SAME_FACE, face_box, overlap
from runtime.finders import FaceFinder, FoundFace
from runtime.latency import Stopwatch
from runtime.loss import why_lost


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What the network says of one face of a frame.

    Attributes:
        landmarks: (49, 2) float64, pixels of the frame.
        probability: Of each AU in the model's order, (n,).
        intensity: Of each AU, (n,), 0 to 5; None if the model does not tell.
    """

    landmarks: np.ndarray
    probability: np.ndarray
    intensity: np.ndarray | None


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """A face that was found, and looked at.

    Attributes:
        look: What the network says.
        score: What the finder says.
    """

    look: Look
    score: float


class Pipeline:
    """Finder, alignment and network, put together.

    Args:
        backend: The opened model.
        finder: The face finder.
        max_faces: Most faces a frame.
    """

    def __init__(self, backend: Backend, finder: FaceFinder, max_faces: int) -> None:
        self.backend = backend
        self.finder = finder
        self.max_faces = max_faces

    def find(self, frame: np.ndarray, watch: Stopwatch) -> list[FoundFace]:
        """Search a whole frame.

        Args:
            frame: (H, W, 3) uint8, BGR.
            watch: Gets the time.

        Returns:
            At most `max_faces` faces, the largest first.
        """
        watch.lap("post")
        found = self.finder.find(frame)
        found = sorted(found, key=lambda face: face.box[2] * face.box[3], reverse=True)
        watch.lap("find")
        return found[: self.max_faces]

    def confirm(self, frame: np.ndarray, points: np.ndarray, watch: Stopwatch) -> float | None:
        """Ask the finder whether there is a face under landmarks.

        Args:
            frame: (H, W, 3) uint8, BGR.
            points: Landmarks, (49, 2), pixels of the frame.
            watch: Gets the time.

        Returns:
            The finder's score, or None where it sees no face.
        """
        watch.lap("post")
        upright = warp(frame, alignment_matrix(points), ALIGNED_SIZE)
        watch.lap("align")
        score = self.finder.confirm(upright)
        watch.lap("find")
        return score

    def run(self, frame: np.ndarray, alignments: list[np.ndarray], watch: Stopwatch) -> list[Look]:
        """Cut faces out and run the network once on all of them.

        Args:
            frame: (H, W, 3) uint8, BGR.
            alignments: Frame → aligned image for each face, (2, 3).
            watch: Gets the time.

        Returns:
            What the network says of each.
        """
        if not alignments:
            return []
        watch.lap("post")
        crops = [crop_matrix(matrix) for matrix in alignments]
        if isinstance(self.backend, FrameBackend):
            said = self.backend.from_frame(frame, crops)
        else:
            faces = np.stack([warp(frame, crop, CROP_SIZE) for crop in crops])
            watch.lap("align")
            said = self.backend(faces)
        watch.lap("network")
        return [
            Look(
                transform(said.landmarks[i].astype(np.float64), invert(crop)),
                said.probability[i],
                None if said.intensity is None else said.intensity[i],
            )
            for i, crop in enumerate(crops)
        ]

    def look_twice(
        self, frame: np.ndarray, found: list[FoundFace], watch: Stopwatch
    ) -> list[Sighting]:
        """Run the network on the finder's alignments, then on those of the landmarks it gave.

        A find counts once the finder also sees it in its aligned image, upright and of known size;
        that sorts out most of what merely looked like a face. Two finds of one face, which the
        finder makes now and then, end on the same landmarks; the first, larger one counts.

        Args:
            frame: (H, W, 3) uint8, BGR.
            found: What the finder found.
            watch: Gets the time.

        Returns:
            Those that hold together, in the same order.
        """
        size = (frame.shape[1], frame.shape[0])
        first = [face.alignment for face in found]
        good = [
            (face, look.landmarks)
            for face, look, used in zip(found, self.run(frame, first, watch), first, strict=True)
            if not why_lost(look.landmarks, used, size)
            and self.confirm(frame, look.landmarks, watch) is not None
        ]
        second = [alignment_matrix(points) for _, points in good]
        sightings: list[Sighting] = []
        looks = self.run(frame, second, watch)
        for (face, _), look, used in zip(good, looks, second, strict=True):
            box = face_box(look.landmarks)
            known = any(overlap(box, face_box(s.look.landmarks)) >= SAME_FACE for s in sightings)
            if not known and not why_lost(look.landmarks, used, size):
                sightings.append(Sighting(look, face.score))
        return sightings
