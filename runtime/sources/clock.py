"""The times of a video's frames, where its container has some twice, or none."""

import math

FEW = 4
"""Frames in a row that may stand at one time; with more of them a container has lost its times."""

SURE = 2.0
"""Seconds at one time after which a container tells none; some tell whole seconds."""

BACK = 8
"""Steps by which a time may fall back, as where frames come out of order."""

LEAST = 1e-3
"""Seconds from frame to frame while the container's times catch up."""


class Clock:
    """Gives each frame a time above that of the frame before: the container's, wherever it can.

    Frames that stand at one time follow each other closely, until the container's is above them
    again; a bare stream, with every frame at 0, has the step from one to the next. Where times fall
    back and go on from there, recordings were joined: their times then go on from the last one.

    Args:
        step: Seconds from frame to frame where the container says nothing.
    """

    def __init__(self, step: float) -> None:
        self._step = step
        self._gap: float | None = None  # the shortest so far, a step at most
        self._said: float | None = None  # by the container, of the frame before
        self._given = 0.0
        self._shift = 0.0
        self._fell: float | None = None  # to where, if the last fall may be a new beginning
        self._repeats = 0

    @property
    def guesses(self) -> bool:
        """Whether all times are made of the step, as the container tells none."""
        return self._gap is None and self._repeats * self._step > SURE

    def __call__(self, said: float) -> float:
        """Tell the time of the next frame.

        Args:
            said: What the container says, seconds; need not be a number.

        Returns:
            Its time, seconds.
        """
        before = self._said
        if before is None:
            self._given = self._said = said if math.isfinite(said) else 0.0
            return self._given
        said = self._said = said if math.isfinite(said) else before
        line = self._given - self._shift  # what the container would say of the frame before
        if self._fell is not None and self._fell < said < (self._fell + line) / 2:
            self._shift, self._fell = self._given - self._fell, None
        if said + self._shift > self._given:
            if said > before:
                self._gap = min(self._gap or self._step, said - before)
            self._given, self._repeats, self._fell = said + self._shift, 0, None
        elif said > before:
            self._given += LEAST
        else:
            # One frame without a time stands at 0, so that only the next one tells a new beginning.
            self._fell = said if said < before - BACK * self._step else self._fell
            self._repeats += 1
            few = self._gap is not None and self._repeats <= FEW
            self._given += self._gap / 2**self._repeats if few else self._step
        return self._given
