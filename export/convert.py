"""From a float32 file to another precision, judged beside it before it takes its place."""

import logging
import shutil
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from export.bounds import Bounds
from export.faces import calibration_faces
from export.half import halve
from export.judge import judge
from export.quantise import quantise
from export.serialise import save
from runtime.backends import open_backend
from runtime.spec import ModelSpec

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Conversion:
    """How to convert and judge; see :func:`export.onnx.export_onnx`.

    Attributes:
        calibration: Faces to calibrate on, int8 only; None for the demo clip.
        mean_change: Mean probability change above which parts stay in float, int8 only.
        held_out: Data set that judges; None for the demo clip.
        held_out_faces: How many of its faces at most.
        bounds: What the precision may cost; None for not judging it.
    """

    calibration: Path | None
    mean_change: float
    held_out: Path | None
    held_out_faces: int
    bounds: Bounds | None


def convert(path: Path, spec: ModelSpec, how: Conversion) -> dict | None:
    """Turn a float32 file into the precision that its spec names, and judge it.

    Args:
        path: The float32 file; replaced at the end.
        spec: What the file shall say of itself.
        how: How to do it.

    Returns:
        The report, as plain values; None where nothing was judged.

    Raises:
        ExportError: A bound is broken.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        converted = folder / "converted.onnx"
        decisions = _write(path, converted, spec, how, folder)
        report = None
        if how.bounds is not None:
            report = judge(path, converted, spec, how.held_out, how.held_out_faces, how.bounds)
        shutil.copyfile(converted, path)
    return None if report is None else {**decisions, **report}


def _write(source: Path, target: Path, spec: ModelSpec, how: Conversion, folder: Path) -> dict:
    """Write the file with its metadata, and tell what was decided."""
    decisions: dict = {"precision": spec.precision, "graph": spec.graph, "engine": spec.engine}
    bare = folder / "bare.onnx"
    if spec.precision == "fp16":
        halve(source, bare)
    else:
        crops, faces = calibration_faces(how.calibration)

        def run(file: Path) -> np.ndarray:
            # The quantiser's files have no metadata yet, without which none can be opened.
            trial = folder / "trial.onnx"
            save(onnx.load(file), spec, trial)
            with closing(open_backend(trial, backend=spec.engine)) as backend:
                return backend(crops).probability

        result = quantise(
            source, bare, crops, run,
            batch=spec.batch, integer_outputs=spec.engine == "onnxruntime",
            mean_change=how.mean_change,
        )  # fmt: skip
        logger.info(
            "calibrated on %d faces (%s): probabilities change by %.4f on average; in float stays "
            "%s",
            *(len(crops), faces, result.mean_change, ", ".join(result.floats) or "nothing"),
        )
        decisions |= {
            "calibration": {"faces": faces, "frames": len(crops)},
            "in_float": list(result.floats),
            "mean_change_of_parts": result.changes,
        }
    save(onnx.load(bare), spec, target)
    return decisions
