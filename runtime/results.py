"""What the detector hands out: plain frozen records, NumPy inside."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np


@dataclass(frozen=True, slots=True)
class Timings(Mapping[str, float]):
    """Where the time of one frame went; also a mapping from phase to milliseconds.

    The phases follow each other without gaps, so that their sum is what the frame took.

    Attributes:
        decode: Reading and decoding the frame; 0 where the caller brought it decoded.
        find: Looking for faces, or confirming that a tracked one is still a face.
        align: Cutting faces out, rotated and scaled.
        network: The network.
        post: Everything else: checks, tracks, making the result.
    """

    decode: float = 0.0
    find: float = 0.0
    align: float = 0.0
    network: float = 0.0
    post: float = 0.0

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


PHASES: tuple[str, ...] = tuple(field.name for field in fields(Timings))
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
        present: Keys of the action units at or over the model's threshold.
    """

    id: int
    box: tuple[float, float, float, float]
    score: float
    landmarks: np.ndarray
    aus: Mapping[str, float]
    present: tuple[str, ...]

    def __repr__(self) -> str:
        x, y, w, h = self.box
        shown = " ".join(self.present) or "no AU present"
        return f"Face({self.id}: {w:.0f}x{h:.0f} at ({x:.0f}, {y:.0f}), {self.score:.2f}, {shown})"


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
    """

    faces: tuple[Face, ...]
    timings: Timings
    size: tuple[int, int]
    index: int = 0
    timestamp: float | None = None
    name: str = ""

    def __iter__(self) -> Iterator[Face]:
        return iter(self.faces)

    def __len__(self) -> int:
        return len(self.faces)

    def __repr__(self) -> str:
        width, height = self.size
        faces = ", ".join(map(repr, self.faces)) or "no face"
        return f"Result(frame {self.index}, {width}x{height}, {self.timings.total:.1f} ms: {faces})"

    def placed(
        self, index: int, timestamp: float | None, decode_ms: float, name: str = ""
    ) -> "Result":
        """Say where in a stream the frame was.

        Args:
            index: 0-based number of the frame.
            timestamp: Seconds since the start, or None.
            decode_ms: What reading the frame took, milliseconds.
            name: File that the frame came from, if the stream has several.

        Returns:
            A copy that says so.
        """
        timings = replace(self.timings, decode=decode_ms)
        return replace(self, timings=timings, index=index, timestamp=timestamp, name=name)
