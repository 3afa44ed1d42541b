"""Convolutions in 8 bits, by ONNX Runtime's quantiser.

Static and per channel: weights are signed, of seven bits, with a scale for each output channel;
activations are unsigned with one scale for each tensor, taken from calibration faces (the range
that holds 99.99 % of the numbers), and with zero at one end or in the middle of the range, which
engines add up fastest. What is between convolutions stays in float.

Not every part of a network bears it equally well. Its parts are quantised one at a time first, and
those that change probabilities most stay in float until the rest changes them little enough.
"""

import contextlib
import io
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from export.errors import ExportError
from runtime.spec import INPUT_NAME

PERCENTILE = 99.99
"""Share of a tensor's numbers that the 8 bits span, %. Spanning all of them wastes bits on rare
ones: mean probability change of the packaged network 0.0076 instead of 0.0056."""

AT_ONCE = 4
"""Faces whose activations are in memory together while calibrating."""

PASSING = ("Relu", "MaxPool", "Concat")
"""What leaves 8-bit numbers 8-bit numbers."""

MIN_GAIN = 0.1
"""A part is worth leaving in float if its own change is this share of the limit, at least."""

Run = Callable[[Path], np.ndarray]
"""File → probabilities of the calibration faces, (N, n)."""


@dataclass(frozen=True)
class Quantised:
    """What was decided.

    Attributes:
        floats: Parts whose convolutions stay in float.
        changes: Part → mean probability change when it alone is in 8 bits.
        mean_change: The same of all that is in 8 bits.
    """

    floats: tuple[str, ...]
    changes: dict[str, float]
    mean_change: float


class _Faces(CalibrationDataReader):
    """Feeds a graph of batch B with faces, a range of them at a time."""

    def __init__(self, faces: np.ndarray, batch: int) -> None:
        whole = len(faces) // batch * batch
        self._batches = faces[:whole].reshape(-1, batch, *faces.shape[1:])
        self.set_range(0, len(self))

    def __len__(self) -> int:
        return len(self._batches)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._rest = iter(self._batches[start_index:end_index])

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._rest, None)
        return None if batch is None else {INPUT_NAME: batch}


def part_of(node: str) -> str:
    """Name the part of the network that a node belongs to: the first two names that are words.

    ``classify.refine.3.12/Conv`` → ``classify.refine``.

    Args:
        node: A node's name, see :func:`export.serialise.to_onnx`.

    Returns:
        The part.
    """
    modules = [name for name in node.split("/")[0].split(".") if not name.isdigit()]
    return ".".join(modules[:2])


def quantise(
    source: Path,
    target: Path,
    faces: np.ndarray,
    run: Run,
    *,
    batch: int,
    integer_outputs: bool,
    mean_change: float,
) -> Quantised:
    """Write a graph with its convolutions in 8 bits.

    Args:
        source: The graph in float32.
        target: Where to.
        faces: Calibration faces, (N, 176, 176, 3) uint8, BGR.
        run: Runs a file on the engine that it is meant for.
        batch: The graph's batch size.
        integer_outputs: Whether outputs are 8-bit as well. ONNX Runtime has no other convolution
            of 8-bit inputs; OpenVINO has, and is more exact with it.
        mean_change: Mean probability change that is allowed.

    Returns:
        Which parts stayed in float, and why.

    Raises:
        ValueError: There are fewer faces than the batch holds.
    """
    if len(faces) < batch:
        raise ValueError(f"calibration: {len(faces)} faces do not fill a batch of {batch}")
    usable = len(faces) // (batch * AT_ONCE) * batch * AT_ONCE
    reader = _Faces(faces[:usable] if usable else faces[:batch], batch)
    nodes = [node.name for node in onnx.load(source).graph.node if node.op_type == "Conv"]
    parts = list(dict.fromkeys(map(part_of, nodes)))
    with tempfile.TemporaryDirectory() as scratch:
        cache, trial = Path(scratch) / "ranges.json", Path(scratch) / "trial.onnx"

        def write(path: Path, floats: Sequence[str]) -> None:
            excluded = [node for node in nodes if part_of(node) in floats]
            _quantise(source, path, reader, cache, excluded, integer_outputs)

        expected = run(source)

        def change(floats: Sequence[str]) -> float:
            write(trial, floats)
            return float(np.abs(run(trial) - expected).mean())

        total = change([])
        changes: dict[str, float] = {}
        floats: list[str] = []
        if total > mean_change:
            changes = {part: change([other for other in parts if other != part]) for part in parts}
            ranked = sorted(parts, key=changes.__getitem__, reverse=True)
            for part in ranked:
                if total <= mean_change or changes[part] < MIN_GAIN * mean_change:
                    break
                floats.append(part)
                total = change(floats)
        write(target, floats)
    return Quantised(tuple(floats), changes, total)


def _quantise(
    source: Path,
    target: Path,
    reader: _Faces,
    cache: Path,
    excluded: list[str],
    integer_outputs: bool,
) -> None:
    # A pooled maximum of 8-bit numbers is one of them: pooling after rounding is the same, faster.
    kinds = ["Conv", "MaxPool", *(["Relu", "Concat"] if integer_outputs else [])]
    graph = onnx.load(source, load_external_data=False).graph
    eight = {node.name for node in graph.node if node.op_type == "Conv"} - set(excluded)
    options = {
        "ActivationRestrictedAsymmetric": True,
        "CalibPercentile": PERCENTILE,
        "CalibStridedMinMax": min(AT_ONCE, len(reader)),
        "OpTypesToExcludeOutputQuantization": [] if integer_outputs else ["Conv"],
    }
    with _quiet(), _flat_layers_told():
        quantize_static(
            source,
            target,
            reader,
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=kinds,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            # Processors without VNNI add pairs of products in 16 bits, which saturate with weights
            # of eight: probabilities of the packaged network were off by 0.03, and up to 0.67, on
            # an AMD Zen 3. With seven it is 0.004, there and elsewhere.
            reduce_range=True,
            nodes_to_quantize=sorted(eight | _between(graph, eight)),
            calibrate_method=CalibrationMethod.Percentile,
            extra_options=options,
            calibration_cache_path=cache,
        )


@contextlib.contextmanager
def _flat_layers_told() -> Iterator[None]:
    """Say what NumPy means by a histogram that has no width."""
    try:
        yield
    except ValueError as error:
        if "bins" not in str(error):
            raise
        raise ExportError(
            "not exported: the numbers of a layer hardly differ over the calibration faces, so "
            "that 8 bits cannot be fitted to them: calibrate on more faces (--calibration), or "
            "train the network first"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the quantiser, which prints its steps and advises to optimise what is optimised."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)


def _between(graph: onnx.GraphProto, eight: set[str]) -> set[str]:
    """List activations, poolings and joins that lie between convolutions of 8 bits."""
    passing = [node for node in graph.node if node.op_type in PASSING]
    convs = [node for node in graph.node if node.name in eight]
    # Nodes are in the order of computation, so one walk reaches all that follow each other.
    after = {name for conv in convs for name in conv.output}
    behind = set()
    for node in passing:
        if after & set(node.input):
            after.update(node.output)
            behind.add(node.name)
    before = {conv.input[0] for conv in convs}
    ahead = set()
    for node in reversed(passing):
        if before & set(node.output):
            before.update(node.input)
            ahead.add(node.name)
    return behind & ahead
