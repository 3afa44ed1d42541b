"""Who is asked about faces: a network in PyTorch, or an exported model in an engine of the runtime.

Both take the same crops and answer in the same form, so that one way of scoring judges them all.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from lgrnet.checkpoint import load_checkpoint
from lgrnet.data.batches import to_input
from lgrnet.unseen import seen_by, tuned_on
from runtime.backends import DEFAULTS, open_backend
from runtime.backends.base import Outputs
from runtime.errors import DeviceError

Ask = Callable[[np.ndarray], Outputs]
"""Crops, (N, 176, 176, 3) uint8 BGR, as the runtime cuts them → what is said of them."""


@dataclass(frozen=True, eq=False)
class Model:
    """A model to be judged.

    Attributes:
        ask: What answers.
        aus: FACS numbers in the order of the answers.
        thresholds: Probability from which each AU counts as present.
        preset: Name of the network's preset.
        training_data: What the weights were trained on, in words.
        computed_by: What computes the answers: ``engine``, ``device``, ``provider``, ``precision``.
        seen: Whom it has seen, see :mod:`lgrnet.unseen`; models that were exported before they told
            it have seen nobody.
        tuned_on: On whom its thresholds were chosen or its intensities fitted, likewise.
        meta: What a checkpoint says of the network; empty for an exported model.
    """

    ask: Ask
    aus: tuple[int, ...]
    thresholds: tuple[float, ...]
    preset: str
    training_data: str
    computed_by: dict[str, str]
    seen: frozenset[tuple[str, int | str]] = frozenset()
    tuned_on: frozenset[tuple[str, int | str]] = frozenset()
    meta: Mapping[str, Any] = field(default_factory=dict)


def ask_network(model: nn.Module, device: torch.device) -> Ask:
    """Ask a network; it is put in evaluation mode and computes in float32.

    Args:
        model: LGRNet or JÂA-Net.
        device: Where it is.

    Returns:
        What answers.
    """
    model.eval()

    @torch.inference_mode()
    def ask(faces: np.ndarray) -> Outputs:
        said = model(to_input(torch.from_numpy(faces).to(device)))
        return Outputs(
            probability=said.au_logits.float().sigmoid().cpu().numpy(),
            landmarks=said.landmarks.float().cpu().numpy(),
            intensity=None if said.intensity is None else said.intensity.float().cpu().numpy(),
        )

    return ask


@contextmanager
def open_model(
    path: Path, device: str = "cpu", backend: str | None = None, threads: int | None = None
) -> Iterator[Model]:
    """Open a checkpoint or an exported model, by the suffix of the file.

    Args:
        path: ``.onnx``, ``.npz``, ``.engine`` and ``.fused`` files are exported models, all others
            are taken for checkpoints.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"auto"``.
        backend: What runs an exported model, see :func:`runtime.backends.open_backend`; None for
            what that kind of file is for.
        threads: CPU threads; None for the default of what computes.

    Yields:
        The model, closed afterwards.

    Raises:
        CheckpointError: The checkpoint cannot be used.
        DeviceError: The device is not there.
        FileNotFoundError: There is no such file.
        ModelError: The exported model cannot be opened, or the backend runs no such files.
        SpecError: The file is not one of our exports.
        ImportError: The library that runs such files is not installed.
    """
    if backend is not None or path.suffix.lower() in DEFAULTS:
        engine = open_backend(path, device, threads, backend)
        spec = engine.spec
        try:
            yield Model(
                engine, tuple(spec.aus), tuple(spec.thresholds), spec.preset, spec.training_data,
                {"engine": engine.engine, "device": engine.device, "provider": engine.provider,
                 "precision": engine.precision},
                frozenset(spec.seen),
                frozenset(spec.tuned_on),
            )  # fmt: skip
        finally:
            engine.close()
        return
    place = torch_device(device)
    if threads is not None:
        torch.set_num_threads(threads)
    model, meta = load_checkpoint(path, place)
    aus = model.config.aus
    yield Model(
        ask_network(model, place),
        aus,
        tuple(meta.get("thresholds") or [0.5] * len(aus)),
        model.config.preset,
        meta.get("training_data", "unknown"),
        {"engine": "pytorch", "device": str(place), "provider": f"torch {torch.__version__}",
         "precision": "fp32"},
        frozenset(seen_by(meta)),
        frozenset(tuned_on(meta)),
        meta,
    )  # fmt: skip


def torch_device(name: str) -> torch.device:
    """Turn ``cpu``, ``cuda``, ``cuda:N`` or ``auto`` into a device that is there.

    ``auto`` is the first GPU that this PyTorch sees, else the CPU.

    Raises:
        DeviceError: The name is none of these, or this PyTorch sees no such GPU.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and (kind == "cpu" or not number.isdecimal())):
        raise DeviceError(f"unknown device {name!r}: give cpu, cuda, cuda:N or auto")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"device {name}: this PyTorch ({torch.__version__}) sees {torch.cuda.device_count()} "
            "GPUs; give cpu, or install a PyTorch for your GPU"
        )
    return torch.device(name)
