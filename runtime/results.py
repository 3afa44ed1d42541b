"""What the detector hands out: plain frozen records, NumPy inside."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from runtime.action_units import choose_aus
from runtime.image import Picture
from runtime.pose import HeadPose, head_pose

if TYPE_CHECKING:
    import pandas

FRAME_SECONDS = 1 / 30
"""Time from frame to frame where the source knows no time."""


@dataclass(frozen=True, slots=True)
class Timings(Mapping[str, float]):
    """Where the time of one frame went; also a mapping from phase to milliseconds.

    The phases follow each other without gaps, so that their sum is what the frame took.

    Attributes:
        decode: Waiting for the frame to be read and decoded; 0 where the caller brought it. A
            video file is decoded ahead, beside the phases of the frames before it
            (`runtime.sources.prefetch`), so that little of `decode_work` is left to wait for.
        find: Looking for faces, or confirming that a tracked one is still a face.
        align: Cutting faces out, rotated and scaled.
        network: The network.
        post: Everything else: checks, tracks, making the result.
        decode_work: What reading and decoding took by itself, waited for or not. It is no phase,
            and no part of the sum.
    """

    decode: float = 0.0
    find: float = 0.0
    align: float = 0.0
    network: float = 0.0
    post: float = 0.0
    decode_work: float = 0.0

    @property
    def total(self) -> float:
        """Sum of the phases, ms."""
        return sum(self.values())

    def __getitem__(self, phase: str) -> float:
        if phase not in PHASES:
            raise KeyError(phase)
        return getattr(self, phase)

    def __iter__(self) -> Iterator[str]:
        return iter(PHASES)

    def __len__(self) -> int:
        return len(PHASES)


PHASES = ("decode", "find", "align", "network", "post")
"""Names of the phases, in the order in which a frame passes them."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face of a frame.

    Attributes:
        id: Number of the face; in a tracked stream it stays with the face from frame to frame.
        box: Left, top, width, height, pixels of the frame; brows to chin, from the landmarks, so
            it may reach outside the frame.
        score: The face finder's last opinion, on the finder's scale (0 to 1, higher is surer).
        landmarks: (49, 2) float32, read-only, pixels of the frame; scheme in `runtime.landmarks`.
        aus: Key such as ``"AU12"`` → probability that the action unit is active, 0 to 1.
        present: Keys of the action units that are there: at or over the model's threshold, or as
            `runtime.signals` was told to judge them.
        intensities: Key → how strong the action unit is on FACS's scale, 0 (absent), 1 (A, trace)
            to 5 (E, maximum), a fraction between them; empty if the model does not tell.
        adjusted: Key → the probability after `runtime.signals` took off the person's baseline
            and smoothed it; empty where neither was asked for.
        frame_size: Width and height of the frame, pixels, which `pose` needs; None if unknown.
    """

    id: int
    box: tuple[float, float, float, float]
    score: float
    landmarks: np.ndarray[tuple[Any, ...], np.dtype[np.float32]]
    aus: Mapping[str, float]
    present: tuple[str, ...]
    intensities: Mapping[str, float] = field(default_factory=dict)
    adjusted: Mapping[str, float] = field(default_factory=dict)
    frame_size: tuple[int, int] | None = None
    _pose: HeadPose | None = field(default=None, init=False, repr=False)

    @property
    def pose(self) -> HeadPose | None:
        """How the head is turned and where it is, computed from the landmarks when asked for.

        None where the size of the frame is unknown or the landmarks are no face.
        """
        if self._pose is None and self.frame_size is not None:
            # As in the files, so that reading them again gives the same pose.
            pose = head_pose(_to_hundredths(self.landmarks), self.frame_size)
            object.__setattr__(self, "_pose", pose)  # several files ask for it
        return self._pose

    def only(self, aus: Iterable[str | int]) -> "Face":
        """Leave out action units.

        Args:
            aus: Those that stay, ``"AU12"`` or ``12``, in the order wanted; one that is given twice
                stays once.

        Returns:
            A copy.

        Raises:
            InputError: The face has no such action unit.
        """
        keys = choose_aus(aus, self.aus, "this face has")

        def some(values: Mapping[str, float]) -> dict[str, float]:
            return {key: values[key] for key in keys if key in values}

        return replace(
            self,
            aus=some(self.aus),
            present=tuple(key for key in keys if key in self.present),
            intensities=some(self.intensities),
            adjusted=some(self.adjusted),
        )

    def to_dict(self) -> dict[str, Any]:
        """Write the face as plain values, named as its attributes; ready for JSON.

        Rounded as in the CSV: pixels to 2 digits, probabilities and score to 4, intensities to 3.
        """
        pose = self.pose
        return {
            "id": self.id,
            "box": [round(value, 2) for value in self.box],
            "score": round(self.score, 4),
            "landmarks": _to_hundredths(self.landmarks).tolist(),
            "aus": _rounded(self.aus, 4),
            "present": list(self.present),
            "intensities": _rounded(self.intensities, 3),
            "adjusted": _rounded(self.adjusted, 4),
            "pose": None if pose is None else pose.to_dict(),
        }

    def __repr__(self) -> str:
        x, y, w, h = self.box
        shown = " ".join(self.present) or "no AU present"
        return f"Face({self.id}: {w:.0f}x{h:.0f} at ({x:.0f}, {y:.0f}), {self.score:.2f}, {shown})"


class Holds(NamedTuple):
    """Which values the faces of a result carry; known even if there are no faces.

    Attributes:
        aus: Keys of the action units.
        intensity: Whether faces have `Face.intensities`.
        adjusted: Whether faces have `Face.adjusted`.
    """

    aus: tuple[str, ...] = ()
    intensity: bool = False
    adjusted: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What was found in one frame. True, sized and iterable by its faces.

    Attributes:
        faces: The faces, by id; empty where there is none.
        timings: Milliseconds by phase.
        size: Width and height of the frame, pixels.
        index: 0-based number of the frame in its stream.
        timestamp: Seconds since the stream's start; None where the source knows no time.
        name: File that the frame came from where a source holds many; otherwise empty.
        latency_ms: From the arrival of the frame from a camera or network to this result,
            milliseconds; None for all other sources.
        dropped: Frames of a camera or network passed over so far, because a newer one had come.
        ended: Ids of faces that will not come again; whoever keeps something by id lets go of it.
        holds: What faces are told with, so that a frame without any has the same columns.
    """

    faces: tuple[Face, ...]
    timings: Timings
    size: tuple[int, int]
    index: int = 0
    timestamp: float | None = None
    name: str = ""
    latency_ms: float | None = None
    dropped: int = 0
    ended: tuple[int, ...] = ()
    holds: Holds = field(default_factory=Holds)

    def __iter__(self) -> Iterator[Face]:
        return iter(self.faces)

    def __len__(self) -> int:
        return len(self.faces)

    def to_dict(self) -> dict[str, Any]:
        """Write the frame as plain values, named as its attributes; ready for JSON."""
        return {
            "index": self.index,
            "timestamp": None if self.timestamp is None else round(self.timestamp, 4),
            "name": self.name,
            "size": list(self.size),
            "latency_ms": None if self.latency_ms is None else round(self.latency_ms, 3),
            "dropped": self.dropped,
            "ended": list(self.ended),
            "timings": {phase: round(ms, 3) for phase, ms in self.timings.items()},
            "faces": [face.to_dict() for face in self.faces],
        }

    def to_json(self) -> str:
        """Write the frame as one line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def to_df(self) -> "pandas.DataFrame":
        """Make a table of the frame.

        Returns:
            A row a face, or one row with ``success`` 0; the columns of the native CSV
            (`runtime.formats.native`), unrounded. `pandas.concat` joins those of a video.

        Raises:
            ImportError: pandas is not installed.
        """
        from runtime.outputs.one_result import data_frame

        return data_frame(self)

    def to_csv(self) -> str:
        """Write the frame as the native CSV (`runtime.formats.native`), header and rows."""
        from runtime.outputs.one_result import csv_text

        return csv_text(self)

    def to_detections(self) -> dict[str, Any]:
        """Make arrays as `supervision` wants them: ``supervision.Detections(**this)``.

        Returns:
            For n faces ``xyxy``, (n, 4) float32, pixels; ``confidence``, (n,) float32, the finder's
            score; ``class_id``, (n,) int, all 0; ``tracker_id``, (n,) int; and ``data``, with
            ``landmarks``, (n, 49, 2) float32, and for each AU its probability, (n,) float32.
        """
        from runtime.outputs.one_result import detections

        return detections(self)

    def plot(self, frame: np.ndarray) -> Picture:
        """Draw the result onto a copy of its frame, see `runtime.drawing.draw`.

        Args:
            frame: (H, W, 3) uint8, BGR.

        Returns:
            (H, W, 3) uint8, BGR, a new array.

        Raises:
            InputError: The frame is not an image.
        """
        from runtime.drawing import draw

        return draw(frame, self)

    def save(self, path: str | Path, frame: np.ndarray | None = None) -> None:
        """Write the result to a file, whole or not at all.

        Args:
            path: ``.json`` for all of it, ``.csv`` for the native table, or an image file, such
                as ``.png``, for the frame with the result drawn onto it.
            frame: The frame, (H, W, 3) uint8, BGR; only images need it.

        Raises:
            InputError: The suffix is none of these, or the frame is missing or not an image.
            OSError: The file cannot be written.
        """
        from runtime.outputs.one_result import save

        save(self, Path(path), frame)

    def only(self, aus: Iterable[str | int]) -> "Result":
        """Leave out action units of all faces, see `Face.only`."""
        known = self.holds.aus or (self.faces[0].aus if self.faces else None)
        keys = choose_aus(aus, known, "this result has")
        faces = tuple(face.only(keys) for face in self.faces)
        return replace(self, faces=faces, holds=self.holds._replace(aus=keys))

    def __repr__(self) -> str:
        width, height = self.size
        faces = ", ".join(map(repr, self.faces)) or "no face"
        return f"Result(frame {self.index}, {width}x{height}, {self.timings.total:.1f} ms: {faces})"


def _rounded(values: Mapping[str, float], digits: int) -> dict[str, float]:
    return {key: round(value, digits) for key, value in values.items()}


def _to_hundredths(points: np.ndarray) -> np.ndarray:
    return np.round(points.astype(float), 2)
