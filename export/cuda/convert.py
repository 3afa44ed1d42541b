"""From a checkpoint to a file of launches."""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from lgrnet.checkpoint import load_checkpoint
from runtime.atomic import PendingFile
from runtime.launch_plan import SUFFIX, read_launch_plan, write_launch_plan

logger = logging.getLogger(__name__)


def export_cuda(
    checkpoint: str | Path,
    output: str | Path | None = None,
    *,
    batch: int = 1,
    targets: Sequence[str] | None = None,
) -> Path:
    """Write a checkpoint as GPU kernels, in half precision.

    Args:
        checkpoint: Written by `lgrnet.train`.
        output: The file; None for beside the checkpoint, with ``.fused``.
        batch: Faces at once.
        targets: Compute capabilities such as ``"8.6"``; None for all of
            :data:`export.cuda.compile.TARGETS`.

    Returns:
        The file.

    Raises:
        CheckpointError: The checkpoint cannot be used.
        ExportError: It is an ablation that there are no kernels for.
        FloatingPointError: A weight is too large for half precision.
        ValueError: An argument is out of range.
        ImportError: Triton is not installed.
    """
    try:
        from export.cuda.compile import TARGETS, compile_kernels
        from export.cuda.memory import place
        from export.cuda.network import build_network
    except ModuleNotFoundError as error:
        if error.name != "triton":
            raise
        raise ImportError(f'{error}: pip install "lgrnet[kernels]"') from error
    from export.provenance import describe

    checkpoint = Path(checkpoint)
    output = checkpoint.with_suffix(SUFFIX) if output is None else Path(output)
    if output.suffix.lower() != SUFFIX:
        raise ValueError(f"output {output}: give a name that ends in {SUFFIX}")
    if batch < 1:
        raise ValueError(f"batch: must be at least 1, got {batch}")
    targets = TARGETS if targets is None else tuple(dict.fromkeys(targets))
    for target in targets:
        if target not in TARGETS:
            raise ValueError(f"target {target!r}: give some of {', '.join(TARGETS)}")
    started = time.perf_counter()
    model, meta = load_checkpoint(checkpoint)
    spec = describe(
        checkpoint, model.config, meta,
        batch=batch, graph="plain", engine="fused", precision="fp16", opset=None,
    )  # fmt: skip
    builder = build_network(model.eval(), batch)
    plan, weights = place(builder, spec)
    codes, code = compile_kernels(builder.kernels, targets)
    plan = replace(plan, codes=codes, versions={"triton": version("triton")})
    with PendingFile(output) as pending:
        write_launch_plan(pending, plan, weights, code)
        read_launch_plan(pending)
    logger.info(
        "%s: %d launches of %d kernels for compute capability %s, %.1f MB of weights, %.1f MB of "
        "memory for a batch of %d; compiled in %.0f s",
        *(output, len(plan.launches), len(builder.kernels), ", ".join(targets)),
        *(len(weights) / 1e6, plan.arena / 1e6, batch, time.perf_counter() - started),
    )
    return output
