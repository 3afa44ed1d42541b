"""From an nn.Module to one static ONNX model."""

import ast
import contextlib
import io
import logging
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import onnx
import onnx_ir
import torch
from onnx_ir.passes import Sequential, common
from onnxscript import opset18 as op
from onnxscript.optimizer import fold_constants
from torch import nn

from runtime.align import CROP_SIZE
from runtime.spec import INPUT_NAME, OUTPUT_NAMES, ModelSpec

OPSET = 18
"""ONNX operator set of our files: what PyTorch's exporter writes without converting, and old enough
for every ONNX Runtime and TensorRT that is still in use."""

FOLDED = 1 << 24
"""Numbers that a constant may hold to be computed at export instead of at load; none of ours holds
more."""

SCOPES = "pkg.torch.onnx.name_scopes"
"""Where PyTorch's exporter notes which module a node comes from."""


def to_onnx(graph: nn.Module, batch: int, outputs: Sequence[str] = OUTPUT_NAMES) -> onnx.ModelProto:
    """Trace a graph with a fixed batch.

    PyTorch's exporter built on ``torch.export`` (``dynamo=True``) is used. It knows every shape, so
    that folding constants leaves the network's own operations; the older one, which is deprecated,
    records each computation of a shape (3,300 nodes against 1,500 for the paper's network). Of its
    optimisations only the quick ones are run: its search for patterns takes a minute and finds what
    ONNX Runtime finds by itself when it loads the file.

    Args:
        graph: Takes ``face``, gives the outputs.
        batch: The batch size B.
        outputs: Their names, see :attr:`runtime.spec.ModelSpec.outputs`.

    Returns:
        The model, with the shape of every tensor and without external data.
    """
    face = torch.zeros(batch, CROP_SIZE, CROP_SIZE, 3, dtype=torch.uint8)
    with torch.inference_mode(), quiet_exporter():
        program = torch.onnx.export(
            graph.eval(),
            (face,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT_NAME],
            output_names=list(outputs),
            custom_translation_table={torch.ops.aten.index_put.default: _add_rows},
            optimize=False,
            verbose=False,
        )
        assert program is not None  # as with dynamo=False alone
        model = program.model
        fold_constants(
            model, input_size_limit=FOLDED, output_size_limit=FOLDED, should_fold=_should_fold
        )
    passes = Sequential(
        common.IdentityEliminationPass(),
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        common.DeduplicateInitializersPass(),
        common.CommonSubexpressionEliminationPass(),
        common.RemoveUnusedNodesPass(),
        # Stack traces and paths of our source code.
        common.ClearMetadataAndDocStringPass(),
    )
    _name_nodes(model)
    proto = onnx_ir.to_proto(passes(model).model)
    return onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)


def _name_nodes(model: onnx_ir.Model) -> None:
    """Name nodes after the modules they come from: ``align.0/Conv``, then ``align.0/Conv_1``."""
    seen: Counter[str] = Counter()
    for node in model.graph:
        scopes = ast.literal_eval(node.metadata_props.get(SCOPES, "['']"))
        modules = [scope for scope in scopes[:-1] if scope]
        name = f"{modules[-1] if modules else 'graph'}/{node.op_type}"
        seen[name] += 1
        node.name = name if seen[name] == 1 else f"{name}_{seen[name] - 1}"


def _should_fold(node: onnx_ir.Node) -> bool | None:
    """Keep products of constants, our transformed kernels, which are larger than their factors."""
    return False if node.op_type == "MatMul" else None


def find_traced(known: Iterable[Path], spec: ModelSpec) -> onnx.ModelProto | None:
    """Find a graph that was traced before.

    Args:
        known: Exported files.
        spec: What the file to write says of itself.

    Returns:
        The model of the first of them that is in float32 and differs from ``spec`` in engine and
        precision alone; None if there is none.
    """
    for path in known:
        proto = onnx.load(path)
        metadata = {each.key: each.value for each in proto.metadata_props}
        found = ModelSpec.from_metadata(metadata, str(path))
        same = replace(found, engine=spec.engine, precision=spec.precision) == spec
        if same and found.precision == "fp32":
            return proto
    return None


def save(proto: onnx.ModelProto, spec: ModelSpec, path: Path) -> None:
    """Write a model, all of it in one file.

    Args:
        proto: From :func:`to_onnx`.
        spec: What it says of itself; becomes its metadata.
        path: Where to.
    """
    onnx.helper.set_model_props(proto, spec.to_metadata())
    onnx.save_model(proto, path)


def _add_rows(
    data: onnx_ir.Value, indices: Sequence, values: onnx_ir.Value, accumulate: bool = False
) -> onnx_ir.Value:
    """Translate the one form of ``index_put`` that our graphs hold: adding values to rows.

    The exporter's own translation, made for every form, wraps two transpositions around it.
    """
    if not accumulate or len(indices) != 1:
        raise NotImplementedError("index_put is exported for adding to rows only")
    # Operators are declared for tensors of numbers alone; the exporter calls them with its values.
    rows = op.Unsqueeze(indices[0], op.Constant(value_ints=[-1]))  # type: ignore[arg-type]
    return op.ScatterND(data, rows, values, reduction="add")  # type: ignore[type-var]


@contextlib.contextmanager
def quiet_exporter() -> Iterator[None]:
    """Silence the exporter, which prints its progress and warns about packages we do not use."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
