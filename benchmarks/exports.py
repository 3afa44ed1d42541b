"""The model files of the rows, exported from one checkpoint."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch

from benchmarks.rows import Row
from export.onnx import ExportError, export_onnx
from lgrnet.checkpoint import CheckpointError, save_checkpoint
from lgrnet.config import model_config
from lgrnet.model import LGRNet
from runtime.errors import DeviceError, ModelError
from runtime.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What a row runs.

    Attributes:
        path: Checkpoint or exported model.
        graph: Which graph it is; None for PyTorch.
        nodes: Nodes of the graph; None for PyTorch.
        megabytes: Size of the file, 10⁶ bytes.
    """

    path: Path
    graph: str | None
    nodes: int | None
    megabytes: float


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A row that cannot be measured.

    Attributes:
        reason: Why.
    """

    reason: str


def random_checkpoint(preset: str, path: Path) -> None:
    """Write a checkpoint with random weights and live batch-norm statistics.

    Speed does not depend on the weights, but constant folding would on trivial statistics.

    Args:
        preset: A preset of `lgrnet.config`.
        path: Where to.
    """
    torch.manual_seed(0)
    model = LGRNet(model_config(preset)).train()
    size = model.config.crop_size
    with torch.no_grad():
        model(torch.rand(2, 3, size, size) * 2 - 1)
    save_checkpoint(path, model.eval(), {"training_data": "none: random weights"})


def export_rows(
    rows: Iterable[Row], checkpoint: Path, folder: Path, batch: int
) -> dict[str, ModelFile | Unavailable]:
    """Make the file of every row.

    Args:
        rows: The rows.
        checkpoint: The network.
        folder: Where to put exported models; files of rows that share one are made once.
        batch: Faces that they take at once.

    Returns:
        Key of the row → its file, or why there is none: what it needs is not installed, the export
        failed, or its graph is that of a row before.

    Raises:
        CheckpointError: The checkpoint cannot be used.
    """
    found: dict[str, ModelFile | Unavailable] = {}
    made: dict[tuple, ModelFile | Unavailable] = {}
    taken: dict[tuple, str] = {}
    for row in rows:
        if row.library == "pytorch":
            found[row.key] = ModelFile(checkpoint, None, None, checkpoint.stat().st_size / 1e6)
            continue
        wanted = (row.library, row.graph, row.precision)
        if wanted not in made:
            name = f"{checkpoint.stem}_{row.library}_{row.graph or 'best'}_{row.precision}"
            made[wanted] = _export(row, checkpoint, folder / f"{name}.onnx", batch)
        file = made[wanted]
        if isinstance(file, ModelFile):
            same = taken.setdefault((row.library, file.graph, row.precision, row.active), row.name)
            if same != row.name:
                file = Unavailable(f"the exporter's choice is the {file.graph} graph: see {same}")
        found[row.key] = file
    return found


def _export(row: Row, checkpoint: Path, output: Path, batch: int) -> ModelFile | Unavailable:
    try:
        path = export_onnx(
            checkpoint,
            output,
            batch=batch,
            graph=row.graph,
            engine=row.library,
            precision=row.precision,
        )
    except CheckpointError:
        raise
    except (ImportError, ExportError, DeviceError, ModelError, ValueError) as error:
        return Unavailable(one_line(error))
    model = onnx.load(path)
    metadata = {each.key: each.value for each in model.metadata_props}
    spec = ModelSpec.from_metadata(metadata, str(path))
    return ModelFile(path, spec.graph, len(model.graph.node), path.stat().st_size / 1e6)


def one_line(error: BaseException) -> str:
    """Write an exception as one line that starts with its kind."""
    return " ".join(f"{type(error).__name__}: {error}".split())
