import itertools

import numpy as np
import onnxruntime
import pytest
import torch
from tiny_network import draw_faces, tiny_network
from torch.nn import functional

from export.direct import DirectGraph
from export.fusion import normalise
from export.plain import PlainGraph
from export.serialise import to_onnx
from export.winograd import WinogradGraph
from lgrnet.network.config import ModelConfig
from lgrnet.network.fusion import l2_normalise
from lgrnet.network.model import LGRNet
from runtime.spec import INTENSITY_NAME, OUTPUT_NAMES

VARIANTS = [
    *({"relation": relation, "fusion": fusion} for relation, fusion in itertools.product(
        ("skip_bilstm", "bilstm", "none"), (True, False))),
    {"gate": "concat"},
    {"gate": "concat", "fusion": False},
    {"attention": "refined"},
    {"attention": "refined", "attention_cells": 24, "relation": "bilstm"},
    {"attention_cells": 24},
    {"stem_stride": 2},  # 8 × 8 cells: windows hold every block
    {"input_size": 176, "stem_stride": 1},  # 44 × 44 cells, no resizing
    {"aus": [12]},  # nothing to skip to
    {"aus": [12, 14]},  # one patch
    {"intensity": True},
    {"intensity": True, "fusion": False},
]  # fmt: skip
# Tracing takes seconds a graph. The default network: tests/test_export_onnx.py as a WinogradGraph,
# tests/test_export_precision.py as the others.
CONCAT = {"gate": "concat", "attention_cells": 24}
REFINED = {"relation": "bilstm", "attention": "refined", "fusion": False, "intensity": True}
EXPORTED = [
    (CONCAT, 3, WinogradGraph),
    (REFINED, 2, DirectGraph),
    ({"relation": "none", "intensity": True}, 3, PlainGraph),
]


def assert_same(actual, expected):
    """Compare all outputs; the faces make probabilities vary by 0.1 and landmarks by pixels."""
    assert len(actual) == len(expected)
    for found, wanted, tolerance in zip(actual, expected, (5e-5, 1e-3, 2.5e-4), strict=False):
        torch.testing.assert_close(torch.as_tensor(found), wanted, rtol=0, atol=tolerance)
    assert expected[0].std(0).max() > 0.05
    assert expected[1].std(0).mean() > 0.5
    assert len(expected) == 2 or expected[2].std(0).max() > 0.25


@pytest.fixture(params=[WinogradGraph, DirectGraph])
def rewritten(request):
    return request.param


def run_both(rewritten, model, faces):
    faces = torch.from_numpy(faces)
    with torch.inference_mode():
        return rewritten(model, len(faces))(faces), PlainGraph(model)(faces)


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_rewritten_network_equals_the_network(rewritten, changes):
    model = tiny_network(**changes)
    assert_same(*run_both(rewritten, model, draw_faces(3)))


def test_faces_do_not_depend_on_the_batch(rewritten):
    model = tiny_network()
    faces = draw_faces(3)
    together, _ = run_both(rewritten, model, faces)
    alone = [run_both(rewritten, model, face[None])[0] for face in faces]
    assert_same([torch.cat(parts) for parts in zip(*alone, strict=True)], together)


@pytest.mark.parametrize(
    ("shift", "scale"),
    [((-85, -40), 1), ((90, 60), 1), ((0, 170), 1), ((-400, 0), 1), ((0, 0), 0.1), ((0, 0), 0.35)],
    ids=["left", "right and down", "below", "far away", "one place", "overlapping"],
)
@pytest.mark.parametrize("cells", [None, 24])
def test_patches_at_the_border_off_the_grid_and_on_each_other(rewritten, shift, scale, cells):
    model = tiny_network(attention_cells=cells)
    with torch.no_grad():
        offsets = model.align.offsets
        middle = model.align.mean_face.mean(0)
        wanted = middle + (model.align.mean_face - middle) * scale + torch.tensor(shift)
        offsets.bias.add_((wanted - model.align.mean_face).flatten() / model.align.unit)
    fused, plain = run_both(rewritten, model, draw_faces(3))
    middle = (middle + torch.tensor(shift)).expand(3, 2)
    torch.testing.assert_close(plain[1].mean(1), middle, rtol=0, atol=12)
    for found, wanted, tolerance in zip(fused, plain, (5e-5, 1e-3), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=tolerance)


def test_vectors_are_scaled_as_the_network_scales_them():
    """Zero stays zero, and what is as short as the summand under the root is not made long."""
    lengths = torch.tensor([0, 1e-5, 1e-3, 3e-3, 0.1, 50])[:, None]
    x = lengths * functional.normalize(torch.arange(-3.0, 5.0), dim=0)  # (6, C)
    found = normalise(x)
    torch.testing.assert_close(found, l2_normalise(x), rtol=1e-6, atol=0)
    assert (found[0] == 0).all()


def test_branches_one_by_one_are_the_same(monkeypatch):
    model = tiny_network()
    monkeypatch.setattr("export.winograd.blocks.WORKING_SET", 1)
    assert_same(*run_both(WinogradGraph, model, draw_faces(3)))


@pytest.mark.parametrize(("changes", "batch", "kind"), EXPORTED, ids=str)
def test_exported_graph_equals_the_network(changes, batch, kind):
    model = tiny_network(aus=[1, 12], **changes)
    faces = draw_faces(batch * 2)
    graph = PlainGraph(model) if kind is PlainGraph else kind(model, batch)
    with_intensity = changes.get("intensity", False)
    outputs = (*OUTPUT_NAMES, INTENSITY_NAME) if with_intensity else OUTPUT_NAMES
    proto = to_onnx(graph, batch, outputs)
    assert [output.name for output in proto.graph.output] == list(outputs)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    runs = [session.run(None, {"face": part}) for part in (faces[:batch], faces[batch:])]
    actual = [np.concatenate(parts) for parts in zip(*runs, strict=True)]
    with torch.inference_mode():
        assert_same(actual, PlainGraph(model)(torch.from_numpy(faces)))


# Every AU adds as many nodes as any other, and to trace all twelve takes half a minute.
@pytest.mark.parametrize(("kind", "most"), [(WinogradGraph, 530), (DirectGraph, 580)])
def test_graph_of_the_paper_is_small_and_static(kind, most):
    torch.manual_seed(0)
    config = ModelConfig(aus=ModelConfig().aus[:2])
    graph = to_onnx(kind(LGRNet(config), 1), 1).graph
    assert len(graph.node) < most
    shapes = {
        value.name: [d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.output)
    }
    assert all(all(shape) for shape in shapes.values())
    assert {name for node in graph.node for name in node.output} <= shapes.keys()
    # Batch norms and what is constant are part of the weights.
    kinds = {node.op_type for node in graph.node}
    assert not kinds & {"BatchNormalization", "Identity", "Constant", "Shape", "If", "Loop"}
