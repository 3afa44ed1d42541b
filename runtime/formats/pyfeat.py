"""CSV with the columns of py-feat, for its `read_feat` and `Fex`.

``AU01`` … are probabilities, as py-feat's are: the adjusted ones where there are any. ``frame``
begins with 0, ``approx_time`` is in seconds, ``Identity`` is the number of the face. Angles are in
radians with py-feat's signs: ``Pitch`` up, ``Roll`` to the person's right shoulder, ``Yaw`` to the
person's right; ``X``, ``Y``, ``Z`` are millimetres. Cells of what is not known are empty: landmarks
of the jaw and the inner mouth corners (`runtime.formats.dlib68`), the emotions (which some of
`Fex`'s methods expect to be columns), and all but ``frame``, ``approx_time`` and ``input`` where no
face was found.
"""

from math import radians
from pathlib import Path

from runtime.formats import dlib68
from runtime.formats.columns import TIME, Cell, Column, CsvWriter, Layout, numbered, require_aus
from runtime.pose import HeadPose
from runtime.results import Face, Result

BOX = ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight")
POSE = ("Pitch", "Roll", "Yaw", "X", "Y", "Z")
EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")


class PyFeatWriter(CsvWriter):
    """Writes the table.

    Args:
        path: The file to write.
        layout: What the results hold.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self._layout = layout
        columns = [
            *numbered(BOX, 2),
            Column("FaceScore", 4),
            *numbered(dlib68.NAMES, 2),
            *numbered(POSE[:3], 4),
            *numbered(POSE[3:], 1),
            *numbered(layout.aus, 4),
            *numbered(EMOTIONS, None),
            *(Column("Identity"), Column("input", text=True), Column("frame")),
            Column("approx_time", 3, native=TIME),
        ]
        super().__init__(path, columns)

    def rows(self, result: Result) -> list[list[Cell]]:
        """Turn a frame into rows."""
        require_aus(self._layout, result)
        end: list[Cell] = [result.name or self._layout.source, result.index, result.timestamp]
        if not result.faces:
            return [[*[None] * (len(self.header) - len(end)), *end]]
        return [[*self._cells(face), face.id, *end] for face in result]

    def _cells(self, face: Face) -> list[Cell]:
        pose = face.pose
        return [
            *face.box,
            face.score,
            *dlib68.cells(face),
            *((None,) * 6 if pose is None else _pose(pose)),
            *(face.adjusted.get(au, face.aus[au]) for au in self._layout.aus),
            *(None,) * len(EMOTIONS),
        ]


def _pose(pose: HeadPose) -> tuple[float, ...]:
    return (-radians(pose.pitch), radians(pose.roll), -radians(pose.yaw), *pose.translation)
