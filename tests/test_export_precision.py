"""int8 and fp16, from the command line to a file that runs."""

import json
import shutil

import numpy as np
import onnx
import pytest
import torch
from tiny_export import GENEROUS, write_export_folder
from tiny_network import draw_faces, tiny_network

from export.half import _is_kept, drop_twins
from export.onnx import export_onnx, main
from export.plain import PlainGraph
from export.quantise import (
    part_of,
    quantise,
)
from export.recipes import fastest_graph
from export.serialise import to_onnx
from lgrnet.checkpoint import save_checkpoint
from lgrnet.data.shards import FaceShards
from runtime.backends import open_backend


@pytest.fixture(scope="module")
def model():
    return tiny_network(aus=[1, 12])


@pytest.fixture(scope="module", autouse=True)
def traced_once():
    """Trace each graph of this file's one network once: that takes most of the time here."""
    traced = {}

    def trace(graph, batch, outputs):
        key = (type(graph), batch, outputs)
        if key not in traced:
            traced[key] = to_onnx(graph, batch, outputs)
        copy = onnx.ModelProto()
        copy.CopyFrom(traced[key])
        return copy

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("export.serialise.to_onnx", trace)
        yield


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    return write_export_folder(tmp_path_factory.mktemp("precision"), model)


@pytest.mark.parametrize(
    ("engine", "precision", "grid", "graph"),
    [
        ("onnxruntime", "fp32", 16, "winograd"),
        ("onnxruntime", "int8", 44, "direct"),
        ("openvino", "int8", 16, "plain"),
        ("openvino", "int8", 44, "direct"),
        ("onnxruntime", "fp16", 44, "plain"),
    ],
)
def test_graph_follows_engine_precision_and_size(engine, precision, grid, graph):
    assert fastest_graph(engine, precision, grid) == graph


def test_unknown_engine_has_no_graph():
    with pytest.raises(ValueError, match="'tvm' with precision 'int8': give one of"):
        fastest_graph("tvm", "int8", 16)


def engine_or_skip(engine):
    pytest.importorskip(engine)
    return engine


def command(folder, output, *arguments):
    options = ["--faces", folder / "faces", "--held-out", folder / "data", "-o", folder / output]
    return main([str(folder / "net.pt"), *map(str, options), *arguments])


@pytest.fixture(scope="module")
def int8(folder):
    """Return the int8 file of an engine, made once."""
    made = {}

    def make(engine):
        if engine not in made:
            name = f"int8_{engine}.onnx"
            arguments = ["--precision", "int8", "--engine", engine, *GENEROUS]
            arguments += ["--calibration", str(folder / "data")]
            assert command(folder, name, *arguments) == 0
            made[engine] = folder / name
        return made[engine]

    return make


