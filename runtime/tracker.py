"""Following faces from frame to frame, so that they need not be searched for."""

from dataclasses import dataclass

import numpy as np

from runtime.align import alignment_matrix
from runtime.boxes import SAME_FACE, alignment_box, face_box, overlap
from runtime.latency import Stopwatch
from runtime.loss import why_lost
from runtime.pipeline import Look, Pipeline

MAX_MISSES = 3
"""Misses in a row, of the finder, at which a face is lost."""

AGAIN = 0.3
"""Overlap with where a face was lost from which a found one gets its number back."""

REMEMBER = 100
"""Frames for which a lost face is looked out for."""


@dataclass(slots=True, eq=False)
class Track:
    """One face that is being followed.

    Attributes:
        id: Its number, never given twice between resets.
        look: The last at it.
        score: The finder's last opinion; 0 after a miss.
        age: Frames since the finder last looked at it; once lost, frames since then.
        misses: Times in a row that the finder did not see it.
    """

    id: int
    look: Look
    score: float
    age: int = 0
    misses: int = 0

    @property
    def landmarks(self) -> np.ndarray:
        """Where the face was last, (49, 2) float64, pixels of the frame."""
        return self.look.landmarks

    def looked_at(self, score: float | None) -> None:
        """Note what the finder said: a score, or None where it saw no face."""
        self.age = 0
        self.misses = 0 if score is not None else self.misses + 1
        self.score = score or 0.0


class Tracker:
    """Follows the faces of one stream; how losses are noticed is told in `runtime.loss`.

    Args:
        pipeline: Finder and network.
        verify_every: Frames between two looks of the finder at a tracked face, and between two
            searches for a lost one while others are followed.
        search_every: Frames between two searches for newcomers; None for none.
    """

    def __init__(self, pipeline: Pipeline, verify_every: int, search_every: int | None) -> None:
        self._pipeline = pipeline
        self._verify_every = verify_every
        self._search_every = search_every
        self.reset()

    def reset(self) -> None:
        """Forget all faces, and start their numbers at 0."""
        self._tracks: list[Track] = []
        self._missing: list[Track] = []
        self._since_search = 0
        self._next_id = 0

    def update(self, frame: np.ndarray, watch: Stopwatch) -> list[Track]:
        """Take in the next frame.

        Args:
            frame: (H, W, 3) uint8, BGR.
            watch: Gets the time.

        Returns:
            The faces of this frame, by id.
        """
        for track in self._missing:
            track.age += 1
        self._missing = [track for track in self._missing if track.age <= REMEMBER]
        self._since_search += 1
        lost = self._follow(frame, watch)
        self._missing += lost
        if self._must_search(bool(lost)):
            self._search(frame, watch)
        self._tracks.sort(key=lambda track: track.id)
        return list(self._tracks)

    def _follow(self, frame: np.ndarray, watch: Stopwatch) -> list[Track]:
        """Move the tracks on to this frame; return those that were lost, where they were last."""
        size = (frame.shape[1], frame.shape[0])
        used = [alignment_matrix(track.landmarks) for track in self._tracks]
        looks = self._pipeline.run(frame, used, watch)
        kept, lost = [], []
        for track, matrix, look in zip(self._tracks, used, looks, strict=True):
            points = look.landmarks
            if why_lost(points, matrix, size):
                lost.append(_gone(track))
                continue
            if any(
                overlap(face_box(points), face_box(other.landmarks)) >= SAME_FACE for other in kept
            ):
                continue  # it ran onto the face of an older track, which goes on
            track.look = look
            track.age += 1
            if track.misses or track.age >= self._verify_every:
                track.looked_at(self._pipeline.confirm(frame, points, watch))
            if track.misses < MAX_MISSES:
                kept.append(track)
            else:
                lost.append(_gone(track))
        self._tracks = kept
        return lost

    def _must_search(self, lost: bool) -> bool:
        if lost or not self._tracks:
            return True
        pauses = [self._verify_every] if self._missing else []
        if self._search_every and len(self._tracks) < self._pipeline.max_faces:
            pauses.append(self._search_every)
        return self._since_search >= min(pauses, default=np.inf)

    def _search(self, frame: np.ndarray, watch: Stopwatch) -> None:
        """Look for faces that are not tracked; lost ones get their number back."""
        self._since_search = 0
        found = [
            face
            for face in self._pipeline.find(frame, watch)
            if not self._tracked(alignment_box(face.alignment), AGAIN)
        ]
        for sighting in self._pipeline.look_twice(frame, found, watch):
            box = face_box(sighting.look.landmarks)
            if len(self._tracks) == self._pipeline.max_faces or self._tracked(box, SAME_FACE):
                continue
            self._tracks.append(Track(self._number(box), sighting.look, sighting.score))

    def _tracked(self, box: tuple[float, float, float, float], least: float) -> bool:
        return any(overlap(box, face_box(track.landmarks)) >= least for track in self._tracks)

    def _number(self, box: tuple[float, float, float, float]) -> int:
        def common(track: Track) -> float:
            return overlap(box, face_box(track.landmarks))

        before = max(self._missing, key=common, default=None)
        if before is not None and common(before) >= AGAIN:
            self._missing.remove(before)
            return before.id
        self._next_id += 1
        return self._next_id - 1


def _gone(track: Track) -> Track:
    track.age = track.misses = 0
    return track
