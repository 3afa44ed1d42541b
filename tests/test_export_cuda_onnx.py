"""Our GPU kernels from an ONNX file: the weights come back, or the error says what to do."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from tiny_network import draw_faces, tiny_network

pytest.importorskip("triton")

from test_export_cuda import spec_of

from export.cuda import compile as compiling
from export.cuda import convert, recover
from export.cuda.__main__ import main
from export.errors import ExportError
from export.half import halve
from export.plain import PlainGraph
from export.serialise import save, to_onnx
from lgrnet.checkpoint import save_checkpoint
from runtime.cuda.launch_plan import Code, read_launch_plan
from runtime.packaged import FOLDER

FIX = "python -m export.onnx CHECKPOINT --graph plain"


@pytest.fixture(scope="module")
def model():
    return tiny_network(aus=[1, 12, 25], intensity=True, stem_stride=2, head_hidden=4)


@pytest.fixture(scope="module")
def proto(model):
    return to_onnx(PlainGraph(model), 1, spec_of(model, 1).outputs)


def file_of(folder, proto, model, **changes):
    values = {"engine": "onnxruntime", "precision": "fp32", **changes}
    path = folder / "net.onnx"
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    save(copy, replace(spec_of(model, 1), **values), path)
    return path


def weights_of(model):
    return {k: v.float() for k, v in model.state_dict().items() if not k.endswith("_tracked")}


def test_the_network_comes_back_bit_by_bit(tmp_path, model, proto):
    path = file_of(tmp_path, proto, model)
    got, spec = recover.recover_network(path)
    assert got.config == model.config
    wanted = weights_of(model)
    for name, tensor in weights_of(got).items():
        assert torch.equal(tensor, wanted[name]), name
    recover.require_same(got, path, spec, draw_faces(3))


def test_half_precision_comes_back_rounded(tmp_path, model, proto):
    path = file_of(tmp_path, proto, model)
    halve(path, tmp_path / "half.onnx")
    path = file_of(tmp_path, onnx.load(tmp_path / "half.onnx"), model, precision="fp16")
    got, spec = recover.recover_network(path)
    assert got.config == model.config
    wanted = weights_of(model)
    for name, tensor in weights_of(got).items():
        torch.testing.assert_close(tensor, wanted[name], atol=1e-5, rtol=2**-11)
    assert any(not torch.equal(a, wanted[name]) for name, a in weights_of(got).items())
    recover.require_same(got, path, spec, draw_faces(3))


def test_a_network_of_one_au_comes_back(tmp_path):
    """Its recurrence has one step, which nothing reaches: the graph has no hidden convolution."""
    model = tiny_network(aus=[12])
    path = file_of(tmp_path, to_onnx(PlainGraph(model), 1, spec_of(model, 1).outputs), model)
    got, spec = recover.recover_network(path)
    unused = [name for name in weights_of(model) if name.endswith("from_hidden.weight")]
    assert len(unused) == 2
    wanted = weights_of(model)
    for name, tensor in weights_of(got).items():
        assert torch.equal(tensor, wanted[name]) == (name not in unused), name
    recover.require_same(got, path, spec, draw_faces(3))


def test_maps_larger_than_the_grid_are_noticed(tmp_path, monkeypatch):
    model = tiny_network(aus=[1, 12], attention_cells=24)
    assert model.config.grid == 16
    path = file_of(tmp_path, to_onnx(PlainGraph(model), 1, spec_of(model, 1).outputs), model)
    monkeypatch.setattr("export.faces.demo_faces", lambda: draw_faces(3))
    got, _ = convert.read_source(path)
    assert got.config.attention_cells == 24
    for name, tensor in weights_of(got).items():
        assert torch.equal(tensor, weights_of(model)[name]), name


def test_an_ablation_is_called_so(tmp_path):
    for changes in ({"relation": "bilstm"}, {"gate": "concat"}, {"attention": "refined"}):
        model = tiny_network(aus=[1, 12], **changes)
        path = file_of(tmp_path, to_onnx(PlainGraph(model), 1, spec_of(model, 1).outputs), model)
        with pytest.raises(ExportError, match="no kernels for ablations and variants") as told:
            convert.read_source(path)
        assert "\n" not in str(told.value)
        save_checkpoint(tmp_path / "net.pt", model)
        assert main([str(tmp_path / "net.pt"), "-o", str(tmp_path / "net.fused")]) == 1


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_graph_that_is_not_what_its_names_say(tmp_path, model, proto, precision):
    """Both directions' convolutions of the patches, exchanged: the shapes are alike."""
    exchanged = onnx.ModelProto()
    exchanged.CopyFrom(proto)
    down, up = (n for n in exchanged.graph.node if n.name.startswith("model.relation/Conv"))
    down.input[1], up.input[1] = up.input[1], down.input[1]
    got, _ = recover.recover_network(file_of(tmp_path, exchanged, model))
    # Its file now holds the right graph, the network the exchanged weights.
    path = file_of(tmp_path, proto, model)
    if precision == "fp16":
        halve(path, tmp_path / "half.onnx")
        path = file_of(tmp_path, onnx.load(tmp_path / "half.onnx"), model, precision=precision)
    spec = replace(spec_of(model, 1), precision=precision)
    with pytest.raises(ExportError, match=rf"do not act like it.*{FIX}"):
        recover.require_same(got, path, spec, draw_faces(3))


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ("model.fusion.local_gate/Conv", "no Conv of fusion.local_gate"),
        ("model.relation/Conv", "no convolution of relation"),
        ("model.relation.upward.gates.maps.0/Add", "no Add of relation.upward.gates.maps.0"),
        ("model.align.hidden/Gemm", "no Gemm or MatMul of align.hidden"),
    ],
)
def test_a_graph_without_a_module(tmp_path, model, proto, node, reason):
    other = onnx.ModelProto()
    other.CopyFrom(proto)
    (found,) = (each for each in other.graph.node if each.name == node)
    found.name = "elsewhere/Conv"
    with pytest.raises(ExportError, match=f"{reason}.*{FIX}"):
        recover.recover_network(file_of(tmp_path, other, model))


