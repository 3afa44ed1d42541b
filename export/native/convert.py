"""Export a checkpoint for the native engine, compare it, and judge what 8 bits cost."""

import logging
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from export.bounds import Bounds
from export.options import (
    HELD_OUT,
    LANDMARK_TOLERANCE,
    check_limits,
    checked_output,
    require_writable,
    tell_unused,
)
from runtime.files.atomic import PendingFile

PRECISIONS = ("int8", "fp32")

PROBABILITY_TOLERANCE = 5e-4
"""The engine keeps hidden states as fixed point of 16 bits, which changes probabilities by some
1e-4 at most; thresholds have two digits."""

MEAN_CHANGE = 0.01
"""A hundredth: Winograd's sums are rounded more coarsely than what the other engines round, and on
the packaged network this much was measured to cost no F1."""

logger = logging.getLogger(__name__)


def export_native(
    checkpoint: str | Path,
    output: str | Path | None = None,
    *,
    precision: str = "int8",
    faces: str | Path | None = None,
    tolerance: float = PROBABILITY_TOLERANCE,
    landmark_tolerance: float = LANDMARK_TOLERANCE,
    calibration: str | Path | None = None,
    mean_change: float = MEAN_CHANGE,
    held_out: str | Path | None = None,
    held_out_faces: int = HELD_OUT,
    bounds: Bounds | None = None,
    judge: bool = True,
) -> Path:
    """Write a checkpoint's network as a file of the native engine.

    The float32 file must equal the network up to rounding; an int8 file is made of it and judged
    beside it on labelled faces, with a report in ``<output>.accuracy.json``. The file appears under
    its name only after it has passed.

    Args:
        checkpoint: Written by ``python -m lgrnet.train``.
        output: Where to; None for the checkpoint's name with the suffix ``_native.npz``, or
            ``_native_fp32.npz``.
        precision: One of :data:`PRECISIONS`.
        faces: Folder of aligned faces to compare on; None for those of the demo clip.
        tolerance: How much an AU's probability may differ from PyTorch's.
        landmark_tolerance: How much a landmark coordinate may differ, pixels.
        calibration: int8: a data set, or a folder of aligned faces; None for the demo clip.
        mean_change: int8: mean change of a probability on those faces above which parts of the
            network stay in float, those that change it most first.
        held_out: int8: a data set whose test split judges; None for the demo clip.
        held_out_faces: How many of them at most.
        bounds: int8: what it may cost; None for the defaults.
        judge: int8: whether it is judged at all, which random weights need not be.

    Returns:
        The file.

    Raises:
        CheckpointError: The checkpoint cannot be used.
        InputError: There are no faces to compare on, or the output's folder cannot be made.
        DatasetError: A data set is not there or incomplete.
        ValueError: An argument is out of range.
        ImportError: The engine is not compiled.
        ExportError: The file failed the checks, or costs more than the bounds allow (the message
            names the AU); nothing was written.
    """
    # PyTorch takes seconds to load, which `--help` and wrong arguments need not.
    from export.accuracy import replace_report, require_own_report
    from export.faces import calibration_faces, demo_faces, folder_faces, require_faces
    from export.judge import judge as judge_file
    from export.judge import require_equal
    from export.native.arrays import network_arrays, network_shape
    from export.native.ranges import quantise
    from export.provenance import describe, load_lgrnet
    from runtime.backends.native import NativeBackend
    from runtime.native.model import NativeModel, write_model

    checkpoint = Path(checkpoint)
    suffix = "" if precision == "int8" else f"_{precision}"
    named = checkpoint.with_name(f"{checkpoint.stem}_native{suffix}.npz")
    output = checked_output(output, named)
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r}: give one of {', '.join(PRECISIONS)}")
    if held_out_faces < 1:
        raise ValueError(f"held-out faces: must be at least 1, got {held_out_faces}")
    check_limits(
        tolerance=tolerance, landmark_tolerance=landmark_tolerance, mean_change=mean_change
    )
    tell_unused(precision, calibration, held_out)
    model, meta = load_lgrnet(checkpoint)
    spec = describe(
        checkpoint, model.config, meta,
        batch=1, graph="winograd", engine="native", precision=precision, opset=None,
    )  # fmt: skip
    shape = network_shape(model.config)
    calibration, held_out = (None if f is None else Path(f) for f in (calibration, held_out))
    if precision == "int8" and judge:
        require_own_report(output)
        require_faces(calibration, held_out, spec.aus)
    native = NativeModel(replace(spec, precision="fp32"), shape, network_arrays(model))
    crops = demo_faces() if faces is None else folder_faces(Path(faces))
    report = None
    pending = PendingFile(output)
    require_writable(pending)
    try:
        with closing(NativeBackend(native, "cpu", threads=1)) as backend:
            require_equal(model, backend, crops, tolerance, landmark_tolerance)
        if precision == "int8":
            seen, where = calibration_faces(calibration)
            exact = native
            native, changes, floats, change = quantise(
                replace(native, spec=spec), seen, mean_change
            )
            logger.info(
                "calibrated on %d faces (%s): probabilities change by %.4f on average; in float "
                "stays %s",
                *(len(seen), where, change, ", ".join(floats) or "nothing"),
            )
            report = {
                "precision": precision,
                "engine": "native",
                "calibration": {"faces": where, "frames": len(seen)},
                "in_float": floats,
                "mean_change_of_parts": changes,
            }
        write_model(pending.path, native)
        if report is not None and judge:
            with tempfile.TemporaryDirectory() as folder:
                source = Path(folder) / "fp32.npz"
                write_model(source, exact)
                report |= judge_file(
                    source, pending.path, spec, held_out, held_out_faces, bounds or Bounds()
                )
        pending.commit()
    finally:
        pending.discard()
    replace_report(output, report if judge else None)
    logger.info("%s: %s, %.1f MB", output, precision, output.stat().st_size / 1e6)
    return output
