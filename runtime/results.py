"""What the detector hands out: plain frozen records, NumPy inside."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np


@dataclass(frozen=True, slots=True)
class Timings(Mapping[str, float]):
    """Where the time of one frame went; also a mapping from phase to milliseconds.

    The phases follow each other without gaps, so that their sum is what the frame took.

    Attributes:
        decode: Waiting for the frame to be read and decoded; 0 where the caller brought it. A
            video file is decoded ahead, beside the phases of the frames before it
            (`runtime.prefetch`), so that little of `decode_work` is left to wait for.
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
        present: Keys of the action units at or over the model's threshold.
        intensities: Key → how strong the action unit is on FACS's scale, 0 (absent), 1 (A, trace)
            to 5 (E, maximum), a fraction between them; empty if the model does not tell.
    """

    id: int
    box: tuple[float, float, float, float]
    score: float
    landmarks: np.ndarray
    aus: Mapping[str, float]
    present: tuple[str, ...]
    intensities: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Write the face as plain values, named as its attributes; ready for JSON."""
        return {
            "id": self.id,
            "box": list(self.box),
            "score": self.score,
            "landmarks": np.round(self.landmarks.astype(float), 2).tolist(),
            "aus": dict(self.aus),
            "present": list(self.present),
            "intensities": dict(self.intensities),
        }

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
        latency_ms: From the arrival of the frame from a camera or network to this result,
            milliseconds; None for all other sources.
        dropped: Frames of a camera or network passed over so far, because a newer one had come.
        ended: Ids of faces that will not come again; whoever keeps something by id lets go of it.
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

    def __iter__(self) -> Iterator[Face]:
        return iter(self.faces)

    def __len__(self) -> int:
        return len(self.faces)

    def to_dict(self) -> dict[str, object]:
        """Write the frame as plain values, named as its attributes; ready for JSON."""
        return {
            "index": self.index,
            "timestamp": self.timestamp,
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

    def __repr__(self) -> str:
        width, height = self.size
        faces = ", ".join(map(repr, self.faces)) or "no face"
        return f"Result(frame {self.index}, {width}x{height}, {self.timings.total:.1f} ms: {faces})"

    def placed(
        self,
        index: int,
        timestamp: float | None,
        wait_ms: float,
        decode_ms: float,
        name: str = "",
        latency_ms: float | None = None,
        dropped: int = 0,
    ) -> "Result":
        """Say where in a stream the frame was.

        Args:
            index: 0-based number of the frame.
            timestamp: Seconds since the start, or None.
            wait_ms: How long the frame was waited for, milliseconds.
            decode_ms: What reading and decoding it took by itself, milliseconds.
            name: File that the frame came from, if the stream has several.
            latency_ms: Milliseconds since the frame arrived, for live sources.
            dropped: Frames of a live source that were passed over so far.

        Returns:
            A copy that says so.
        """
        timings = replace(self.timings, decode=wait_ms, decode_work=decode_ms)
        return replace(
            self,
            timings=timings,
            index=index,
            timestamp=timestamp,
            name=name,
            latency_ms=latency_ms,
            dropped=dropped,
        )
