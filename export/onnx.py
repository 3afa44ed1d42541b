"""Export a checkpoint to one ONNX file: ``python -m export.onnx ckpt.pt [-o model.onnx]``."""

if __name__ == "__main__" and not __package__:
    raise SystemExit("this file's name hides the onnx package: run `python -m export.onnx` instead")

import argparse
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from export.bounds import Bounds
from export.errors import ExportError
from export.options import (
    HELD_OUT,
    LANDMARK_TOLERANCE,
    PROBABILITY_TOLERANCE,
    add_comparison,
    add_precision,
    check_limits,
    checked_output,
    require_writable,
    run,
    tell_unused,
)
from runtime.console.option_types import positive
from runtime.console.stoppable import stoppable
from runtime.files.atomic import PendingFile
from runtime.spec import GRAPHS, ONNX_ENGINES, PRECISIONS

if TYPE_CHECKING:
    from torch import nn

    from lgrnet.network.model import LGRNet
    from runtime.backends.base import Backend

MEAN_CHANGE = 0.005
"""Half a point of probability: for the packaged network, what its most sensitive part costs."""

logger = logging.getLogger("export.onnx")  # also where this file is run as __main__


def export_onnx(
    checkpoint: str | Path,
    output: str | Path | None = None,
    *,
    batch: int = 1,
    precision: str = "fp32",
    engine: str = "onnxruntime",
    graph: str | None = None,
    faces: str | Path | None = None,
    tolerance: float = PROBABILITY_TOLERANCE,
    landmark_tolerance: float = LANDMARK_TOLERANCE,
    calibration: str | Path | None = None,
    mean_change: float = MEAN_CHANGE,
    held_out: str | Path | None = None,
    held_out_faces: int = HELD_OUT,
    bounds: Bounds | None = None,
    judge: bool = True,
    traced: Sequence[Path] = (),
) -> Path:
    """Write a checkpoint's network as a static ONNX graph, and compare the two on faces.

    The float32 graph must equal the network up to rounding. Other precisions are made of it, and
    judged beside it on labelled faces; the report is written beside the file, as
    ``<output>.accuracy.json``. The file appears under its name only after it has passed; until
    then an older one stays.

    Args:
        checkpoint: Written by ``python -m lgrnet.train``.
        output: Where to; None for the checkpoint's name with the suffix ``.onnx``, or
            ``_int8.onnx`` and ``_fp16.onnx``.
        batch: Faces the graph takes at once, fixed.
        precision: ``"fp32"``, ``"fp16"`` or ``"int8"``.
        engine: What will run it, ``"onnxruntime"`` or ``"openvino"``; decides graph and details of
            the precision. The other one runs the file as well, less fast or less exactly.
        graph: ``"plain"``, ``"winograd"`` or ``"direct"``; None for what is fastest on the engine.
        faces: Folder of aligned faces to compare on; None for those of the demo clip.
        tolerance: How much an AU's probability may differ from PyTorch's.
        landmark_tolerance: How much a landmark coordinate may differ, pixels.
        calibration: int8: a data set, or a folder of aligned faces, that shows which numbers occur;
            None for the demo clip.
        mean_change: int8: mean change of a probability on those faces above which parts of the
            network stay in float, those that change it most first.
        held_out: int8 and fp16: a data set whose test split judges; None for the demo clip.
        held_out_faces: How many of them at most.
        bounds: int8 and fp16: what they may cost; None for the defaults.
        judge: int8 and fp16: whether they are judged at all, which random weights need not be.
        traced: Float32 files that this function wrote before. If one is of this checkpoint, graph
            and batch, its graph is taken, which saves the minute that tracing takes; it is
            compared with PyTorch all the same.

    Returns:
        The file.

    Raises:
        CheckpointError: The checkpoint cannot be used.
        InputError: There are no faces to compare on, or the output's folder cannot be made.
        DatasetError: A data set is not there or incomplete.
        ValueError: An argument is out of range.
        ImportError: The engine is not installed.
        ExportError: The exported model failed the checks, or a precision costs more than the
            bounds allow (the message names the AU); nothing was written.
    """
    # PyTorch and the exporter take seconds to load, which `--help` and wrong arguments need not.
    from export.accuracy import replace_report, require_own_report
    from export.convert import Conversion, convert
    from export.faces import demo_faces, folder_faces, require_faces
    from export.judge import require_equal
    from export.provenance import describe, load_lgrnet
    from export.recipes import fastest_graph
    from export.serialise import OPSET, find_traced, save, to_onnx

    checkpoint = Path(checkpoint)
    suffix = "" if precision == "fp32" else f"_{precision}"
    output = checked_output(output, checkpoint.with_name(f"{checkpoint.stem}{suffix}.onnx"))
    _check_arguments(graph, batch, held_out_faces)
    tell_unused(precision, calibration, held_out)
    check_limits(
        tolerance=tolerance, landmark_tolerance=landmark_tolerance, mean_change=mean_change
    )
    model, meta = load_lgrnet(checkpoint)
    graph = graph or fastest_graph(engine, precision, model.config.grid)
    spec = describe(
        checkpoint, model.config, meta,
        batch=batch, graph=graph, engine=engine, precision=precision, opset=OPSET,
    )  # fmt: skip
    crops = demo_faces() if faces is None else folder_faces(Path(faces))
    calibration, held_out = (None if f is None else Path(f) for f in (calibration, held_out))
    if precision != "fp32" and judge:
        require_own_report(output)
        require_faces(calibration, held_out, spec.aus, batch if precision == "int8" else 1)
    pending = PendingFile(output)
    require_writable(pending)
    try:
        proto = find_traced(traced, spec)
        if proto is None:
            proto = to_onnx(_graph(model, batch, graph), batch, spec.outputs)
        save(proto, replace(spec, precision="fp32"), pending.path)
        with closing(_require_valid(pending.path, engine)) as backend:
            require_equal(model, backend, crops, tolerance, landmark_tolerance)
        report = None
        if precision != "fp32":
            how = Conversion(
                calibration=calibration,
                mean_change=mean_change,
                held_out=held_out,
                held_out_faces=held_out_faces,
                bounds=(bounds or Bounds()) if judge else None,
            )
            report = convert(pending.path, spec, how)
        pending.commit()
    finally:
        pending.discard()
    replace_report(output, report)
    kinds = Counter(node.op_type for node in proto.graph.node)
    common = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(8))
    in_float = "" if precision == "fp32" else f" in fp32, before it became {precision}"
    logger.info("%s graph, %d nodes%s: %s, …", graph, len(proto.graph.node), in_float, common)
    logger.info("%s: %s for %s, %.1f MB", output, precision, engine, output.stat().st_size / 1e6)
    return output


