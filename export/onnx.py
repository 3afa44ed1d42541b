"""Export a checkpoint to one ONNX file: ``python -m export.onnx ckpt.pt [-o model.onnx]``."""

if __name__ == "__main__" and not __package__:
    raise SystemExit("this file's name hides the onnx package: run `python -m export.onnx` instead")

import argparse
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from export.errors import ExportError
from runtime.atomic import PendingFile
from runtime.errors import InputError
from runtime.spec import ENGINES, GRAPHS, PRECISIONS

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from export.accuracy import Bounds
    from lgrnet.model import LGRNet

PROBABILITY_TOLERANCE = 1e-4
"""Rounding differs between the two by some 1e-6, and thresholds have two digits."""

LANDMARK_TOLERANCE = 0.01
"""Pixels. Rounding differs by some 1e-4, and landmarks are known to about a pixel."""

MEAN_CHANGE = 0.005
"""Half a point of probability: for the packaged network, what its most sensitive part costs."""

HELD_OUT = 1000
"""Faces on which a precision other than fp32 is judged."""

logger = logging.getLogger(__name__)


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
    bounds: "Bounds | None" = None,
    judge: bool = True,
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
    from export.accuracy import Bounds
    from export.convert import Conversion, convert
    from export.faces import demo_faces, folder_faces
    from export.provenance import describe
    from export.recipes import fastest_graph
    from export.serialise import OPSET, save, to_onnx
    from lgrnet.checkpoint import load_checkpoint

    checkpoint = Path(checkpoint)
    if output is None:
        suffix = "" if precision == "fp32" else f"_{precision}"
        output = checkpoint.with_name(f"{checkpoint.stem}{suffix}.onnx")
    output = Path(output)
    _check_arguments(output, graph, batch, held_out_faces)
    _check_limits(
        tolerance=tolerance, landmark_tolerance=landmark_tolerance, mean_change=mean_change
    )
    model, meta = load_checkpoint(checkpoint)
    graph = graph or fastest_graph(engine, precision, model.config.grid)
    spec = describe(
        checkpoint, model.config, meta,
        batch=batch, graph=graph, engine=engine, precision=precision, opset=OPSET,
    )  # fmt: skip
    crops = demo_faces() if faces is None else folder_faces(Path(faces))
    pending = PendingFile(output)
    try:
        proto = to_onnx(_graph(model, batch, graph), batch)
        save(proto, replace(spec, precision="fp32"), pending.path)
        _require_equal(model, pending.path, engine, crops, tolerance, landmark_tolerance)
        report = None
        if precision != "fp32":
            how = Conversion(
                calibration=None if calibration is None else Path(calibration),
                mean_change=mean_change,
                held_out=None if held_out is None else Path(held_out),
                held_out_faces=held_out_faces,
                bounds=(bounds or Bounds()) if judge else None,
            )
            report = convert(pending.path, spec, how)
        pending.commit()
    finally:
        pending.discard()
    if report is not None:
        from export.accuracy import write_report

        write_report(output.with_suffix(".accuracy.json"), {"model": output.name, **report})
    kinds = Counter(node.op_type for node in proto.graph.node)
    common = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(8))
    logger.info("%s graph, %d nodes: %s, …", graph, len(proto.graph.node), common)
    logger.info("%s: %s for %s, %.1f MB", output, precision, engine, output.stat().st_size / 1e6)
    return output


def _check_arguments(output: Path, graph: str | None, batch: int, held_out_faces: int) -> None:
    if output.suffix.lower() != ".onnx":
        raise ValueError(f"output {output}: give a name that ends in .onnx")
    if output.is_dir():
        raise ValueError(f"output {output} is a folder: give the name of a file")
    if graph not in (None, *GRAPHS):
        raise ValueError(f"graph {graph!r}: give one of {', '.join(GRAPHS)}")
    for name, number in (("batch", batch), ("held-out faces", held_out_faces)):
        if number < 1:
            raise ValueError(f"{name}: must be at least 1, got {number}")


def _check_limits(**limits: float) -> None:
    for name, limit in limits.items():
        # Written so that NaN is refused.
        if not limit >= 0:
            raise ValueError(f"{name.replace('_', ' ')}: must be at least 0, got {limit}")


def _graph(model: "LGRNet", batch: int, graph: str) -> "nn.Module":
    from export.direct import DirectGraph
    from export.plain import PlainGraph
    from export.winograd import WinogradGraph

    if graph == "plain":
        return PlainGraph(model)
    return (WinogradGraph if graph == "winograd" else DirectGraph)(model, batch)


