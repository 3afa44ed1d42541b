"""Results drawn onto frames, for videos and live windows; needs no display."""

import numpy as np

from runtime.boxes import Box
from runtime.drawing.faces import draw_face, draw_number, draw_tag
from runtime.drawing.panel import Plan, draw_panel, features, plan_panel
from runtime.drawing.places import is_free
from runtime.drawing.style import Style, tag, text_width
from runtime.drawing.timeline import History, draw_timeline
from runtime.image import Picture, check_frame, size_of
from runtime.results import Result

__all__ = ["Annotator", "draw"]


def draw(frame: np.ndarray, result: Result) -> Picture:
    """Draw faces, action units and the latency onto a copy of a frame.

    The panel shows the first face, where it hides nobody; other faces carry the AUs that are
    present beside their boxes, and so does the first where there is no room for a panel. A model
    that tells intensities adds FACS's letter, A (trace) to E (maximum), to the AUs that are
    present. For a video with curves of the last seconds, see `Annotator`.

    Args:
        frame: The frame of the result, (H, W, 3) uint8, BGR; grey, BGRA and uint16 are converted.
        result: What the detector said of it.

    Returns:
        (H, W, 3) uint8, BGR, a new array.

    Raises:
        InputError: The frame is not an image.
    """
    return _draw(frame, result, None, None)[0]


class Annotator:
    """Draws the frames of one video, with a timeline of the face in the panel at the bottom.

    The timeline has a curve for each AU that was present in the last seconds, at most five.
    """

    def __init__(self) -> None:
        self._history = History()
        self._plan: Plan | None = None
        self._size = (0, 0)

    def draw(self, frame: np.ndarray, result: Result) -> Picture:
        """Draw the next frame, as `draw` does, with the timeline.

        Args:
            frame: As of `draw`.
            result: What the detector said of it.

        Returns:
            (H, W, 3) uint8, BGR, a new array.

        Raises:
            InputError: The frame is not an image.
        """
        frame = check_frame(frame)  # before the timeline takes in what is then not drawn
        self._history.add(result)
        if size_of(frame) != self._size:  # another video, of which the panel's size is another
            self._plan, self._size = None, size_of(frame)
        picture, self._plan = _draw(frame, result, self._history, self._plan)
        return picture


def _draw(
    frame: np.ndarray, result: Result, history: History | None, before: Plan | None
) -> tuple[np.ndarray, Plan | None]:
    """Draw a frame; return it and the panel that it has."""
    canvas = check_frame(frame)
    canvas = canvas.copy() if canvas is frame or np.shares_memory(canvas, frame) else canvas
    height, width = canvas.shape[:2]
    style = Style.of(width, height)
    for face in result:
        draw_face(canvas, face, style)
    note = _note(result)
    if not result.faces:
        tag(canvas, f"no face   {note}", (style.pad, style.pad), style)
        return canvas, None
    shown, *others = result.faces
    taken = [face.box for face in result]
    plan = plan_panel((width, height), shown, others, note, style, before)
    if plan:
        draw_panel(canvas, shown, note, plan)
        taken.append(plan.box)
    for number, face in enumerate(result):
        rest = taken[:number] + taken[number + 1 :]
        if face is not shown or not plan:
            taken.append(draw_tag(canvas, face, style, rest, corners=face is shown))
        elif others:
            taken.append(draw_number(canvas, face, style, rest))
    if not plan:
        taken.append(_draw_note(canvas, note, style, taken))
    if history:
        owner = f"#{shown.id}" if others else ""
        own = (shown.box, features(shown))
        draw_timeline(canvas, history.of(shown), history.now, own, taken[1:], style, owner)
    return canvas, plan


def _draw_note(canvas: np.ndarray, note: str, style: Style, taken: list[Box]) -> Box:
    """Write the note into a corner, where there is no panel for it; the first that is free."""
    wide = text_width(note, style.font) + 2 * style.pad if note else 0
    right, bottom = canvas.shape[1] - wide, canvas.shape[0] - style.row
    for corner in ((0, 0), (right, 0), (0, bottom), (right, bottom)):
        place = (*corner, wide, style.row)
        if note and is_free(place, taken):
            tag(canvas, note, corner, style)
            return place
    return (0, 0, 0, 0)


def _note(result: Result) -> str:
    """Say how long the frame took, and of live sources how old it is and how many are missing."""
    if result.latency_ms is not None:
        dropped = f"  {result.dropped} dropped" if result.dropped else ""
        return f"{result.latency_ms:.0f} ms late{dropped}"
    total = result.timings.total
    return f"{total:.1f} ms" if total else ""
