"""The model files of the rows, exported from one checkpoint."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import onnx
import torch

from benchmarks.inference.rows import Row
from benchmarks.shared.memory import ask_gpu
from benchmarks.shared.paths import ROOT
from export.cuda.convert import export_cuda
from export.errors import ExportError
from export.native.convert import export_native
from export.onnx import export_onnx
from export.tensorrt.build import build_engine
from lgrnet.checkpoint import CheckpointError, save_checkpoint
from lgrnet.network.config import model_config
from lgrnet.network.model import LGRNet
from runtime.backends.fused import best_target
from runtime.errors import DeviceError, ModelError
from runtime.files.atomic import make_folder
from runtime.installed import version_of
from runtime.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What a row runs.

    Attributes:
        path: Checkpoint or exported model.
        graph: Which graph it is; None for PyTorch.
        nodes: Nodes of the graph; None where there is none.
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
        preset: A preset of `lgrnet.network.config`.
        path: Where to.
    """
    torch.manual_seed(0)
    model = LGRNet(model_config(preset)).train()
    size = model.config.crop_size
    with torch.no_grad():
        model(torch.rand(2, 3, size, size) * 2 - 1)
    save_checkpoint(path, model.eval(), {"training_data": "none: random weights"})


_SOURCES = ("export", "lgrnet", "runtime")


class Exports:
    """Exports models into a folder, each of them once.

    Finding the parts of a network that 8 bits hurt takes minutes, so what a folder holds is used
    again, by later runs also. A file's name holds a digest of all that it depends on: weights,
    options, the exporters' source and the libraries.

    Args:
        folder: Where to; it is made if need be.
    """

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self._folder = folder
        self._made: dict[tuple, ModelFile | Unavailable] = {}
        self._traced: list[Path] = []

    def files(
        self, rows: Iterable[Row], checkpoint: Path, batch: int, trained: bool = True
    ) -> dict[str, ModelFile | Unavailable]:
        """Make the file of every row.

        Args:
            rows: The rows.
            checkpoint: The network.
            batch: Faces that the exported models take at once.
            trained: Whether the weights mean anything. If not, int8 loses nothing that counts, and
                no part of the network is kept in float for its sake.

        Returns:
            Key of the row → its file, or why there is none: what it needs is not installed, the
            export failed, or its graph is that of a row before.

        Raises:
            CheckpointError: The checkpoint cannot be used.
        """
        found: dict[str, ModelFile | Unavailable] = {}
        taken: dict[tuple, str] = {}
        for row in rows:
            if row.library == "pytorch":
                found[row.key] = ModelFile(checkpoint, None, None, checkpoint.stat().st_size / 1e6)
                continue
            wanted = (
                *(checkpoint, batch, row.library, row.graph, row.precision),
                *(row.flavour, row.recurrence),
            )
            if wanted not in self._made:
                origin = sha256(checkpoint.read_bytes())
                known = (wanted[1:], trained, _gpu_of(row), _exporters())
                origin.update(repr(known).encode())
                output = (
                    self._folder / f"{checkpoint.stem}_{row.key}_{origin.hexdigest()[:12]}.onnx"
                )
                file = _export(row, checkpoint, output, batch, trained, self._traced)
                if isinstance(file, ModelFile) and is_traced(row):
                    self._traced.append(file.path)
                self._made[wanted] = file
            file = self._made[wanted]
            if isinstance(file, ModelFile):
                kind = (
                    *(row.library, file.graph, row.precision, row.active),
                    *(row.flavour, row.recurrence),
                )
                same = taken.setdefault(kind, row.name)
                if same != row.name:
                    file = Unavailable(f"the exporter's choice is the graph of {same}")
            found[row.key] = file
        return found


