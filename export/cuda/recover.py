"""From an exported ONNX file back to the network that it was made of.

Only of *plain* graphs, which hold the network module by module: their nodes are named after the
modules (`export.serialise`), so that a module's weights are what its node reads. The rewritten
graphs have merged batch norms and transformed kernels, and 8 bits have rounded the weights. What
comes out is run beside the file, so that a graph that is not what its names say is noticed.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from export.errors import ExportError
from lgrnet.network.config import PRESETS, REFINEMENT_MARGIN, ModelConfig
from lgrnet.network.model import LGRNet
from lgrnet.network.relation import ConvLSTMCell
from runtime.spec import ModelSpec

TOLERANCES = {"fp32": (1e-4, 0.01), "fp16": (0.03, 0.5)}
"""Precision of the file → how much probabilities and landmarks (pixels) may differ from what the
network says: rounding of float32, or of half precision between all operators."""

_FIX = (
    "give the checkpoint, or an ONNX file made by `python -m export.onnx CHECKPOINT --graph plain`"
    "; there are no kernels for ablations and variants"
)
_NORM = ("weight", "bias", "running_mean", "running_var")


def recover_network(path: Path) -> tuple[LGRNet, ModelSpec]:
    """Read the network out of an exported ONNX file.

    Args:
        path: The file: a plain graph in fp32 or fp16.

    Returns:
        The network, in evaluation mode, and what the file says of itself.

    Raises:
        SpecError: The file is not an export of this project.
        ExportError: The weights cannot be had back from it; the message names the fix.
    """
    try:
        proto = onnx.load(path)
        properties = {each.key: each.value for each in proto.metadata_props}
    except Exception as error:  # protobuf has exceptions of its own
        raise ExportError(f"{path} is not an ONNX file ({str(error)[:100]}): {_FIX}") from error
    spec = ModelSpec.from_metadata(properties, str(path))
    if spec.graph != "plain":
        raise ExportError(
            f"{path} is a {spec.graph} graph, rewritten so that the weights cannot be had back: "
            f"{_FIX}"
        )
    if spec.precision not in TOLERANCES:
        raise ExportError(f"{path} is {spec.precision}, its weights are rounded for good: {_FIX}")
    graph = _Graph(proto, path)
    model = LGRNet(_config(graph, spec))
    state = {**model.state_dict(), **dict(_tensors(graph, model))}
    try:
        model.load_state_dict(state)
    except RuntimeError as error:  # a weight has another shape than the others let expect
        raise ExportError(f"{path}: {' '.join(str(error).split())[:300]}: {_FIX}") from error
    return model.eval(), spec


def with_margin(model: LGRNet) -> LGRNet:
    """Make a recovered network's attention maps larger than its grid, as ``attention_cells`` can.

    No weight depends on it, so that only what the network says can tell.

    Args:
        model: A network whose maps are as large as its grid.

    Returns:
        Another with the same weights, in evaluation mode.
    """
    config = model.config
    other = LGRNet(replace(config, attention_cells=config.grid + REFINEMENT_MARGIN))
    other.load_state_dict(model.state_dict())
    return other.eval()


def require_same(model: LGRNet, path: Path, spec: ModelSpec, faces: np.ndarray) -> None:
    """Run a recovered network beside its file.

    Args:
        model: The network.
        path: The file.
        spec: What it says of itself.
        faces: Crops, (N, 176, 176, 3) uint8, BGR.

    Raises:
        ExportError: They do not say the same.
        ImportError: ONNX Runtime is not installed.
    """
    from export.judge import require_equal
    from runtime.backends import open_backend

    with closing(open_backend(path, backend="onnxruntime")) as backend:
        try:
            require_equal(model, backend, faces, *TOLERANCES[spec.precision])
        except ExportError as error:
            raise ExportError(
                f"{path}: the weights read from it do not act like it ({error}): {_FIX}"
            ) from error


class _Graph:
    """An ONNX graph by the modules that its nodes come from."""

    def __init__(self, proto: onnx.ModelProto, path: Path) -> None:
        self.path = path
        graph = proto.graph
        self._constants = {each.name: each for each in graph.initializer}
        self._makers = {name: node for node in graph.node for name in node.output}
        self._nodes: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            self._nodes.setdefault(node.name.split("/")[0], []).append(node)
        shapes = [*graph.value_info, *graph.input, *graph.output]
        self._shapes = {
            each.name: [d.dim_value for d in each.type.tensor_type.shape.dim] for each in shapes
        }

    def find(self, module: str, *kinds: str) -> list[onnx.NodeProto]:
        """List the nodes of a module, of some kinds of operator.

        Raises:
            ExportError: There is none.
        """
        found = [node for node in self._nodes.get(f"model.{module}", []) if node.op_type in kinds]
        if not found:
            raise ExportError(
                f"{self.path} has no {' or '.join(kinds)} of {module}, which our kernels need: "
                f"{_FIX}"
            )
        return found

    def constant(self, name: str) -> Tensor | None:
        """Read a constant, also through casts; None where a name is none."""
        while name in self._makers and self._makers[name].op_type in ("Cast", "Identity"):
            name = self._makers[name].input[0]
        if name not in self._constants:
            return None
        return torch.from_numpy(numpy_helper.to_array(self._constants[name]).astype(np.float32))

    def needed(self, node: onnx.NodeProto, place: int) -> Tensor:
        """Read a node's input that has to be a constant."""
        value = self.constant(node.input[place]) if place < len(node.input) else None
        if value is None:
            raise ExportError(f"{self.path}: input {place} of {node.name} is no constant: {_FIX}")
        return value

    def side(self, name: str) -> int:
        """Tell how many columns a map has."""
        while name in self._makers and name not in self._shapes:
            name = self._makers[name].input[0]
        return self._shapes[name][-1]


