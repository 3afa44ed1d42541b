"""The times of a video's frames, where its container has some twice, or none."""

import math

FEW = 4
"""Frames in a row that may stand at one time; with more of them a container has lost its times."""

BACK = 1.0
"""Seconds by which a time may fall back, as where frames come out of order; more is a new start, as
where recordings were joined."""


class Clock:
    """Gives each frame a time above that of the frame before: the container's, wherever it can.

    Frames that stand at one time lie between it and the next; a bare stream, with every frame at 0,
    gets the step from one to the next.

    Args:
        step: Seconds from frame to frame where the container says nothing.
    """

    def __init__(self, step: float) -> None:
        self._step = step
        self._said: float | None = None  # by the container, of the frame before
        self._given = 0.0
        self._gap: float | None = None  # the shortest so far between two frames
        self._shift = 0.0
        self._repeats = 0

    def __call__(self, said: float) -> float:
        """Tell the time of the next frame.

        Args:
            said: What the container says, seconds; need not be a number.

        Returns:
            Its time, seconds.
        """
        if self._said is None:
            self._given = self._said = said if math.isfinite(said) else 0.0
            return self._given
        if not math.isfinite(said):
            said = self._said
        gap = self._gap or self._step
        if said < self._said - BACK:
            self._shift = self._given + gap - said
        elif said > self._said:
            self._gap = min(gap, said - self._said) if self._gap else said - self._said
        self._said = said
        if said + self._shift > self._given:
            self._given, self._repeats = said + self._shift, 0
        else:
            self._repeats += 1
            halves = self._gap is not None and self._repeats <= FEW
            self._given += gap / 2**self._repeats if halves else gap
        return self._given