def _check_arguments(graph: str | None, batch: int, held_out_faces: int) -> None:
    if graph not in (None, *GRAPHS):
        raise ValueError(f"graph {graph!r}: give one of {', '.join(GRAPHS)}")
    for name, number in (("batch", batch), ("held-out faces", held_out_faces)):
        if number < 1:
            raise ValueError(f"{name}: must be at least 1, got {number}")


def _graph(model: "LGRNet", batch: int, graph: str) -> "nn.Module":
    from export.direct import DirectGraph
    from export.plain import PlainGraph
    from export.winograd import WinogradGraph

    if graph == "plain":
        return PlainGraph(model)
    return (WinogradGraph if graph == "winograd" else DirectGraph)(model, batch)


def _require_valid(path: Path, engine: str) -> "Backend":
    """Check a float32 file, and open it."""
    import onnx

    from runtime.backends import open_backend
    from runtime.errors import ModelError

    try:
        onnx.checker.check_model(path, full_check=True)
        return open_backend(path, backend=engine)
    except (onnx.checker.ValidationError, ModelError) as error:
        raise ExportError(f"not exported, the file is not valid: {error}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export.onnx",
        description="Write a checkpoint as one static ONNX file and compare the two on faces.",
    )
    add = parser.add_argument
    add("checkpoint", type=Path, help="written by python -m lgrnet.train")
    add(
        "-o",
        "--output",
        "--out",
        type=Path,
        help="default: beside it, with .onnx, _int8.onnx or _fp16.onnx",
    )
    add("--batch", type=positive, default=1, help="faces at once (default: 1)")
    add("--precision", choices=PRECISIONS, default="fp32", help="(default: fp32)")
    add(
        "--engine",
        choices=ONNX_ENGINES,
        default="onnxruntime",
        help="what will run it (default: onnxruntime)",
    )
    add("--graph", choices=GRAPHS, help="default: what is fastest on the engine")
    add_comparison(parser)
    add_precision(parser, "int8 and fp16", MEAN_CHANGE)
    return parser


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments; None for those of the process.

    Returns:
        Exit code: 0, 1 if the exported model failed the checks, 2 for bad input.
    """
    loggers = (logger.name, "export.convert", "export.judge")
    return run(_parser().parse_args(argv), export_onnx, loggers)


if __name__ == "__main__":
    sys.exit(main())
