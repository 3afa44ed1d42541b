"""When action units begin and end, told frame by frame."""

from collections.abc import Iterator
from dataclasses import dataclass

from runtime.errors import InputError
from runtime.formats.columns import TIME
from runtime.results import Face, Result


@dataclass(slots=True)
class Event:
    """An action unit of one face from onset to offset.

    Attributes:
        face_id: Number of the face.
        au: Key of the action unit.
        onset: Time of the first frame in which it is present, seconds.
        first: Number of that frame.
        offset: Time of the first frame in which it is not; of the last one so far while it lasts.
        last: Number of the last frame in which it is present.
        peak: Highest probability.
        peak_intensity: Highest intensity, None where the model tells none.
        name: File that it is in, in runs over many.
    """

    face_id: int
    au: str
    onset: float
    first: int
    offset: float
    last: int
    peak: float
    peak_intensity: float | None
    name: str = ""


class Changes:
    """Keeps the events that are going on.

    A face that is not found ends its events: nothing is known of it. So does the end of a file in
    runs over many, whose times and faces have nothing to do with those of the next.
    """

    def __init__(self) -> None:
        self._name, self._now = "", 0.0
        self.open: dict[tuple[int, str], Event] = {}
        """Face and AU → event that is going on, by onset."""

    def update(self, result: Result) -> list[Event]:
        """Take in a frame.

        Args:
            result: The frame's result.

        Returns:
            Events that this frame ended, by onset.

        Raises:
            InputError: The frame has no timestamp.
        """
        now = time_of(result)
        over: list[Event] = []
        if result.name != self._name or now < self._now:  # the same file may come twice
            over, self.open, self._name = list(self.open.values()), {}, result.name
        self._now = now
        here = {(face.id, au): face for face in result for au in face.present}
        ended = [event for key, event in self.open.items() if key not in here]
        for event in ended:
            event.offset = now
            del self.open[event.face_id, event.au]
        for (_, au), face in here.items():
            self._go_on(result.index, now, au, face)
        return over + ended

    def _go_on(self, index: int, now: float, au: str, face: Face) -> None:
        value = face.adjusted.get(au, face.aus[au])
        strength = face.intensities.get(au)
        event = self.open.get((face.id, au))
        if event is None:
            self.open[face.id, au] = Event(
                face_id=face.id,
                au=au,
                onset=now,
                first=index,
                offset=now,
                last=index,
                peak=value,
                peak_intensity=strength,
                name=self._name,
            )
            return
        event.offset, event.last = now, index
        event.peak = max(event.peak, value)
        if strength is not None:
            event.peak_intensity = max(event.peak_intensity or 0.0, strength)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.open.values())


def time_of(result: Result) -> float:
    """Return when a frame is, seconds, as the native table has it (`runtime.formats.columns`).

    Raises:
        InputError: Its source knows no time.
    """
    if result.timestamp is None:
        raise InputError(
            f"frame {result.index} has no timestamp, so events have no time: give a video or a "
            "camera, track(frame, timestamp) in a loop of your own, or another format"
        )
    return round(result.timestamp, TIME)
