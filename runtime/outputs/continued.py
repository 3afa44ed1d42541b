"""Face ids that go on behind a run that was cut off."""

from dataclasses import replace

from runtime.boxes import overlap
from runtime.results import Result

SAME_PLACE = 0.3
"""Overlap of the boxes on both sides of the joint, over their union, of one and the same face."""


class ContinuedIds:
    """Numbers faces so that nobody gets a number that another face had before the joint.

    A face that is where one was in the last frame before the joint goes on under its number.

    Args:
        last: The last frame before the joint.
        highest: The highest number that was given, -1 for none.
        cut: Whether another file begins behind the joint, in which nobody goes on.
    """

    def __init__(self, last: Result | None, highest: int, cut: bool = False) -> None:
        self._last = None if cut else last
        self._ended = tuple(face.id for face in last or ()) if cut else ()
        self._next = highest + 1
        self._names: dict[int, int] = {}

    def apply(self, result: Result) -> Result:
        """Number the faces of the next frame behind the joint; they come by their new numbers."""
        if self._last is not None:
            self._match(result, self._last)
            self._last = None
        ended = (*self._ended, *(self._name(number) for number in result.ended))
        self._ended = ()
        renamed = [replace(face, id=self._name(face.id)) for face in result]
        faces = tuple(sorted(renamed, key=lambda face: face.id))
        for number in result.ended:
            self._names.pop(number, None)
        return replace(result, faces=faces, ended=ended)

    def _match(self, result: Result, last: Result) -> None:
        pairs = [(overlap(face.box, old.box), face.id, old.id) for face in result for old in last]
        for common, new, old in sorted(pairs, reverse=True):
            free = new not in self._names and old not in self._names.values()
            if common >= SAME_PLACE and free:
                self._names[new] = old
        # Who is not found again at once gets a number that is new.
        self._ended = tuple(old.id for old in last if old.id not in self._names.values())

    def _name(self, number: int) -> int:
        if number not in self._names:
            self._names[number] = self._next
            self._next += 1
        return self._names[number]
