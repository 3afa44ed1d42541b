"""Face ids that go on behind a run that was cut off."""

from collections.abc import Mapping
from dataclasses import replace

from runtime.boxes import overlap
from runtime.results import Face, Result
from runtime.tracking.tracker import REMEMBER

SAME_PLACE = 0.3
"""Overlap of the boxes on both sides of the joint, over their union, of one and the same face."""


class ContinuedIds:
    """Numbers faces so that nobody gets a number that another face had before the joint.

    A face that is found where one was before the joint goes on under its number, for as long as the
    tracker of an uninterrupted run would have remembered that one: behind the joint it is searched
    for, and a search may miss who only had to be followed.

    Args:
        before: Faces before the joint, by number; of each its last sight.
        away: Frames since that sight, by number: 0 for who is in the last frame.
        highest: The highest number that was given, -1 for none.
    """

    def __init__(
        self,
        before: Mapping[int, Face],
        away: Mapping[int, int],
        highest: int,
    ) -> None:
        self._before, self._next = dict(before), highest + 1
        self._away = dict(away)
        self._names: dict[int, int] = {}

    def cut(self) -> None:
        """Begin another file with the next frame: nobody from before the joint goes on in it."""
        self._away = dict.fromkeys(self._before, REMEMBER)

    def apply(self, result: Result) -> Result:
        """Number the faces of the next frame behind the joint; they come by their new numbers."""
        over = self._forget()
        self._match(result)
        ended = (*over, *(self._name(number) for number in result.ended))
        renamed = [replace(face, id=self._name(face.id)) for face in result]
        faces = tuple(sorted(renamed, key=lambda face: face.id))
        for number in result.ended:
            self._names.pop(number, None)
        return replace(result, faces=faces, ended=ended)

    def _forget(self) -> list[int]:
        """Count a frame, and give up who has been away for too long."""
        self._away = {number: away + 1 for number, away in self._away.items()}
        over = [number for number, away in self._away.items() if away > REMEMBER]
        for number in over:
            del self._before[number], self._away[number]
        return over

    def _match(self, result: Result) -> None:
        pairs = [
            (-self._away[old], overlap(face.box, seen.box), face.id, old)
            for face in result
            if face.id not in self._names
            for old, seen in self._before.items()
        ]
        # Of several at one place, who was there last; of these the nearest.
        for _, common, new, old in sorted(pairs, reverse=True):
            if common >= SAME_PLACE and new not in self._names and old in self._before:
                self._names[new] = old
                del self._before[old], self._away[old]

    def _name(self, number: int) -> int:
        if number not in self._names:
            self._names[number] = self._next
            self._next += 1
        return self._names[number]