def _export(
    row: Row, checkpoint: Path, output: Path, batch: int, trained: bool, traced: list[Path]
) -> ModelFile | Unavailable:
    options: dict = {} if trained or row.precision != "int8" else {"mean_change": math.inf}
    if row.library not in ("native", "fused"):
        options["traced"] = tuple(traced)
    try:
        path = _kept(row, output) or export_row(row, checkpoint, output, batch=batch, **options)
    except CheckpointError:
        raise
    except (
        *(ImportError, ExportError, DeviceError, ModelError, ValueError),
        FloatingPointError,  # a weight that half precision cannot hold
    ) as error:
        return Unavailable(reason_of(error))
    megabytes = path.stat().st_size / 1e6
    if row.library == "native":
        return ModelFile(path, "winograd", None, megabytes)
    if path.suffix != ".onnx":
        return ModelFile(path, "plain", None, megabytes)
    model = onnx.load(path)
    metadata = {each.key: each.value for each in model.metadata_props}
    spec = ModelSpec.from_metadata(metadata, str(path))
    return ModelFile(path, spec.graph, len(model.graph.node), megabytes)


def _kept(row: Row, output: Path) -> Path | None:
    """Find what an earlier run exported under this name, and not only a step on the way to it."""
    suffix = ".engine" if row.flavour else {"native": ".npz", "fused": ".fused"}.get(row.library)
    file = output.with_suffix(suffix or ".onnx")
    return file if file.exists() else None


def _gpu_of(row: Row) -> str | None:
    """Tell which GPU a row's file is made for; None if it is for any machine or there is none."""
    if row.flavour is None and row.library != "fused":
        return None
    try:
        return ask_gpu("name,compute_cap")
    except OSError:
        return None


@cache
def _exporters() -> str:
    """Digest the source of everything that has a part in an export, and name its libraries."""
    digest = sha256()
    for folder in _SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    libraries = ("torch", "onnx", "onnxruntime", "openvino", "triton", "tensorrt", "tensorrt-rtx")
    return f"{digest.hexdigest()} {[version_of(name) for name in libraries]}"


def is_traced(row: Row) -> bool:
    """Tell whether other rows may take the graph of a row's file instead of tracing it again."""
    return row.precision == "fp32" and row.library in ("onnxruntime", "openvino")


def export_row(row: Row, checkpoint: Path, output: Path, batch: int = 1, **options: Any) -> Path:
    """Export a checkpoint as a row runs it.

    What the precision costs in accuracy is not judged, which takes minutes.

    Args:
        row: Engine, graph and precision.
        checkpoint: The network.
        output: Where to; the suffix becomes that of the engine's files.
        batch: Faces of one call. The native engine takes any number, one after the other.
        **options: More arguments of the exporter, such as ``traced``, files that it need not trace
            again.

    Returns:
        The file.

    Raises:
        ExportError: And others, as the exporter's.
    """
    if row.precision != "fp32" and row.library != "fused":
        options["judge"] = False
    if row.library == "native":
        return export_native(
            checkpoint, output.with_suffix(".npz"), precision=row.precision, **options
        )
    if row.library == "fused":
        return export_cuda(
            checkpoint, output.with_suffix(".fused"), batch=batch, recurrence=row.recurrence,
            targets=targets_here(), **options,
        )  # fmt: skip
    model = export_onnx(
        checkpoint, output, batch=batch, graph=row.graph,
        engine="onnxruntime" if row.library == "tensorrt" else row.library,
        precision=row.precision, **options,
    )  # fmt: skip
    return model if row.flavour is None else build_engine(model, flavour=row.flavour)


def targets_here() -> list[str] | None:
    """Choose what our kernels are compiled for: the GPU here, as each takes a minute.

    Returns:
        The newest compute capability that it runs; None for all of them where there is no GPU, or
        one that none is for.
    """
    try:
        from export.cuda.compile import POSSIBLE

        best = best_target(ask_gpu("compute_cap"), POSSIBLE)
    except (ImportError, OSError, ValueError):
        return None  # the exporter says what is missing
    return None if best is None else [best]


def reason_of(error: BaseException) -> str:
    """Write an exception as one line that starts with its kind."""
    return " ".join(f"{type(error).__name__}: {error}".split())
