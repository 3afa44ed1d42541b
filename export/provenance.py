"""What a model file says of where it comes from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import torch

import lgrnet
from lgrnet.checkpoint import CheckpointError, load_checkpoint
from lgrnet.network.config import ModelConfig
from lgrnet.network.model import LGRNet
from lgrnet.unseen import seen_by, tuned_on
from runtime.files.digest import file_sha256
from runtime.spec import ModelSpec

DEFAULT_THRESHOLD = 0.5
UNSTATED = "not stated"


def load_lgrnet(checkpoint: Path) -> tuple[LGRNet, dict[str, Any]]:
    """Read a checkpoint to export.

    Args:
        checkpoint: The file.

    Returns:
        As of :func:`lgrnet.checkpoint.load_checkpoint`.

    Raises:
        CheckpointError: It cannot be used, or is no LGRNet.
    """
    model, meta = load_checkpoint(checkpoint)
    if not isinstance(model, LGRNet):
        raise CheckpointError(
            f"{checkpoint} holds a {model.config.architecture}, which only LGRNet is compared "
            "with: exported graphs are of LGRNet"
        )
    return model, meta


def describe(
    checkpoint: Path,
    config: ModelConfig,
    meta: Mapping[str, Any],
    *,
    batch: int,
    graph: str,
    engine: str,
    precision: str,
    opset: int | None,
) -> ModelSpec:
    """Collect the metadata of an export.

    Args:
        checkpoint: The file that is exported.
        config: Its network's configuration.
        meta: What was saved with the weights; ``thresholds``, ``training_data`` and ``licence``
            are taken over.
        batch: The static batch size.
        graph: How the network was rewritten, see :data:`runtime.spec.GRAPHS`.
        engine: What the file is made for, see :data:`runtime.spec.ENGINES`.
        precision: See :data:`runtime.spec.PRECISIONS`.
        opset: ONNX operator set; None for a file that is not ONNX.

    Returns:
        The spec.

    Raises:
        CheckpointError: The checkpoint's thresholds do not fit its AUs.
    """
    thresholds = meta.get("thresholds") or [DEFAULT_THRESHOLD] * len(config.aus)
    versions = {
        "lgrnet": lgrnet.__version__,
        "torch": torch.__version__,
    }
    if opset is not None:
        versions |= {"onnx": onnx.__version__, "opset": str(opset)}
    try:
        return ModelSpec(
            preset=config.preset,
            aus=config.aus,
            thresholds=tuple(float(value) for value in thresholds),
            precision=precision,
            graph=graph,
            engine=engine,
            batch=batch,
            training_data=str(meta.get("training_data") or UNSTATED),
            licence=str(meta.get("licence") or UNSTATED),
            checkpoint_sha256=file_sha256(checkpoint),
            versions=versions,
            crop_size=config.crop_size,
            intensity=config.intensity,
            seen=tuple(sorted(seen_by(meta), key=str)),
            tuned_on=tuple(sorted(tuned_on(meta), key=str)),
        )
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{checkpoint} cannot be exported: {error}") from error
