"""One face that is being followed, or missing: what is known of it."""

from dataclasses import dataclass

import numpy as np

from runtime.align import alignment_matrix
from runtime.boxes import Box, face_box
from runtime.pipeline import Look
from runtime.tracking.glance import alike
from runtime.tracking.motion import Motion
from runtime.tracking.portrait import portrait
from runtime.tracking.scene import View

LAG = 10
"""Frames before a loss from which its motion is also looked at: whatever comes before a face drags
the landmarks along for some frames, until the loss is noticed."""


@dataclass(slots=True, eq=False)
class Track:
    """One face that is being followed.

    Attributes:
        id: Its number, never given twice between resets.
        look: The last at it.
        score: The finder's last opinion; 0 after a miss.
        motion: How it moves.
        age: Frames since the finder last looked at it; once lost, frames since then.
        misses: Times in a row that the finder did not see it.
        course: Its motion from before it met another face, moved on since; None where it is alone.
        met: Frames since then.
        earlier: Its motion of `LAG` to twice as many frames ago, moved on since.
        views: What frames showed in which it was seen: the last, and one that is `LAG` to twice as
            many frames older, if any.
        seen: What was seen in its place, see `runtime.tracking.glance`.
        portrait: What it looked like `LAG` to twice as many frames ago, or in its first frame.
    """

    id: int
    look: Look
    score: float
    motion: Motion
    age: int = 0
    misses: int = 0
    course: Motion | None = None
    met: int = 0
    earlier: Motion | None = None
    views: tuple[View, ...] = ()
    seen: np.ndarray | None = None
    portrait: np.ndarray | None = None
    _later: Motion | None = None  # becomes `earlier`
    _later_view: View | None = None  # becomes the second of `views`
    _later_portrait: np.ndarray | None = None  # becomes `portrait`
    _lag: int = 0

    @property
    def landmarks(self) -> np.ndarray:
        """Where the face was last, (49, 2) float64, pixels of the frame."""
        return self.look.landmarks

    @property
    def box(self) -> Box:
        """Box around the landmarks."""
        return face_box(self.look.landmarks)

    def looked_at(self, score: float | None) -> None:
        """Note what the finder said: a score, or None where it saw no face."""
        self.age = 0
        self.misses = 0 if score is not None else self.misses + 1
        self.score = score or 0.0

    def looks_other(self, seen: np.ndarray) -> bool:
        """Take in what is seen in its place; tell whether it has changed at once."""
        before, self.seen = self.seen, seen
        return before is not None and not alike(before, seen)

    def predict(self) -> None:
        """Move all that is known of its motion on by a frame."""
        for motion in self._motions():
            motion.predict()

    def await_return(self, size: tuple[int, int]) -> None:
        """Move it on by a frame of that width and height in which it is missing."""
        self.age += 1
        for motion in self._motions():
            motion.predict(seen=False)
            motion.stay_beside(size)

    def _motions(self) -> list[Motion]:
        all_there_are = (self.motion, self.course, self.earlier, self._later)
        return [motion for motion in all_there_are if motion is not None]

    def was_seen_in(self, view: View) -> bool:
        """Tell whether it was seen in the scene of a view."""
        return any(view.is_same_scene(earlier) for earlier in self.views)

    def found(
        self, look: Look, box: Box, view: View | None = None, frame: np.ndarray | None = None
    ) -> None:
        """Take in where it was found, and what the frame shows."""
        self.look = look
        self.age += 1
        self.motion.correct(box)
        self._lag -= 1
        if self._lag < 0:
            self.earlier, self._later, self._lag = self._later, self.motion.copy(), LAG
            old, self._later_view = self._later_view, view
            self.views = (*self.views[:1], *([old] if old else []))
            if frame is not None:
                if self._later_portrait is not None:
                    self.portrait = self._later_portrait
                self._later_portrait = portrait(frame, alignment_matrix(look.landmarks))
        if view is not None:
            self.views = (view, *self.views[1:])

    def lose(self) -> None:
        """Note that it is missing from now on."""
        self.age = self.misses = 0
        if self.course is not None:
            self.motion, self.course, self.earlier = self.course, None, None
        self._later = None

    def distance(self, box: Box) -> float:
        """Tell how far a box is from where the missing face may be, see `Motion.distance`."""
        courses = (self.motion, self.earlier)
        return min(motion.distance(box) for motion in courses if motion is not None)
