"""The steps that one frame goes through, none of which remembers anything."""

from collections.abc import Callable, Sequence
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
from runtime.backends import FrameBackend
from runtime.backends.base import Outputs
from runtime.boxes import Box, alignment_box, face_box, same_face
from runtime.finders import FaceFinder, FoundFace
from runtime.image import size_of
from runtime.latency import Stopwatch
from runtime.tracking.lost import why_lost

SPARE = 4
"""How many finds beyond `max_faces` are examined too, so that a false one, which may be the
largest, does not take the place of a face."""


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
        backend: The opened model, or a function that answers as one.
        finder: The face finder.
        max_faces: Most faces a frame.
        min_face: Least size of a face, pixels: the mean of width and height of its box, as
            `runtime.boxes` draws it.
    """

    def __init__(
        self,
        backend: Callable[[np.ndarray], Outputs] | FrameBackend,
        finder: FaceFinder,
        max_faces: int,
        min_face: float = 0,
    ) -> None:
        self.backend = backend
        self.finder = finder
        self.max_faces = max_faces
        self.min_face = min_face

    def find(self, frame: np.ndarray, watch: Stopwatch) -> list[FoundFace]:
        """Search a whole frame.

        Args:
            frame: (H, W, 3) uint8, BGR.
            watch: Gets the time.

        Returns:
            At most `max_faces` faces that may be large enough, the largest first, and `SPARE` more.
        """
        watch.lap("post")
        found = [
            face
            for face in self.finder.find(frame)
            if self.large_enough(alignment_box(face.alignment), roughly=True)
        ]
        found.sort(key=lambda face: face.box[2] * face.box[3], reverse=True)
        watch.lap("find")
        return found[: self.max_faces + SPARE]

    def large_enough(self, box: Box, roughly: bool = False) -> bool:
        """Compare a face with `min_face`.

        Args:
            box: Its box.
            roughly: Whether it may be a fifth smaller: while it is only known from the finder, and
                once it has been large enough, or a face just at the limit would come and go.

        Returns:
            Whether it counts.
        """
        return (box[2] + box[3]) / 2 >= self.min_face * (0.8 if roughly else 1)

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
        """Cut faces out of a frame and run the network once on all of them.

        Args:
            frame: (H, W, 3) uint8, BGR.
            alignments: Frame → aligned image for each face, (2, 3).
            watch: Gets the time.

        Returns:
            What the network says of each.
        """
        return self.run_all([(frame, matrix) for matrix in alignments], watch)

    def run_all(
        self, cuts: Sequence[tuple[np.ndarray, np.ndarray]], watch: Stopwatch
    ) -> list[Look]:
        """Cut faces out of any frames and run the network once on all of them.

        Args:
            cuts: For each face its frame, (H, W, 3) uint8, BGR, and the alignment, (2, 3).
            watch: Gets the time.

        Returns:
            What the network says of each.
        """
        if not cuts:
            return []
        watch.lap("post")
        frame = cuts[0][0]
        crops = [crop_matrix(matrix) for _, matrix in cuts]
        if isinstance(self.backend, FrameBackend) and all(each is frame for each, _ in cuts):
            said = self.backend.from_frame(frame, crops)
        else:
            faces = [
                warp(each, crop, CROP_SIZE) for (each, _), crop in zip(cuts, crops, strict=True)
            ]
            watch.lap("align")
            said = self.backend(np.stack(faces))
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
        """Look twice at what was found in one frame, see `look_twice_at_all`."""
        return self.look_twice_at_all([frame], [found], watch)[0]

    def look_twice_at_all(
        self,
        frames: Sequence[np.ndarray],
        found: Sequence[list[FoundFace]],
        watch: Stopwatch,
        by_size: bool = False,
    ) -> list[list[Sighting]]:
        """Run the network on the finder's alignments, then on those of the landmarks it gave.

        A find counts once the finder also sees it in its aligned image, upright and of known size;
        that sorts out most of what merely looked like a face. Two finds of one face, which the
        finder makes now and then, end on the same landmarks, or one within the other, on nose and
        mouth; the first, larger one counts. All faces of all frames go through the network in one
        call each time.

        Args:
            frames: Each (H, W, 3) uint8, BGR.
            found: What the finder found in each.
            watch: Gets the time.
            by_size: Whether the largest come first, and count where there are more than
                `max_faces`: by the box of their landmarks, which finders' boxes, drawn in their
                ways, do not always agree with.

        Returns:
            For each frame, at most `max_faces` that hold together and are large enough, in the same
            order, or by size.
        """
        all_found = [(n, face) for n, faces in enumerate(found) for face in faces]
        looks = self.run_all([(frames[n], face.alignment) for n, face in all_found], watch)
        good = [
            (n, face, alignment_matrix(look.landmarks))
            for (n, face), look in zip(all_found, looks, strict=True)
            if not why_lost(look.landmarks, face.alignment, size_of(frames[n]))
            and self.confirm(frames[n], look.landmarks, watch) is not None
        ]
        sightings: list[list[Sighting]] = [[] for _ in frames]
        looks = self.run_all([(frames[n], matrix) for n, _, matrix in good], watch)
        for (n, face, used), look in zip(good, looks, strict=True):
            if len(sightings[n]) == self.max_faces and not by_size:
                continue
            box = face_box(look.landmarks)
            if not self.large_enough(box):
                continue
            known = any(same_face(box, face_box(s.look.landmarks)) for s in sightings[n])
            if not known and not why_lost(look.landmarks, used, size_of(frames[n])):
                sightings[n].append(Sighting(look, face.score))
        if by_size:
            for those in sightings:
                those.sort(key=_area, reverse=True)
        return [those[: self.max_faces] for those in sightings]


def _area(sighting: Sighting) -> float:
    _, _, width, height = face_box(sighting.look.landmarks)
    return width * height
