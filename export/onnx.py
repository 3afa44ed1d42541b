"""Export a checkpoint to one ONNX file: ``python -m export.onnx ckpt.pt [-o model.onnx]``."""

if __name__ == "__main__" and not __package__:
    raise SystemExit("this file's name hides the onnx package: run `python -m export.onnx` instead")

import argparse
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.atomic import PendingFile
from runtime.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from export.plain import PlainGraph
    from export.winograd import WinogradGraph
    from lgrnet.model import LGRNet

PROBABILITY_TOLERANCE = 1e-4
"""Rounding differs between the two by some 1e-6, and thresholds have two digits."""

LANDMARK_TOLERANCE = 0.01
"""Pixels. Rounding differs by some 1e-4, and landmarks are known to about a pixel."""

logger = logging.getLogger(__name__)


class ExportError(RuntimeError):
    """The exported model is not valid, or does not compute what the network computes."""


def export_onnx(
    checkpoint: str | Path,
    output: str | Path | None = None,
    *,
    batch: int = 1,
    fuse: bool = True,
    faces: str | Path | None = None,
    tolerance: float = PROBABILITY_TOLERANCE,
    landmark_tolerance: float = LANDMARK_TOLERANCE,
) -> Path:
    """Write a checkpoint's network as a static ONNX graph, and compare the two on faces.

    The file appears under its name only after it has passed; until then an older one stays.

    Args:
        checkpoint: Written by ``python -m lgrnet.train``.
        output: Where to; None for the checkpoint's name with the suffix ``.onnx``.
        batch: Faces the graph takes at once, fixed.
        fuse: Rewrite the network into a faster one of the same function.
        faces: Folder of aligned faces to compare on; None for those of the demo clip.
        tolerance: How much an AU's probability may differ from PyTorch's.
        landmark_tolerance: How much a landmark coordinate may differ, pixels.

    Returns:
        The file.

    Raises:
        CheckpointError: The checkpoint cannot be used.
        InputError: There are no faces to compare on, or the output's folder cannot be made.
        ValueError: An argument is out of range.
        ExportError: The exported model failed the checks; nothing was written.
    """
    # PyTorch and the exporter take seconds to load, which `--help` and wrong arguments need not.
    from export.faces import demo_faces, folder_faces
    from export.provenance import describe
    from export.serialise import OPSET, save, to_onnx
    from lgrnet.checkpoint import load_checkpoint

    checkpoint = Path(checkpoint)
    output = checkpoint.with_suffix(".onnx") if output is None else Path(output)
    _check_arguments(output, batch, tolerance, landmark_tolerance)
    model, meta = load_checkpoint(checkpoint)
    spec = describe(checkpoint, model.config, meta, batch=batch, fused=fuse, opset=OPSET)
    crops = demo_faces() if faces is None else folder_faces(Path(faces))
    pending = PendingFile(output)
    try:
        proto = to_onnx(_graph(model, batch, fuse), batch)
        save(proto, spec, pending.path)
        _require_equal(model, pending.path, crops, tolerance, landmark_tolerance)
        pending.commit()
    finally:
        pending.discard()
    kinds = Counter(node.op_type for node in proto.graph.node)
    common = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(8))
    logger.info("%d nodes: %s, …", len(proto.graph.node), common)
    logger.info("%s: %.1f MB", output, output.stat().st_size / 1e6)
    return output


def _check_arguments(output: Path, batch: int, tolerance: float, landmark_tolerance: float) -> None:
    if output.suffix.lower() != ".onnx":
        raise ValueError(f"output {output}: give a name that ends in .onnx")
    if output.is_dir():
        raise ValueError(f"output {output} is a folder: give the name of a file")
    if batch < 1:
        raise ValueError(f"batch: must be at least 1, got {batch}")
    # Written so that NaN is refused.
    if not (tolerance >= 0 and landmark_tolerance >= 0):
        raise ValueError(f"tolerance: must be at least 0, got {tolerance} and {landmark_tolerance}")


def _graph(model: "LGRNet", batch: int, fuse: bool) -> "WinogradGraph | PlainGraph":
    from export.plain import PlainGraph
    from export.winograd import WinogradGraph

    return WinogradGraph(model, batch) if fuse else PlainGraph(model)


def _require_equal(
    model: "LGRNet",
    path: Path,
    crops: "np.ndarray",
    tolerance: float,
    landmark_tolerance: float,
) -> None:
    """Check the file, run it beside the network, log the differences, raise if they are too large.

    Args:
        model: The network.
        path: The exported file.
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
        backend = open_backend(path)
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments; None for those of the process.

    Returns:
        Exit code: 0, 1 if the exported model failed the checks, 2 for bad input.
    """
    parser = argparse.ArgumentParser(
        prog="python -m export.onnx",
        description="Write a checkpoint as one static ONNX file and compare the two on faces.",
    )
    parser.add_argument("checkpoint", type=Path, help="written by python -m lgrnet.train")
    parser.add_argument("-o", "--output", type=Path, help="default: beside it, with .onnx")
    parser.add_argument("--batch", type=int, default=1, help="faces at once (default: 1)")
    parser.add_argument(
        "--fuse",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="rewrite the network into a faster one of the same function",
    )
    parser.add_argument(
        "--faces", type=Path, metavar="DIR", help="aligned faces (default: the demo clip's)"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=PROBABILITY_TOLERANCE,
        help="how much a probability may differ from PyTorch (default: %(default)s)",
    )
    parser.add_argument(
        "--landmark-tolerance",
        type=float,
        default=LANDMARK_TOLERANCE,
        help="how much a landmark may differ, pixels (default: %(default)s)",
    )
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logger.setLevel(logging.INFO)  # alone: at this level PyTorch's exporter tells its every step
    try:
        export_onnx(**vars(args))
    except ExportError as error:
        print(_one_line(error), file=sys.stderr)
        return 1
    except ImportError as error:
        print(f'error: {_one_line(error)}: pip install "lgrnet[export,cpu]"', file=sys.stderr)
        return 2
    except (InputError, ValueError, OSError) as error:
        print(f"error: {_one_line(error)}", file=sys.stderr)
        return 2
    return 0


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.exit(main())
