"""Export a checkpoint to one ONNX file: ``python -m export.onnx ckpt.pt [-o model.onnx]``."""

if __name__ == "__main__" and not __package__:
    raise SystemExit("this file's name hides the onnx package: run `python -m export.onnx` instead")

import argparse
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from export.compare import LANDMARK_TOLERANCE, PROBABILITY_TOLERANCE, compare
from export.faces import demo_faces, folder_faces
from export.graph import PlainGraph
from export.provenance import describe
from export.serialise import OPSET, to_onnx
from lgrnet.checkpoint import CheckpointError, load_checkpoint
from runtime.atomic import PendingFile
from runtime.backends import open_backend
from runtime.errors import InputError

logger = logging.getLogger(__name__)


class ComparisonError(RuntimeError):
    """The exported model does not compute what the network computes."""


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
        ComparisonError: The comparison failed; nothing was written.
    """
    checkpoint = Path(checkpoint)
    output = checkpoint.with_suffix(".onnx") if output is None else Path(output)
    if output.suffix.lower() != ".onnx":
        raise ValueError(f"output {output}: give a name that ends in .onnx")
    if batch < 1:
        raise ValueError(f"batch: must be at least 1, got {batch}")
    if not (tolerance >= 0 and landmark_tolerance >= 0):
        raise ValueError("tolerance: must not be negative")
    model, meta = load_checkpoint(checkpoint)
    spec = describe(checkpoint, model.config, meta, batch=batch, fused=fuse, opset=OPSET)
    # Read before the long part, so that a wrong folder does not cost it.
    crops = folder_faces(Path(faces)) if faces is not None else demo_faces()

    proto = to_onnx(PlainGraph(model), batch)
    onnx.helper.set_model_props(proto, spec.to_metadata())
    pending = PendingFile(output)
    try:
        onnx.save_model(proto, pending.path)
        onnx.checker.check_model(pending.path, full_check=True)
        _require_equal(model, pending.path, crops, tolerance, landmark_tolerance)
        pending.commit()
    finally:
        pending.discard()
    _report(proto, output)
    return output


def _require_equal(
    model, path: Path, crops: np.ndarray, tolerance: float, landmark_tolerance: float
) -> None:
    """Compare, log the differences, raise if they are too large."""
    backend = open_backend(path, threads=1)
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
            "on %d of the faces a patch lies on the middle between two cells, within float error; "
            "these were compared with the patches that the exported landmarks give",
            result.ties,
        )
    failures = result.failures(tolerance, landmark_tolerance)
    if failures:
        raise ComparisonError(f"not exported: {'; '.join(failures)}")


def _report(proto: onnx.ModelProto, output: Path) -> None:
    kinds = Counter(node.op_type for node in proto.graph.node)
    common = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(8))
    logger.info("%d nodes: %s, …", len(proto.graph.node), common)
    logger.info("%s: %.1f MB", output, output.stat().st_size / 1e6)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments; None for those of the process.

    Returns:
        Exit code: 0, 1 if the comparison failed, 2 for bad input.
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
    logger.setLevel(logging.INFO)  # alone: at this level PyTorch's exporter tells its every rewrite
    try:
        export_onnx(**vars(args))
    except ComparisonError as error:
        print(error, file=sys.stderr)
        return 1
    except (CheckpointError, InputError, ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
