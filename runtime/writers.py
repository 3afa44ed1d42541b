"""Results as files: a CSV row a face, an annotated video, annotated images."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from runtime.atomic import PendingFile
from runtime.errors import InputError, OpenCVError
from runtime.landmarks import COUNT
from runtime.results import Face, Result


def csv_header(
    aus: Sequence[str], with_name: bool = False, with_intensity: bool = False
) -> list[str]:
    """Name the columns.

    Args:
        aus: Keys of the model's AUs.
        with_name: Whether the last column is the image file that a frame came from.
        with_intensity: Whether there are columns of intensities.

    Returns:
        ``frame`` (0-based), ``timestamp`` (s), ``face_id``, ``success`` (0 where no face was
        found), ``score``, ``box_x`` to ``box_h`` (pixels), ``AU01`` … (probability), ``AU01_c`` …
        (0 or 1), perhaps ``AU01_r`` … (intensity, 0 to 5), ``x_0`` … ``x_48``, ``y_0`` … ``y_48``
        (pixels), and perhaps ``input``.
    """
    return [
        *("frame", "timestamp", "face_id", "success", "score"),
        *("box_x", "box_y", "box_w", "box_h"),
        *aus,
        *(f"{au}_c" for au in aus),
        *(f"{au}_r" for au in aus if with_intensity),
        *(f"x_{i}" for i in range(COUNT)),
        *(f"y_{i}" for i in range(COUNT)),
        *(("input",) if with_name else ()),
    ]


class CsvWriter:
    """Writes results as CSV, flushed frame by frame; a context manager, see `PendingFile`.

    Args:
        path: The file to write.
        aus: Keys of the model's AUs, `Detector.aus`.
        with_name: Whether to add the column ``input``, see `csv_header`.
        with_intensity: Whether to add the columns ``AU01_r`` …, `Detector.tells_intensity`.

    Raises:
        InputError: The folder cannot be made.
        OSError: The file cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        aus: Sequence[str],
        with_name: bool = False,
        with_intensity: bool = False,
    ) -> None:
        self._pending = PendingFile(path)
        self._aus = tuple(aus)
        self._with_name = with_name
        self._with_intensity = with_intensity
        header = csv_header(self._aus, with_name, with_intensity)
        self._unnamed = len(header) - with_name
        self._file = open(self._pending.path, "w", newline="", encoding="utf-8")
        self._put([header])

    def __enter__(self) -> "CsvWriter":
        return self

    def __exit__(
        self,
        exception: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
        self._pending.finish(exception)

    def write(self, result: Result) -> None:
        """Add one frame: a row a face, or a row of empty cells with ``success`` 0.

        Args:
            result: The frame's result.
        """
        time = "" if result.timestamp is None else f"{result.timestamp:.4f}"
        start, end = [result.index, time], [result.name] if self._with_name else []
        if result.faces:
            rows = [[*start, *self._cells(face), *end] for face in result]
        else:
            empty = self._unnamed - len(start) - 2
            rows = [[*start, "", 0, *[""] * empty, *end]]
        self._put(rows)

    def _cells(self, face: Face) -> list[object]:
        points = np.asarray(face.landmarks)
        return [
            *(face.id, 1, f"{face.score:.4f}"),
            *(f"{value:.2f}" for value in face.box),
            *(f"{face.aus[au]:.4f}" for au in self._aus),
            *(int(au in face.present) for au in self._aus),
            *(f"{face.intensities[au]:.3f}" for au in self._aus if self._with_intensity),
            *(f"{value:.2f}" for value in points.T.ravel()),
        ]

    def _put(self, rows: list[list[object]]) -> None:
        # One write a frame: whenever the program is stopped, no row is cut in two.
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        self._file.write(text.getvalue())
        self._file.flush()


class VideoWriter:
    """Writes frames as an MPEG-4 ``.mp4``; a context manager, see `PendingFile`.

    The first frame sets the size; frames of another are fitted into it on black. Without a frame
    no file is made.

    Args:
        path: The file to write.
        fps: Frames a second.

    Raises:
        InputError: The folder cannot be made.
    """

    def __init__(self, path: str | Path, fps: float) -> None:
        self._pending = PendingFile(path)
        self._fps = fps
        self._size = (0, 0)
        self._writer: cv2.VideoWriter | None = None

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self,
        exception: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.release()
            self._pending.finish(exception)
        else:
            self._pending.discard()

    def write(self, frame: np.ndarray) -> None:
        """Add a frame.

        Args:
            frame: (H, W, 3) uint8, BGR.

        Raises:
            OpenCVError: This OpenCV, or this size of frame, gives no such video.
        """
        if self._writer is None:
            self._size = (frame.shape[1], frame.shape[0])
            self._writer = self._open()
        self._writer.write(_fit(frame, self._size))

    def _open(self) -> cv2.VideoWriter:
        code = cv2.VideoWriter_fourcc(*"mp4v")
        writer = cv2.VideoWriter(str(self._pending.path), code, self._fps, self._size)
        if not writer.isOpened():
            width, height = self._size
            raise OpenCVError(
                f"{self._pending.target}: OpenCV {cv2.__version__} cannot write a video of "
                f"{width} × {height} there: check that the folder can be written to, or go "
                "without a video (--no-video)"
            )
        return writer


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write an image file, whole or not at all.

    Args:
        path: The file; its suffix says the format.
        image: (H, W, 3) uint8, BGR.

    Raises:
        InputError: The folder cannot be made.
        OSError: The file cannot be written.
    """
    path = Path(path)
    done, data = cv2.imencode(path.suffix, image)
    if not done:
        raise OSError(f"OpenCV {cv2.__version__} cannot encode {path}")
    with PendingFile(path) as part:
        part.write_bytes(data.tobytes())


def check_writable(folder: Path) -> None:
    """Make the output folder, and see that files can be made in it before hours are spent.

    Args:
        folder: The folder.

    Raises:
        InputError: It cannot be made or written to.
    """
    probe = PendingFile(folder / "probe")
    try:
        probe.path.touch()
    except OSError as error:
        raise InputError(
            f"output folder {folder} cannot be written to ({error.strerror}): give another"
        ) from error
    finally:
        probe.discard()


def _fit(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    height, width = frame.shape[:2]
    if (width, height) == size:
        return frame
    zoom = min(size[0] / width, size[1] / height)
    inner = (max(1, round(width * zoom)), max(1, round(height * zoom)))
    page = np.zeros((size[1], size[0], 3), np.uint8)
    x, y = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    page[y : y + inner[1], x : x + inner[0]] = cv2.resize(
        frame, inner, interpolation=cv2.INTER_AREA
    )
    return page