def test_a_graph_that_is_known_is_not_traced_again(folder, model, monkeypatch):
    """And only where it is of the same weights, batch and kind of graph."""

    def refuse(graph, batch, outputs):
        raise RuntimeError("traced")

    checkpoint = folder / "net.pt"
    exact = export_onnx(checkpoint, folder / "exact.onnx", graph="plain", faces=folder / "faces")
    half = folder / "half.onnx"
    monkeypatch.setattr("export.serialise.to_onnx", refuse)
    options = {"graph": "plain", "faces": folder / "faces", "judge": False, "traced": [half, exact]}
    shutil.copy(exact, half)  # the first is in fp32 too, until it is replaced by one in fp16
    export_onnx(checkpoint, half, precision="fp16", **options)
    export_onnx(checkpoint, folder / "again.onnx", engine="openvino", **options)
    assert open_backend(folder / "again.onnx").spec.engine == "openvino"
    faces = draw_faces(3, seed=8)
    a, b = (open_backend(folder / f"{name}.onnx")(faces) for name in ("exact", "again"))
    np.testing.assert_array_equal(a.probability, b.probability)
    with pytest.raises(RuntimeError, match="traced"):
        export_onnx(checkpoint, folder / "two.onnx", batch=2, **options)
    other = folder / "other.pt"
    save_checkpoint(other, tiny_network(aus=[1, 12], seed=1), {"thresholds": [0.5, 0.5]})
    with pytest.raises(RuntimeError, match="traced"):
        export_onnx(other, folder / "other.onnx", **options)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_int8_file_computes_about_the_same_in_8_bits(folder, model, int8, engine):
    path = int8(engine_or_skip(engine))
    backend = open_backend(path, backend=engine)
    assert (backend.spec.precision, backend.precision) == ("int8", "int8")
    assert backend.spec.engine == engine
    assert backend.spec.graph == ("plain" if engine == "openvino" else "direct")
    faces = draw_faces(16, seed=77)
    with torch.inference_mode():
        expected, points = PlainGraph(model)(torch.from_numpy(faces))
    found, found_points, _ = backend(faces)
    change = np.abs(found - expected.numpy())
    # Rounding to 8 bits shows, and stays small beside how faces differ.
    assert 1e-5 < change.mean() < 0.1
    least = {"openvino": 0.9, "onnxruntime": 0.8}[engine]
    assert np.corrcoef(found.ravel(), expected.numpy().ravel())[0, 1] > least
    assert np.abs(found_points - points.numpy()).mean() < 0.5

    graph = onnx.load(path).graph
    makers = {name: node for node in graph.node for name in node.output}
    convs = [node for node in graph.node if node.op_type == "Conv"]
    eight = [node for node in convs if makers[node.input[0]].op_type == "DequantizeLinear"]
    assert len(eight) > len(convs) / 2
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in eight:
        dequantise = makers[node.input[1]]
        weight, scale = (constants[name] for name in dequantise.input[:2])
        assert weight.data_type == onnx.TensorProto.INT8
        assert len(scale.dims) == 1  # per channel
        assert scale.dims[0] == weight.dims[0]


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_report_is_what_a_plain_loop_finds(folder, int8, engine):
    path = int8(engine_or_skip(engine))
    report = json.loads(path.with_suffix(".accuracy.json").read_text())
    assert (report["precision"], report["engine"], report["frames"]) == ("int8", engine, 48)
    shards = FaceShards(folder / "data", "test")
    backend = open_backend(path, backend=engine)
    crops = np.stack([shards.face(i)[12:188, 12:188] for i in range(48)])
    found = backend(crops).probability
    for column, key in enumerate(("AU01", "AU12")):
        row = report["aus"][key]
        hits = false = missed = 0
        for p, true in zip(found[:, column], shards.labels.presence[:, column], strict=True):
            hits += p >= 0.5 and true == 1
            false += p >= 0.5 and true == 0
            missed += p < 0.5 and true == 1
        assert row["f1"] == pytest.approx(2 * hits / (2 * hits + false + missed))
        # The labels are what the float32 network says.
        assert row["f1_fp32"] == 1.0
        assert row["flipped"] == pytest.approx((false + missed) / 48)
        assert row["positives"] == int(shards.labels.presence[:, column].sum())
        assert 0 < row["mean_change"] < row["max_change"] < 1


def test_broken_bound_names_the_au_and_writes_nothing(folder, capsys, int8):
    arguments = ["--precision", "int8", *GENEROUS, "--max-change", "0"]
    arguments += ["--calibration", str(folder / "data")]
    assert command(folder, "refused.onnx", *arguments) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("not exported: ")
    assert "AU01 changes by up to 0." in said
    assert "the bound is 0" in said
    assert not list(folder.glob("refused*"))


def test_half_precision(folder, model):
    assert command(folder, "half.onnx", "--precision", "fp16", *GENEROUS) == 0
    path = folder / "half.onnx"
    backend = open_backend(path)
    assert (backend.spec.precision, backend.spec.graph) == ("fp16", "plain")
    constants = onnx.load(path).graph.initializer
    sizes = {onnx.TensorProto.FLOAT16: 0, onnx.TensorProto.FLOAT: 0}
    for tensor in constants:
        if tensor.data_type in sizes:
            sizes[tensor.data_type] += int(np.prod(tensor.dims))
    assert sizes[onnx.TensorProto.FLOAT16] > 0.8 * sum(sizes.values())
    faces = draw_faces(16, seed=77)
    with torch.inference_mode():
        expected, points = PlainGraph(model)(torch.from_numpy(faces))
    found, found_points, _ = backend(faces)
    # On a few faces rounding moves a patch to the next cell, and probabilities with it.
    assert 1e-6 < np.median(np.abs(found - expected.numpy())) < 0.005
    assert np.abs(found_points - points.numpy()).max() < 0.3
    report = json.loads((folder / "half.accuracy.json").read_text())
    assert report["precision"] == "fp16"
    assert report["max_change"] == pytest.approx(
        max(row["max_change"] for row in report["aus"].values())
    )


