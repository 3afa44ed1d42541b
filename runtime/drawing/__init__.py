"""Results drawn onto frames, for videos and live windows; needs no display."""

import numpy as np

from runtime.drawing.faces import draw_face
from runtime.drawing.panel import draw_panel
from runtime.drawing.style import Style, tag
from runtime.drawing.timeline import History, draw_timeline
from runtime.image import check_frame
from runtime.results import Result

__all__ = ["Annotator", "draw"]


def draw(frame: np.ndarray, result: Result) -> np.ndarray:
    """Draw faces, action units and the latency onto a copy of a frame.

    The panel shows the first face, on the side that hides less of it; other faces carry the AUs
    that are present at their boxes. A model that tells intensities adds FACS's letter, A (trace) to
    E (maximum), to the AUs that are present. For a video with curves of the last seconds, see
    `Annotator`.

    Args:
        frame: The frame of the result, (H, W, 3) uint8, BGR; grey, BGRA and uint16 are converted.
        result: What the detector said of it.

    Returns:
        (H, W, 3) uint8, BGR, a new array.

    Raises:
        InputError: The frame is not an image.
    """
    return _draw(frame, result, None)


class Annotator:
    """Draws the frames of one video, with a timeline of the face in the panel at the bottom.

    The timeline has a curve for each AU that was present in the last seconds, at most five.
    """

    def __init__(self) -> None:
        self._history = History()

    def draw(self, frame: np.ndarray, result: Result) -> np.ndarray:
        """Draw the next frame, as `draw` does, with the timeline.

        Args:
            frame: As of `draw`.
            result: What the detector said of it.

        Returns:
            (H, W, 3) uint8, BGR, a new array.

        Raises:
            InputError: The frame is not an image.
        """
        self._history.add(result)
        return _draw(frame, result, self._history)


def _draw(frame: np.ndarray, result: Result, history: History | None) -> np.ndarray:
    canvas = check_frame(frame)
    canvas = canvas.copy() if canvas is frame or np.shares_memory(canvas, frame) else canvas
    height, width = canvas.shape[:2]
    style = Style.of(width, height)
    for face in result:
        draw_face(canvas, face, style, label=len(result) > 1)
    note = _note(result)
    if not result.faces:
        tag(canvas, f"no face   {note}", (style.pad, style.pad), style)
        return canvas
    shown = result.faces[0]
    panel = draw_panel(canvas, shown, note, style)
    if history:
        boxes = [face.box for face in result]
        if panel:
            boxes.append(panel)
        draw_timeline(canvas, history.of(shown), history.now, boxes, style)
    return canvas


def _note(result: Result) -> str:
    """Say how long the frame took, and of live sources how old it is and how many are missing."""
    if result.latency_ms is not None:
        dropped = f"  {result.dropped} dropped" if result.dropped else ""
        return f"{result.latency_ms:.0f} ms late{dropped}"
    total = result.timings.total
    return f"{total:.1f} ms" if total else ""
