"""The engines that are compared, each a function from one face crop to AU probabilities."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch

from export.plain import PlainGraph
from export.onnx import export_onnx
from lgrnet.checkpoint import load_checkpoint, save_checkpoint
from lgrnet.config import model_config
from lgrnet.model import LGRNet
from runtime.backends import open_backend


@dataclass(frozen=True, eq=False)
class Engine:
    """One way of running one network.

    Attributes:
        name: What the table calls it.
        run: Crop (1, 176, 176, 3) uint8 BGR → AU probabilities (1, n).
        nodes: Nodes of its ONNX graph; None where there is none.
        megabytes: Size of its file; None where there is none.
    """

    name: str
    run: Callable[[np.ndarray], np.ndarray]
    nodes: int | None = None
    megabytes: float | None = None


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


def export_both(checkpoint: Path, folder: Path) -> dict[str, Path]:
    """Export the plain and the fused graph.

    Args:
        checkpoint: The network.
        folder: Where to.

    Returns:
        Name of the engine → file.
    """
    files = {}
    for name, fuse in (("plain", False), ("fused", True)):
        file = folder / f"{checkpoint.stem}_{name}.onnx"
        files[f"ONNX Runtime, {name} graph"] = export_onnx(checkpoint, file, fuse=fuse)
    return files


def open_engines(checkpoint: Path, files: dict[str, Path], threads: int) -> list[Engine]:
    """Open eager PyTorch and ONNX Runtime.

    Args:
        checkpoint: The network.
        files: From :func:`export_both`.
        threads: CPU threads of every engine.

    Returns:
        The engines, eager PyTorch first.
    """
    torch.set_num_threads(threads)
    model, _ = load_checkpoint(checkpoint)
    graph = PlainGraph(model)

    def eager(face: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return graph(torch.from_numpy(face))[0].numpy()

    engines = [Engine("PyTorch eager", eager)]
    for name, file in files.items():
        backend = open_backend(file, "cpu", threads)
        nodes = len(onnx.load(file).graph.node)
        megabytes = file.stat().st_size / 1e6
        engines.append(Engine(name, lambda face, run=backend: run(face)[0], nodes, megabytes))
    return engines
