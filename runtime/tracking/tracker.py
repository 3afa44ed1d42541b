"""Following faces from frame to frame, so that they need not be searched for.

A face is followed by its landmarks: the next frame is aligned from those of the last one, moved on
by the face's motion, and the network finds them anew. The finder searches only the first frame,
now and then for newcomers, and after losses. What it finds is matched with the faces that are
missing by place and size, all at once (`runtime.tracking.assignment`), so that a face keeps its
number through an occlusion of some seconds. Who has left the frame comes back at its border; as
others may come from there, too, only somebody who looks alike (`runtime.tracking.portrait`) gets
the number of who left.

Where two faces pass each other, the network sees only the front one, and the landmarks of both end
on it. Of the two the one that left its course is taken for hidden; its motion is taken from before
the two met, since it was drawn along.
"""

from dataclasses import dataclass, field

import numpy as np

from runtime.align import alignment_matrix, transform
from runtime.boxes import SAME_FACE, Box, alignment_box, face_box, overlap, same_face
from runtime.finders import FoundFace
from runtime.image import size_of
from runtime.latency import Stopwatch
from runtime.pipeline import Look, Pipeline, Sighting
from runtime.tracking.assignment import FORBIDDEN, assign
from runtime.tracking.glance import glance
from runtime.tracking.lost import why_lost
from runtime.tracking.motion import Motion
from runtime.tracking.portrait import LIKE, difference, portrait
from runtime.tracking.scene import View
from runtime.tracking.track import Track

MAX_MISSES = 3
"""Misses in a row, of the finder, at which a face is lost."""

AGAIN = 0.3
"""Overlap of a followed face with a found one from which the two are the same."""

REMEMBER = 100
"""For how many frames a lost face can be recognised again."""

SOON = 5
"""Frames to the second search for a face that was just lost; each pause is twice the last, up to
`verify_every`."""

REACH = 1.0
"""How far from its course a face may be found again, see `Motion.distance`; two faces are rarely
nearer to each other than that."""

REACH_GROWS = 0.06
"""How much farther with each frame that it was away."""

FARTHEST = 3.0
"""How far at most."""

MEETING = 0.05
"""Overlap of two faces from which their motions are no longer trusted."""

LONGEST_MEETING = 45
"""Frames after which two faces that overlap are taken to stay so."""


@dataclass(slots=True, eq=False)
class _Step:
    """A track and where it may be in this frame."""

    track: Track
    look: Look
    used: np.ndarray  # the alignment of that look
    box: Box = field(init=False)
    off: float = field(init=False)

    def __post_init__(self) -> None:
        self.box = face_box(self.look.landmarks)
        self.off = (self.track.course or self.track.motion).distance(self.box)