def test_a_linear_layer_that_is_not_turned_comes_back(tmp_path, model, proto):
    """Ours are (outputs, inputs) and say so; other tools store what they multiply by."""
    other = onnx.ModelProto()
    other.CopyFrom(proto)
    (layer,) = (each for each in other.graph.node if each.name == "model.align.offsets/Gemm")
    (weight,) = (each for each in other.graph.initializer if each.name == layer.input[1])
    turned = onnx.numpy_helper.to_array(weight).T
    weight.CopyFrom(onnx.numpy_helper.from_array(turned, weight.name))
    (flag,) = (each for each in layer.attribute if each.name == "transB")
    flag.i = 0
    path = file_of(tmp_path, other, model)
    got, spec = recover.recover_network(path)
    assert torch.equal(got.align.offsets.weight, model.align.offsets.weight)
    recover.require_same(got, path, spec, draw_faces(3))


def test_a_map_of_unknown_size_has_that_of_what_it_is_made_of(tmp_path, model, proto):
    other = onnx.ModelProto()
    other.CopyFrom(proto)
    (first,) = (each for each in other.graph.node if each.name == "model.stem.0.conv/Conv")
    place = list(other.graph.node).index(first)
    same = onnx.helper.make_node("Identity", [first.input[0]], ["the same"], "graph/Identity")
    first.input[0] = "the same"
    other.graph.node.insert(place, same)
    got, _ = recover.recover_network(file_of(tmp_path, other, model))
    assert got.config == model.config


def larger(graph, node):
    """Give a node a weight of one row more."""
    (weight,) = (each for each in graph.initializer if each.name == node.input[1])
    values = onnx.numpy_helper.to_array(weight)
    rows = np.concatenate([values, values[:1]])
    graph.initializer.append(onnx.numpy_helper.from_array(rows, "larger"))
    node.input[1] = "larger"