def _config(graph: _Graph, spec: ModelSpec) -> ModelConfig:
    """Read the network's sizes off its weights."""
    n = len(spec.aus)
    (first,), (second,) = graph.find("stem.0.conv", "Conv"), graph.find("stem.2.conv", "Conv")

    def width(module: str, groups: int = 1) -> int:
        return len(graph.needed(graph.find(module, "Conv")[0], 1)) // groups

    def widths(module: str, groups: int = 1) -> tuple[int, int, int]:
        first, second, third = (width(f"{module}.{place}", groups) for place in (0, 7, 14))
        return first, second, third

    strides = next(a.ints for a in first.attribute if a.name == "strides")
    hidden = _linear(graph, "align.hidden")[0]
    try:
        return replace(
            PRESETS.get(spec.preset, PRESETS["edge"]),
            preset=spec.preset,
            aus=spec.aus,
            crop_size=spec.crop_size,
            intensity=spec.intensity,
            input_size=graph.side(first.input[0]),
            stem_stride=int(strides[0]),
            stem_widths=(len(graph.needed(first, 1)), len(graph.needed(second, 1))),
            feature_widths=widths("align.blocks"),
            refine_widths=widths("refine", n),
            align_hidden=len(hidden),
            head_hidden=width("heads.hidden", n),
        )
    except (ValueError, KeyError, IndexError) as error:
        raise ExportError(f"{graph.path} is no network that we know ({error}): {_FIX}") from error


def _tensors(graph: _Graph, model: LGRNet) -> Iterator[tuple[str, Tensor]]:
    """Give every tensor that decides what the network says, by its name in the state."""
    inputs = iter(
        # Both directions' convolutions of the patches, which belong to the module around them;
        # they are the only ones in nine groups, one for each tap.
        [node for node in graph.find("relation", "Conv") if _groups(node) == 9]
    )
    for name, module in model.named_modules():
        if isinstance(module, ConvLSTMCell):
            shape = module.from_input.weight.shape  # (4C, C, 3, 3)
            node = next(inputs, None)
            if node is None:
                raise ExportError(f"{graph.path} has no convolution of {name}'s patches: {_FIX}")
            taps = graph.needed(node, 1)
            yield f"{name}.from_input.weight", taps.reshape(3, 3, *shape[:2]).permute(2, 3, 0, 1)
        elif isinstance(module, nn.BatchNorm2d):
            (node, *_) = graph.find(name, "BatchNormalization")
            for place, part in enumerate(_NORM, 1):
                yield f"{name}.{part}", graph.needed(node, place)
        elif isinstance(module, nn.Linear):
            for part, value in zip(("weight", "bias"), _linear(graph, name), strict=True):
                yield f"{name}.{part}", value
        elif name.endswith(".from_hidden") and len(model.config.aus) == 1:
            # Nothing reaches the only step, so that the file has the bias of this layer alone.
            yield f"{name}.bias", _bias(graph, name.removesuffix(".from_hidden")).flatten()
            yield f"{name}.weight", torch.zeros_like(module.weight)
        elif isinstance(module, nn.Conv2d) and not name.endswith(".from_input"):
            (node, *_) = graph.find(name, "Conv")
            yield f"{name}.weight", graph.needed(node, 1)
            if module.bias is not None:
                yield f"{name}.bias", graph.needed(node, 2)


def _linear(graph: _Graph, name: str) -> tuple[Tensor, Tensor]:
    """Read a linear layer, which is one node or two: weight (O, I), bias (O,)."""
    (node, *_) = graph.find(name, "Gemm", "MatMul")
    weight = graph.needed(node, 1)
    if node.op_type == "Gemm":
        turned = any(a.name == "transB" and a.i for a in node.attribute)
        return weight if turned else weight.T, graph.needed(node, 2)
    return weight.T, _bias(graph, name)


def _bias(graph: _Graph, name: str) -> Tensor:
    """Read what the first addition of a module adds."""
    (add, *_) = graph.find(name, "Add")
    biases = [value for each in add.input if (value := graph.constant(each)) is not None]
    if len(biases) != 1:
        raise ExportError(f"{graph.path}: {add.name} adds no bias: {_FIX}")
    return biases[0]


def _groups(node: onnx.NodeProto) -> int:
    return next((each.i for each in node.attribute if each.name == "group"), 1)