class Tracker:
    """Follows the faces of one stream; how losses are noticed is told in `runtime.tracking.lost`.

    Args:
        pipeline: Finder and network.
        verify_every: Frames between two looks of the finder at a tracked face, and between two
            searches for a lost one while others are followed.
        search_every: Frames between two searches for newcomers; None for none.

    Attributes:
        ended: Numbers of the faces that the last frame gave up for good.
    """

    def __init__(self, pipeline: Pipeline, verify_every: int, search_every: int | None) -> None:
        self._pipeline = pipeline
        self._verify_every = verify_every
        self._search_every = search_every
        self.reset()

    def reset(self) -> None:
        """Forget all faces, and start their numbers at 0; see `cut`."""
        self._tracks: list[Track] = []
        self._missing: list[Track] = []
        self._since_search = 0
        self._pause = SOON
        self._next_id = self._first_id = 0
        self._size: tuple[int, int] | None = None
        self._view: View | None = None  # of the last frame that shows anything
        self._elsewhere: list[Track] = []  # left behind in other scenes
        self.ended: tuple[int, ...] = ()

    def cut(self) -> None:
        """Begin another scene: nobody goes on in it, and numbers are not given again."""
        self._size = None  # as where frames of another size begin
        self._first_id = self._next_id  # so that what came before changes nothing of what follows

    def update(self, frame: np.ndarray, watch: Stopwatch) -> list[Track]:
        """Take in the next frame.

        Args:
            frame: (H, W, 3) uint8, BGR.
            watch: Gets the time.

        Returns:
            The faces of this frame, by id. After `cut`, or if the size of frames has changed (as
            when a camera comes back), all of them are new; so are they in another scene
            (`runtime.tracking.scene`), but for faces that are still in their places.
        """
        size = size_of(frame)
        gone: list[Track] = []
        view, cut = View(frame), False
        if size != self._size:
            gone = [*self._tracks, *self._missing, *self._elsewhere]
            self._tracks, self._missing, self._elsewhere = [], [], []
            self._size, self._view = size, None
        elif self._view is not None and view.is_another_scene(self._view):
            self._change_scene(self._view, view)
            cut = True
        if view.tells:
            self._view = view
        self._since_search += 1
        for track in (*self._missing, *self._elsewhere):
            track.await_return(size)
        lost = self._follow(frame, watch)
        self._missing += lost
        if self._must_search(bool(lost), cut):
            self._search(frame, watch)
        if cut or lost:
            self._pause = SOON  # the search of just now is the first one for it
        self._forget()
        self.ended = (*(track.id for track in gone), *self.ended)
        self._tracks.sort(key=lambda track: track.id)
        return list(self._tracks)

    def _change_scene(self, before: View, now: View) -> None:
        """Leave all behind whose place has changed as well.

        A flash, a damaged frame or a passer-by look like a cut, and films cut back: whoever was
        seen in a scene like this one is only missing.
        """
        stay = [track for track in self._tracks if now.is_same_at(track.box, before)]
        left = [track for track in self._tracks if track not in stay]
        for track in left:
            track.lose()
        away = [*self._missing, *self._elsewhere, *left]
        self._tracks = stay
        self._missing = [track for track in away if track.was_seen_in(now)]
        self._elsewhere = [track for track in away if track not in self._missing]

    def _forget(self) -> None:
        """Give up those that are away for long, and of very many the oldest."""
        away = [*self._missing, *self._elsewhere]
        keep = [track for track in away if track.age <= REMEMBER]
        keep = sorted(keep, key=lambda track: track.age)[: 4 * self._pipeline.max_faces]
        self.ended = tuple(track.id for track in away if track not in keep)
        self._missing = [track for track in self._missing if track in keep]
        self._elsewhere = [track for track in self._elsewhere if track in keep]

    def _follow(self, frame: np.ndarray, watch: Stopwatch) -> list[Track]:
        """Move the tracks on to this frame; return those that were lost."""
        size = size_of(frame)
        used = [_expected(track) for track in self._tracks]
        looks = self._pipeline.run(frame, used, watch)
        steps, lost = [], []
        for track, matrix, look in zip(self._tracks, used, looks, strict=True):
            wrong = why_lost(look.landmarks, matrix, size)
            if wrong or not self._pipeline.large_enough(face_box(look.landmarks), roughly=True):
                lost.append(track)
            else:
                steps.append(_Step(track, look, matrix))
        kept: list[_Step] = []
        # Of two on one face, the one that stayed on its course; of two that did, the older one.
        for step in sorted(steps, key=lambda step: (round(step.off, 1), step.track.id)):
            if any(overlap(step.box, other.box) >= SAME_FACE for other in kept):
                lost.append(step.track)
                continue
            kept.append(step)
        other = {step.track: step.track.looks_other(glance(frame, step.used)) for step in kept}
        for step in sorted(kept, key=lambda step: step.track.id):
            track = step.track
            track.found(step.look, step.box, self._view, frame)
            # Where faces pass each other, another one may be before it for a while. Not several
            # of them at once.
            sudden = other[track] and (not track.met or (len(other) > 1 and all(other.values())))
            if sudden or track.misses or track.age >= self._verify_every:
                track.looked_at(self._pipeline.confirm(frame, track.landmarks, watch))
                if track.misses >= (1 if sudden else MAX_MISSES):
                    lost.append(track)
        self._tracks = [step.track for step in kept if step.track not in lost]
        for track in lost:
            track.lose()
        _meet(self._tracks, self._missing + lost)
        return lost

    def _must_search(self, lost: bool, cut: bool) -> bool:
        if lost or not self._tracks:
            return True
        full = len(self._tracks) >= self._pipeline.max_faces
        newcomers = None if full else self._search_every  # frames between two searches for them
        if cut and newcomers:
            return True
        pauses = [min(self._pause, self._verify_every)] if self._missing else []
        if newcomers:
            pauses.append(newcomers)
        return self._since_search >= min(pauses, default=np.inf)

    def _search(self, frame: np.ndarray, watch: Stopwatch) -> None:
        """Look for faces that are not tracked; lost ones get their number back."""
        if self._since_search >= self._pause:
            self._pause *= 2
        self._since_search = 0
        found = self._untracked(self._pipeline.find(frame, watch))
        sightings = [
            sighting
            for sighting in self._pipeline.look_twice(frame, found, watch)
            if not any(
                same_face(face_box(sighting.look.landmarks), track.box) for track in self._tracks
            )
        ][: self._pipeline.max_faces - len(self._tracks)]
        before = self._recognise(sightings, frame)
        for number, sighting in enumerate(sightings):
            self._begin(sighting, before.get(number), frame)

    def _untracked(self, found: list[FoundFace]) -> list[FoundFace]:
        """Leave out what is being followed: each track stands for one find at most."""
        followed = [track.box for track in self._tracks]

        def cost(box: Box, other: Box) -> float:
            common = overlap(box, other)
            return 1 - common if common >= AGAIN else FORBIDDEN

        boxes = [alignment_box(face.alignment) for face in found]
        known = {row for row, _ in assign([[cost(box, o) for o in followed] for box in boxes])}
        return [face for number, face in enumerate(found) if number not in known]

    def _recognise(self, sightings: list[Sighting], frame: np.ndarray) -> dict[int, Track]:
        """Match what was found with the missing; number of the sighting → track."""
        size = size_of(frame)

        def cost(sighting: Sighting, track: Track) -> float:
            landmarks = sighting.look.landmarks
            away = track.distance(face_box(landmarks))
            if away > min(REACH + REACH_GROWS * track.age, FARTHEST):
                return FORBIDDEN
            if track.portrait is not None and not track.motion.is_inside(size):
                seen = portrait(frame, alignment_matrix(landmarks))
                if difference(track.portrait, seen) > LIKE:
                    return FORBIDDEN
            return away

        costs = [[cost(sighting, track) for track in self._missing] for sighting in sightings]
        return {row: self._missing[column] for row, column in assign(costs)}

    def _begin(self, sighting: Sighting, before: Track | None, frame: np.ndarray) -> None:
        motion = Motion.of_box(face_box(sighting.look.landmarks))
        if before is None:
            number = self._next_id
            self._next_id += 1
        else:
            number = before.id
            self._missing.remove(before)
        # Tracks that begin together should not all be verified on the same frames.
        age = (number - self._first_id) % self._verify_every
        track = Track(number, sighting.look, sighting.score, motion, age)
        matrix = alignment_matrix(track.landmarks)
        track.seen, track.portrait = glance(frame, matrix), portrait(frame, matrix)
        track.views = () if self._view is None else (self._view,)
        self._tracks.append(track)


def _expected(track: Track) -> np.ndarray:
    """Move a track on by a frame, and tell the alignment that it should have there."""
    old = track.motion.x, track.motion.y
    track.predict()
    shift = np.array([track.motion.x - old[0], track.motion.y - old[1]])
    matrix = alignment_matrix(track.landmarks)
    matrix[:, 2] = transform(-shift, matrix)
    return matrix


def _meet(tracks: list[Track], missing: list[Track]) -> None:
    """Set a course aside for those that begin to overlap; drop it for those that ceased to.

    One that has just gone missing may be right behind another, so it counts as well.
    """
    boxes = [(track, track.box) for track in tracks]
    boxes += [(track, track.motion.box) for track in missing if track.age <= LONGEST_MEETING]
    for track, box in boxes[: len(tracks)]:
        alone = all(overlap(box, other) < MEETING for mate, other in boxes if mate is not track)
        track.met = 0 if alone else track.met + 1
        if alone or track.met > LONGEST_MEETING:
            track.course = None
            track.met = 0
        elif track.course is None:
            track.course = track.motion.copy()