def _require_equal(
    model: "LGRNet",
    path: Path,
    engine: str,
    crops: "np.ndarray",
    tolerance: float,
    landmark_tolerance: float,
) -> None:
    """Check the file, run it beside the network, log the differences, raise if they are too large.

    Args:
        model: The network.
        path: The exported file, in float32.
        engine: What runs it.
        crops: Faces, (N, 176, 176, 3) uint8, BGR.
        tolerance: See :func:`export_onnx`.
        landmark_tolerance: See :func:`export_onnx`.

    Raises:
        ExportError: The file is not valid, or computes something else.
    """
    import onnx

    from export.compare import compare
    from runtime.backends import open_backend
    from runtime.errors import ModelError

    try:
        onnx.checker.check_model(path, full_check=True)
        backend = open_backend(path, backend=engine)
    except (onnx.checker.ValidationError, ModelError) as error:
        raise ExportError(f"not exported, the file is not valid: {error}") from error
    try:
        result = compare(model, backend, crops)
    finally:
        backend.close()
    logger.info(
        "compared with PyTorch on %d faces: AU probabilities differ by at most %.1e, landmarks by "
        "%.1e px (between faces they vary by %.1e and %.1e px)",
        *(result.faces, result.probability, result.landmarks),
        *(result.probability_spread, result.landmark_spread),
    )
    if result.ties:
        logger.info(
            "on %d of the faces a patch lies in the middle between two cells, within float error; "
            "PyTorch took the cells of the exported landmarks there",
            result.ties,
        )
    failures = result.failures(tolerance, landmark_tolerance)
    if failures:
        raise ExportError(f"not exported: {'; '.join(failures)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export.onnx",
        description="Write a checkpoint as one static ONNX file and compare the two on faces.",
    )
    add = parser.add_argument
    add("checkpoint", type=Path, help="written by python -m lgrnet.train")
    add("-o", "--output", type=Path, help="default: beside it, with .onnx")
    add("--batch", type=int, default=1, help="faces at once (default: 1)")
    add("--precision", choices=PRECISIONS, default="fp32", help="(default: fp32)")
    add(
        "--engine",
        choices=ENGINES,
        default="onnxruntime",
        help="what will run it (default: onnxruntime)",
    )
    add("--graph", choices=GRAPHS, help="default: what is fastest on the engine")
    add("--faces", type=Path, metavar="DIR", help="aligned faces (default: the demo clip's)")
    add(
        "--tolerance",
        type=float,
        default=PROBABILITY_TOLERANCE,
        help="how much a probability may differ from PyTorch in fp32 (default: %(default)s)",
    )
    add(
        "--landmark-tolerance",
        type=float,
        default=LANDMARK_TOLERANCE,
        help="how much a landmark may differ, pixels (default: %(default)s)",
    )
    other = parser.add_argument_group("int8 and fp16")
    add = other.add_argument
    add(
        "--calibration",
        type=Path,
        metavar="DIR",
        help="int8: data set, or folder of aligned faces (default: the demo clip)",
    )
    add(
        "--mean-change",
        type=float,
        default=MEAN_CHANGE,
        help="int8: mean change of a probability above which parts stay in float (default: "
        "%(default)s)",
    )
    add(
        "--held-out",
        type=Path,
        metavar="DIR",
        help="data set whose test people judge (default: the demo clip)",
    )
    add("--held-out-faces", type=int, default=HELD_OUT, help="most of them (default: %(default)s)")
    add("--max-f1-loss", type=float, default=0.02, help="of any AU (default: %(default)s)")
    add("--max-mean-f1-loss", type=float, default=0.005, help="(default: %(default)s)")
    add(
        "--max-change",
        type=float,
        default=1.0,
        help="of any probability on any face (default: %(default)s, none)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments; None for those of the process.

    Returns:
        Exit code: 0, 1 if the exported model failed the checks, 2 for bad input.
    """
    args = vars(_parser().parse_args(argv))
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    # Ours alone: at this level PyTorch's exporter tells its every step.
    for ours in (logger, logging.getLogger("export.convert")):
        ours.setLevel(logging.INFO)
    losses = {
        "f1": args.pop("max_f1_loss"),
        "mean_f1": args.pop("max_mean_f1_loss"),
        "change": args.pop("max_change"),
    }
    try:
        from export.accuracy import Bounds
        from lgrnet.shards import DatasetError
    except ImportError as error:
        return _not_installed(error)
    try:
        export_onnx(**args, bounds=Bounds(**losses))
    except ExportError as error:
        print(_one_line(error), file=sys.stderr)
        return 1
    except ImportError as error:
        return _not_installed(error)
    except (InputError, DatasetError, ValueError, OSError) as error:
        print(f"error: {_one_line(error)}", file=sys.stderr)
        return 2
    return 0


def _not_installed(error: ImportError) -> int:
    hint = "" if "pip install" in str(error) else ': pip install "lgrnet[export,cpu]"'
    print(f"error: {_one_line(error)}{hint}", file=sys.stderr)
    return 2


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.exit(main())
