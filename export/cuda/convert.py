"""From a checkpoint, or an ONNX file of one, to a file of launches."""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from export.options import checked_output, require_writable
from lgrnet.network.model import LGRNet
from runtime.cuda.launch_plan import SUFFIX, read_launch_plan, write_launch_plan
from runtime.files.atomic import PendingFile
from runtime.installed import how_to_install
from runtime.spec import ModelSpec

logger = logging.getLogger(__name__)


def export_cuda(
    source: str | Path,
    output: str | Path | None = None,
    *,
    batch: int = 1,
    targets: Sequence[str] | None = None,
    recurrence: str = "steps",
) -> Path:
    """Write a network as GPU kernels, in half precision.

    Args:
        source: A checkpoint, written by `lgrnet.train`, or a plain graph in fp32 or fp16, written
            by `export.onnx`, whose weights are read back and run beside it.
        output: The file; None for beside the source, with ``.fused``.
        batch: Faces at once.
        targets: Compute capabilities such as ``"8.6"``, of :data:`export.cuda.compile.POSSIBLE`;
            None for all of its ``TARGETS``.
        recurrence: How the skip-BiLSTM is started: ``"steps"``, two launches a step, or
            ``"persistent"``, one for all steps.

    Returns:
        The file.

    Raises:
        CheckpointError: The checkpoint cannot be used.
        ExportError: It is an ablation that there are no kernels for, or the weights cannot be had
            back from the ONNX file.
        SpecError: The ONNX file is not one of ours.
        FloatingPointError: A weight is not finite, or too large for half precision.
        ValueError: An argument is out of range.
        ImportError: Triton is not installed, or ONNX Runtime, which the source is run by.
    """
    try:
        from export.cuda.compile import (
            POSSIBLE,
            TARGETS,
            assembler_version,
            compile_kernels,
        )
        from export.cuda.memory import place
        from export.cuda.network import build_network
        from export.cuda.recurrence import RECURRENCES
    except ModuleNotFoundError as error:
        if error.name != "triton":
            raise
        raise ImportError(f"{error}: {how_to_install('kernels')}") from error
    source = Path(source)
    output = checked_output(output, source.with_suffix(SUFFIX))
    if recurrence not in RECURRENCES:
        raise ValueError(f"recurrence {recurrence!r}: give one of {', '.join(RECURRENCES)}")
    if batch < 1:
        raise ValueError(f"batch: must be at least 1, got {batch}")
    targets = TARGETS if targets is None else tuple(dict.fromkeys(targets))
    for target in targets:
        if target not in POSSIBLE:
            raise ValueError(f"target {target!r}: give some of {', '.join(POSSIBLE)}")
    started = time.perf_counter()
    model, spec = read_source(source)
    spec = replace(spec, batch=batch)
    builder = build_network(model, batch, recurrence)
    plan, weights = place(builder, spec)
    pending = PendingFile(output)
    with pending as path:
        require_writable(pending)  # before minutes of compiling
        codes, code = compile_kernels(builder.kernels, targets)
        versions = {"triton": version("triton"), "CUDA": assembler_version()}
        plan = replace(plan, codes=codes, versions=versions)
        write_launch_plan(path, plan, weights, code)
        read_launch_plan(path)
    logger.info(
        "%s: %d launches of %d kernels for compute capability %s, %.1f MB of weights, %.1f MB of "
        "memory for a batch of %d; compiled in %.0f s",
        *(output, len(plan.launches), len(builder.kernels), ", ".join(targets)),
        *(len(weights) / 1e6, plan.arena / 1e6, batch, time.perf_counter() - started),
    )
    return output


def read_source(path: Path) -> tuple[LGRNet, ModelSpec]:
    """Read the network that shall become kernels.

    Args:
        path: See :func:`export_cuda`.

    Returns:
        The network, in evaluation mode, and what a file of its kernels says of itself, for one face
        at a time.

    Raises:
        CheckpointError: See :func:`export_cuda`, for all of them.
        ExportError: As above.
        SpecError: As above.
        ImportError: As above.
        FileNotFoundError: There is no such ONNX file.
    """
    model, spec = (_from_onnx if path.suffix.lower() == ".onnx" else _from_checkpoint)(path)
    spec = replace(spec, batch=1, graph="plain", engine="fused", precision="fp16")
    return model.eval(), spec


def _from_checkpoint(path: Path) -> tuple[LGRNet, ModelSpec]:
    from export.provenance import describe, load_lgrnet

    model, meta = load_lgrnet(path)
    return model, describe(
        path, model.config, meta,
        batch=1, graph="plain", engine="fused", precision="fp16", opset=None,
    )  # fmt: skip


def _from_onnx(path: Path) -> tuple[LGRNet, ModelSpec]:
    from export.cuda.recover import recover_network, require_same, with_margin
    from export.errors import ExportError
    from export.faces import demo_faces

    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    model, spec = recover_network(path)
    faces = demo_faces()
    try:
        require_same(model, path, spec, faces)
    except ExportError as error:
        model = with_margin(model)
        try:
            require_same(model, path, spec, faces)
        except ExportError:
            raise error from None
    if spec.precision != "fp32":
        logger.info("%s holds weights in %s: they are taken as they are", path, spec.precision)
    return model, spec