def test_calibration_from_a_folder_of_images_and_a_batch(folder):
    output = export_onnx(
        folder / "net.pt", folder / "two.onnx", batch=2, precision="int8", graph="plain",
        faces=folder / "faces", calibration=str(folder / "faces"), judge=False, mean_change=1.0,
    )  # fmt: skip
    assert open_backend(output).spec.batch == 2
    assert not (folder / "two.accuracy.json").exists()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--calibration", "--calibration nowhere: no such folder"),
        ("--held-out", "nowhere holds no dataset.json"),
        ("--batch", "faces (the demo clip), at most 96, which do not fill a batch of 97"),
    ],
)
def test_what_judging_lacks_is_told_first(folder, capsys, monkeypatch, option, message):
    monkeypatch.setattr("export.serialise.to_onnx", None)  # which takes minutes on large networks
    given = "97" if option == "--batch" else "nowhere"
    arguments = [*GENEROUS, "--precision", "int8", option, given]
    assert command(folder, "none.onnx", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not list(folder.glob("none*"))


def test_parts_that_cost_most_stay_in_float(folder, tmp_path):
    source = export_onnx(
        folder / "net.pt", tmp_path / "net.onnx", faces=folder / "faces", graph="direct"
    )
    faces, tried = draw_faces(8), []

    def run(path):
        """Pretend that 8 bits cost 0.3 in the stem's first unit, 0.2 in the heads, 0 elsewhere."""
        graph = onnx.load(path).graph
        eight = {
            part_of(node.name)
            for node in graph.node
            if node.op_type == "Conv" and node.input[0].endswith("DequantizeLinear_Output")
        }
        tried.append(eight)
        costs = {"stem.first": 0.3, "classify.refine": 0.2}
        return np.full((8, 2), sum(costs.get(part, 0.0) for part in eight))

    def floats(limit):
        return quantise(
            source, tmp_path / "q.onnx", faces, run,
            batch=1, integer_outputs=True, mean_change=limit,
        )  # fmt: skip

    assert floats(0.5).floats == ()
    result = floats(0.25)
    assert result.floats == ("stem.first",)
    assert result.mean_change == pytest.approx(0.2)
    assert result.changes["classify.refine"] == pytest.approx(0.2)
    assert result.changes["align"] == 0
    assert floats(0.1).floats == ("stem.first", "classify.refine")
    assert tried[-1] & {"stem.first", "classify.refine"} == set()
    assert "align" in tried[-1]


def test_of_nodes_that_are_twins_one_is_left():
    """What ONNX Runtime 1.31 makes of one number that two nodes read in float32."""

    def cast(to):
        return onnx.helper.make_node("Cast", ["x"], ["x_wide"], to=to, name="widen")

    adds = [onnx.helper.make_node("Add", ["x_wide", "x_wide"], [y], name=y) for y in "ab"]
    graph = onnx.GraphProto(node=[cast(1), adds[0], cast(1), adds[1], cast(10)])
    drop_twins(graph)
    assert [node.name for node in graph.node] == ["widen", "a", "b", "widen"]
    assert graph.node[3].attribute[0].i == 10


@pytest.mark.parametrize(
    ("node", "kept"),
    [
        ("graph/Mul", True), ("model.patches/Add", True), ("model.patches.sum/Add", True),
        ("classify.shared/Conv", True), ("attention.0/Sub", True), ("align.offsets/Gemm", True),
        ("model.align.hidden/MatMul", True), ("align.blocks.0/Conv", False),
        ("model.heads.hidden/Conv", False), ("sharedness/Conv", False),
        ("classify.refine.3/patches", False), ("model.graph/Mul", False),
    ],
)  # fmt: skip
def test_what_places_patches_stays_in_float(node, kept):
    assert _is_kept(node) == kept