def computed(graph, node):
    """Let a node take what another has computed for a weight."""
    graph.node.insert(0, onnx.helper.make_node("Identity", [node.input[1]], ["computed"]))
    graph.node.insert(0, onnx.helper.make_node("Relu", ["computed"], ["computed twice"]))
    node.input[1] = "computed twice"


def lost(graph, node):
    """Take a node's last weight away."""
    node.input.pop()


def both(graph, node):
    """Let an addition add a constant to a constant."""
    node.input[0] = node.input[1] = graph.initializer[0].name


def neither(graph, node):
    """Let an addition add nothing that is known."""
    node.input[0] = node.input[1] = graph.input[0].name


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("model.heads.logit/Conv", larger, "size mismatch for heads.logit.weight"),
        ("model.heads.logit/Conv", computed, "input 1 of model.heads.logit/Conv is no constant"),
        ("model.heads.logit/Conv", lost, "input 2 of model.heads.logit/Conv is no constant"),
        ("model.stem.0.norm/BatchNormalization", computed, "input 1 of model.stem.0.norm/Batch"),
        ("model.stem.0.conv/Conv", larger, "is no network that we know"),
        ("model.relation.upward.gates.maps.0/Add", both, "maps.0/Add adds no bias"),
        ("model.relation.upward.gates.maps.0/Add", neither, "maps.0/Add adds no bias"),
    ],
)
def test_a_graph_whose_weights_are_others(tmp_path, model, proto, name, change, reason):
    other = onnx.ModelProto()
    other.CopyFrom(proto)
    (found,) = (each for each in other.graph.node if each.name == name)
    change(other.graph, found)
    with pytest.raises(ExportError, match=f"{reason}.*{FIX}") as told:
        recover.recover_network(file_of(tmp_path, other, model))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("lgrnet_edge.onnx", "is a winograd graph"),
        ("lgrnet_edge_int8.onnx", "is int8, its weights"),
    ],
)
def test_packaged_files_say_what_to_do(capsys, name, reason):
    assert main([str(FOLDER / name)]) == 1
    said = capsys.readouterr().err
    assert reason in said
    assert FIX in said


def test_files_that_are_none(tmp_path, capsys, proto):
    path = tmp_path / "m.onnx"
    assert main([str(path)]) == 2
    assert "no such file" in capsys.readouterr().err
    path.write_bytes(b"not at all")
    assert main([str(path)]) == 1
    assert "is not an ONNX file" in capsys.readouterr().err
    onnx.save(proto, path)
    assert main([str(path)]) == 2
    assert "holds no lgrnet metadata" in capsys.readouterr().err
    key, value = b"\x0a\x06lgrnet", b"\x12\x02\xc3\x28"  # which is not in UTF-8
    path.write_bytes(path.read_bytes() + b"\x72" + bytes([len(key + value)]) + key + value)
    assert main([str(path)]) == 2
    assert f"{path}: its lgrnet metadata is not JSON" in capsys.readouterr().err


def test_the_command_takes_an_onnx_file(tmp_path, monkeypatch, model, proto):
    path = file_of(tmp_path, proto, model, thresholds=(0.25, 0.5, 0.75))
    monkeypatch.setattr("export.faces.demo_faces", lambda: draw_faces(2))
    codes = lambda kernels, targets: (  # noqa: E731 the compiler, which cannot run in this process
        {target: {key: Code("k", 4, 0, 2, False, 0, 1) for key in kernels} for target in targets},
        b"x",
    )
    monkeypatch.setattr(compiling, "compile_kernels", codes)
    assert main([str(path), "--targets", "9.0", "--batch", "2"]) == 0
    plan, weights, _ = read_launch_plan(tmp_path / "net.fused")
    assert plan.spec.thresholds == (0.25, 0.5, 0.75)
    assert (plan.spec.engine, plan.spec.precision, plan.spec.batch) == ("fused", "fp16", 2)
    array = plan.arrays["stem.1.conv.kernels"]
    kernels = weights[array.offset :][: array.size].view(np.float16).reshape(3, 3, 8, 12)
    wanted = model.stem[2].conv.weight.detach().permute(2, 3, 1, 0).half().numpy()
    np.testing.assert_array_equal(kernels, wanted)
