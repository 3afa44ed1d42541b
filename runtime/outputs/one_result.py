"""One result by itself: as a data frame of pandas, and as a file."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime.errors import InputError
from runtime.files.atomic import PendingFile, write_json
from runtime.formats import native
from runtime.formats.columns import Layout, csv_lines, table_lines
from runtime.installed import how_to_install
from runtime.landmarks import COUNT
from runtime.results import Result

if TYPE_CHECKING:
    import pandas


def data_frame(result: Result) -> "pandas.DataFrame":
    """Make a table, see `Result.to_df`."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(f"to_df needs pandas: {how_to_install('dataframe')}") from error
    layout = layout_of(result)
    columns = native.columns(layout)
    table = pandas.DataFrame(native.rows(result, layout), columns=[c.name for c in columns])
    # A column of nothing but None would be of objects, and spoil the type when frames are joined.
    types = {c.name: "Int64" if c.digits is None else "float64" for c in columns if not c.text}
    return table.astype(types)


def csv_text(result: Result) -> str:
    """Write the native table of one frame, see `Result.to_csv`."""
    layout = layout_of(result)
    columns = native.columns(layout)
    head = csv_lines([[column.name for column in columns]])
    return head + table_lines(columns, native.rows(result, layout))


def detections(result: Result) -> dict[str, object]:
    """Make arrays for `supervision`, see `Result.to_detections`."""
    count = len(result)
    boxes = np.array([face.box for face in result], np.float32).reshape(count, 4)
    boxes[:, 2:] += boxes[:, :2]
    points = np.array([face.landmarks for face in result], np.float32).reshape(count, COUNT, 2)
    aus = layout_of(result).aus
    return {
        "xyxy": boxes,
        "confidence": np.array([face.score for face in result], np.float32),
        "class_id": np.zeros(count, int),
        "tracker_id": np.array([face.id for face in result], int),
        "data": {
            "landmarks": points,
            **{au: np.array([face.aus[au] for face in result], np.float32) for au in aus},
        },
    }


def save(result: Result, path: Path, frame: np.ndarray | None) -> None:
    """Write a file, see `Result.save`."""
    suffix = path.suffix.lower()
    if suffix == ".json":
        write_json(path, result.to_dict())
        return
    if suffix == ".csv":
        with PendingFile(path) as part:
            part.write_text(csv_text(result), encoding="utf-8")
        return
    if frame is None:
        raise InputError(
            f"{path}: give .json or .csv, or the frame as well to save a picture of it"
        )
    from runtime.outputs.pictures import write_image

    write_image(path, result.plot(frame))


def layout_of(result: Result) -> Layout:
    """Tell what a result holds; what nobody has said is looked up in its faces."""
    faces, holds = result.faces, result.holds
    return Layout(
        aus=holds.aus or (tuple(faces[0].aus) if faces else ()),
        intensity=holds.intensity or any(face.intensities for face in faces),
        adjusted=holds.adjusted or any(face.adjusted for face in faces),
        named=bool(result.name),
    )
