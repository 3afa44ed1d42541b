"""The CSV of this project: a row a face, all that results hold but timings.

=============================  ==================================================================
``frame``                      0-based number of the frame
``timestamp``                  seconds since the start; empty where the source knows no time
``face_id``                    stays with a face from frame to frame
``success``                    1, or 0 where no face was found; the other cells are empty then
``score``                      the face finder's last opinion, 0 to 1
``box_x box_y box_w box_h``    pixels
``AU01`` …                     probability, 0 to 1
``AU01_c`` …                   1 where the AU is present
``AU01_r`` …                   intensity, 0 to 5, from models that tell it
``AU01_adj`` …                 probability after baseline and smoothing, where asked for
``x_0`` … ``x_48``, ``y_0`` …  landmarks, pixels; scheme of `runtime.landmarks`
``yaw pitch roll``             head pose, degrees, see `runtime.pose`
``pose_x pose_y pose_z``       where the head is, mm
``input``                      file that the frame came from, in runs over folders
=============================  ==================================================================
"""

from pathlib import Path

from runtime.formats.columns import (
    INTENSITY,
    PIXELS,
    SCORE,
    TIME,
    Cell,
    Column,
    CsvWriter,
    Layout,
    numbered,
    require_aus,
    require_intensities,
)
from runtime.landmarks import COUNT
from runtime.results import Face, Result

POSE = ("yaw", "pitch", "roll", "pose_x", "pose_y", "pose_z")


def columns(layout: Layout) -> list[Column]:
    """List the columns."""
    aus = layout.aus
    return [
        *(Column("frame"), Column("timestamp", TIME), Column("face_id"), Column("success")),
        Column("score", SCORE),
        *numbered(("box_x", "box_y", "box_w", "box_h"), PIXELS),
        *numbered(aus, 4),
        *numbered((f"{au}_c" for au in aus), None),
        *numbered((f"{au}_r" for au in aus if layout.intensity), INTENSITY),
        *numbered((f"{au}_adj" for au in aus if layout.adjusted), 4),
        *numbered((f"{axis}_{i}" for axis in "xy" for i in range(COUNT)), PIXELS),
        *numbered(POSE[:3], 2),
        *numbered(POSE[3:], 1),
        *((Column("input", text=True),) if layout.named else ()),
    ]


def rows(result: Result, layout: Layout) -> list[list[Cell]]:
    """Turn a frame into rows, unrounded.

    Raises:
        InputError: It lacks AUs or intensities that the layout has columns for.
    """
    require_aus(layout, result)
    require_intensities(layout.aus if layout.intensity else (), result)
    start: list[Cell] = [result.index, result.timestamp]
    end: list[Cell] = [result.name] if layout.named else []
    if result.faces:
        return [[*start, *_cells(face, layout), *end] for face in result]
    empty = len(columns(layout)) - len(start) - 2 - len(end)
    return [[*start, None, 0, *[None] * empty, *end]]


class NativeWriter(CsvWriter):
    """Writes the table.

    Args:
        path: The file to write.
        layout: What the results hold.
        keep: As of `runtime.formats.growing.GrowingText`.
    """

    def __init__(self, path: Path, layout: Layout, keep: int = 0) -> None:
        super().__init__(path, columns(layout), keep)
        self._layout = layout

    def rows(self, result: Result) -> list[list[Cell]]:
        """Turn a frame into rows."""
        return rows(result, self._layout)


def _cells(face: Face, layout: Layout) -> list[Cell]:
    aus, pose = layout.aus, face.pose
    return [
        *(face.id, 1, face.score, *face.box),
        *(face.aus[au] for au in aus),
        *(int(au in face.present) for au in aus),
        *(face.intensities[au] for au in aus if layout.intensity),
        *(face.adjusted.get(au, face.aus[au]) for au in aus if layout.adjusted),
        *face.landmarks.T.ravel().tolist(),
        *((None,) * 6 if pose is None else (pose.yaw, pose.pitch, pose.roll, *pose.translation)),
    ]
