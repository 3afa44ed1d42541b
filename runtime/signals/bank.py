"""The signals of all faces of a stream; what is kept of a face goes with the face."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from runtime.action_units import choose_aus
from runtime.results import FRAME_SECONDS, Face, Result
from runtime.signals.baseline import Baseline
from runtime.signals.hysteresis import Hysteresis
from runtime.signals.options import Signals
from runtime.signals.smoothing import SMOOTHING, Filter

FORGET = 300
"""Frames without a face after which it is forgotten, in case nobody says that it ended."""


@dataclass(slots=True, eq=False)
class _Track:
    """What is kept of one face."""

    baseline: Baseline | None
    smooth: Filter | None
    presence: Hysteresis
    seen: int
    """Number of the update in which it was seen last."""


class SignalBank:
    """Applies `Signals` to the results of one stream.

    A face that was lost and found again keeps its baseline; smoothing and hysteresis begin anew,
    since what was there before the gap says nothing of what is there after it.

    Args:
        signals: What to do.
        aus: Keys of the model's AUs.
        thresholds: The model's threshold of each.

    Raises:
        InputError: A threshold is of an AU that the model does not know.
    """

    def __init__(self, signals: Signals, aus: Sequence[str], thresholds: Sequence[float]) -> None:
        choose_aus(signals.thresholds, aus, "thresholds: this model knows")
        self._signals, self._aus = signals, tuple(aus)
        self._thresholds = np.array(
            [signals.thresholds.get(au, own) for au, own in zip(aus, thresholds, strict=True)]
        )
        self.baselines = 0
        """Faces whose baseline is known by now, since the bank was made."""
        self.faces = 0
        """Faces that there have been beside those of pictures, since the bank was made."""
        self.reset()

    def reset(self) -> None:
        """Forget all faces."""
        self._tracks: dict[int, _Track] = {}
        self._updates = 0
        self._time: float | None = None
        self._index = -1

    @property
    def followed(self) -> int:
        """Faces of which something is kept."""
        return len(self._tracks)

    def judge(self, result: Result) -> Result:
        """Judge what is present in a frame by itself, with the thresholds only."""
        return replace(result, faces=tuple(self._judged(face) for face in result))

    def _judged(self, face: Face) -> Face:
        on = self._values(face) >= self._thresholds
        return replace(face, present=self._named(on))

    def apply(self, result: Result, picture: bool = False) -> Result:
        """Take in the next frame.

        Args:
            result: The frame's result, with the model's own presence.
            picture: Whether it is a picture, whose one frame is no resting face.

        Returns:
            The same with `Face.adjusted` and `Face.present` as asked for.
        """
        self._updates += 1
        # Of frames without a time, numbers tell how many were left out between two.
        seconds = FRAME_SECONDS * max(1, result.index - self._index)
        if result.timestamp is not None and self._time is not None:
            seconds = max(0.0, result.timestamp - self._time)
        self._time, self._index = result.timestamp, result.index
        known = self._tracks.keys()
        if not picture:
            self.faces += sum(face.id not in known for face in result)
        learns = bool(self._signals.baseline) and not picture
        faces = tuple(self._follow(face, seconds, learns) for face in result)
        for number in result.ended:
            self._tracks.pop(number, None)
        if self._updates % FORGET == 0:
            oldest = self._updates - FORGET
            self._tracks = {n: track for n, track in self._tracks.items() if track.seen > oldest}
        return replace(result, faces=faces)

    def recall(self, result: Result) -> None:
        """Take in a frame from the table of a run that was cut off, to go on behind it.

        Args:
            result: The frame. Its faces may lack AUs, of which nothing is asked behind it either.
        """
        lacking = dict.fromkeys(self._aus, 0.0)
        faces = tuple(replace(face, aus={**lacking, **face.aus}) for face in result)
        # Pictures among videos have no time.
        picture = bool(result.name) and result.timestamp is None
        self.apply(replace(result, faces=faces), picture)

    def _follow(self, face: Face, seconds: float, learns: bool) -> Face:
        track = self._track(face.id, learns)
        values = self._values(face)
        if track.baseline:
            known = track.baseline.learned
            values = track.baseline(values)
            self.baselines += track.baseline.learned and not known
        if track.smooth:
            values = track.smooth(values, seconds)
        present = self._named(track.presence(values))
        if not self._signals.adjusts:
            return replace(face, present=present)
        adjusted = dict(zip(self._aus, values.tolist(), strict=True))
        return replace(face, adjusted=adjusted, present=present)

    def _track(self, number: int, learns: bool) -> _Track:
        before = self._tracks.get(number)
        if before and before.seen == self._updates - 1:
            before.seen = self._updates
            return before
        signals = self._signals
        rest = Baseline(signals.baseline, signals.baseline_quantile) if learns else None
        track = _Track(
            before.baseline if before else rest,
            SMOOTHING[signals.smooth]() if signals.smooth else None,
            Hysteresis(self._thresholds, signals.hysteresis),
            self._updates,
        )
        self._tracks[number] = track
        return track

    def _values(self, face: Face) -> np.ndarray:
        return np.array([face.aus[au] for au in self._aus])

    def _named(self, on: np.ndarray) -> tuple[str, ...]:
        return tuple(au for au, there in zip(self._aus, on.tolist(), strict=True) if there)
