"""CSV with the columns of OpenFace 2, in its order, for programs that read its files.

What ``FeatureExtraction -2Dfp -pose -aus`` writes (``RecorderCSV.cpp`` of OpenFace 2.2), with
differences that come from what this project knows:

* there are no spaces behind the commas;
* cells of what is not known are empty: of the 68 landmarks those of the jaw and of the inner mouth
  corners (`runtime.formats.dlib68`), ``AU45`` and other AUs that the model lacks, and everything
  but ``frame``, ``timestamp`` and ``success`` where no face was found;
* ``AUxx_r`` are there only if the model tells intensities: a probability is none;
* what OpenFace does not tell, such as AU24 and the intensity of AU28, follows its last column;
* there is no gaze.

``frame`` begins with 1. Head rotation is in radians, see `runtime.pose.HeadPose.openface`.
"""

from pathlib import Path

from runtime.action_units import au_key
from runtime.formats import dlib68
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
    require_intensities,
)
from runtime.results import Face, Result

INTENSITY_AUS = tuple(
    au_key(au) for au in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
)
"""AUs that OpenFace 2 tells the intensity of."""

PRESENCE_AUS = (*INTENSITY_AUS[:-1], "AU28", "AU45")
"""AUs that it tells the presence of."""

POSE = ("pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz")


class OpenFaceWriter(CsvWriter):
    """Writes the table.

    Args:
        path: The file to write.
        layout: What the results hold.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self._named = layout.named
        self._aus = [
            *((au, "r") for au in INTENSITY_AUS if layout.intensity),
            *((au, "c") for au in PRESENCE_AUS),
            *((au, "r") for au in layout.aus if layout.intensity and au not in INTENSITY_AUS),
            *((au, "c") for au in layout.aus if au not in PRESENCE_AUS),
        ]
        columns = [
            *(Column("frame"), Column("face_id"), Column("timestamp", 3, native=TIME)),
            *(Column("confidence", 2, native=SCORE), Column("success")),
            *numbered(POSE[:3], 1),
            *numbered(POSE[3:], 3),
            *numbered(dlib68.NAMES, 1, native=PIXELS),
            *(
                Column(f"{au}_r", 2, native=INTENSITY) if kind == "r" else Column(f"{au}_c")
                for au, kind in self._aus
            ),
            *((Column("input", text=True),) if layout.named else ()),
        ]
        super().__init__(path, columns)

    def rows(self, result: Result) -> list[list[Cell]]:
        """Turn a frame into rows."""
        require_intensities((au for au, kind in self._aus if kind == "r"), result)
        frame, end = result.index + 1, [result.name] if self._named else []
        if not result.faces:
            empty = len(self.header) - 5 - len(end)
            return [[frame, None, result.timestamp, None, 0, *[None] * empty, *end]]
        return [
            [frame, face.id, result.timestamp, face.score, 1, *self._cells(face), *end]
            for face in result
        ]

    def _cells(self, face: Face) -> list[Cell]:
        pose = face.pose
        return [
            *((None,) * 6 if pose is None else pose.openface()),
            *dlib68.cells(face),
            *(self._au(face, au, kind) for au, kind in self._aus),
        ]

    @staticmethod
    def _au(face: Face, au: str, kind: str) -> Cell:
        if au not in face.aus:
            return None
        return face.intensities[au] if kind == "r" else int(au in face.present)
