"""int8 and fp16, from the command line to a file that runs."""

import json
import logging
import shutil

import numpy as np
import onnx
import pytest
import torch
from tiny_export import GENEROUS, write_export_folder
from tiny_network import draw_faces, tiny_network

from export.errors import ExportError
from export.half import _is_kept, drop_twins
from export.onnx import export_onnx, main
from export.plain import PlainGraph
from export.quantise import (
    Quantised,
    _between,
    _Faces,
    _flat_layers_told,
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


def chain(path, *parts, batch=1):
    """Write a graph of one 1 × 1 convolution a part, with a Relu after each but the last."""
    rng = np.random.default_rng(0)
    make, end, channels = onnx.helper.make_node, f"{parts[-1]}/Conv", 3
    nodes = [
        make("Cast", ["face"], ["wide"], "graph/Cast", to=onnx.TensorProto.FLOAT),
        make("Transpose", ["wide"], ["planes"], "graph/Transpose", perm=[0, 3, 1, 2]),
        make("Sub", ["planes", "grey"], ["signed"], "graph/Sub"),
    ]
    weights = [onnx.numpy_helper.from_array(np.float32(100), "grey")]
    before = "signed"
    for part in parts:
        weight = rng.normal(0, 0.5, (4, channels, 1, 1)).astype(np.float32)
        weights.append(onnx.numpy_helper.from_array(weight, f"{part}.weight"))
        nodes.append(make("Conv", [before, f"{part}.weight"], [f"{part}/Conv"], f"{part}/Conv"))
        nodes.append(make("Relu", [f"{part}/Conv"], [f"{part}/Relu"], f"{part}/Relu"))
        before, channels = f"{part}/Relu", 4
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes[:-1], "chain",
        [info("face", onnx.TensorProto.UINT8, [batch, 100, 100, 3])],
        [info(end, onnx.TensorProto.FLOAT, [batch, 4, 100, 100])],
        weights,
    )  # fmt: skip
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]), path)
    return path


def of_dark_faces(count):
    """Draw numbers up to 150 that the graph shifts by −100; one in 30 000 is 255."""
    faces = np.random.default_rng(1).integers(0, 151, (count, 100, 100, 3), dtype=np.uint8)
    faces[:, 50, 50, 0] = 255
    return faces


def in_8_bits(path):
    """Return the parts whose convolutions read numbers of 8 bits."""
    graph = onnx.load(path).graph
    makers = {name: node.op_type for node in graph.node for name in node.output}
    convs = [node for node in graph.node if node.op_type == "Conv"]
    return [part_of(node.name) for node in convs if makers[node.input[0]] == "DequantizeLinear"]


def choose(tmp_path, costs, limit, together=sum):
    """Quantise where 8 bits are said to cost this much; half of the numbers do not change."""
    source = chain(tmp_path / "chain.onnx", *costs)

    def run(path):
        cost = together([costs[part] for part in in_8_bits(path)] or [0.0])
        return 0.5 + np.array([[2 * cost, 0], [0, -2 * cost]])

    result = quantise(
        source, tmp_path / "q.onnx", of_dark_faces(4), run,
        batch=1, integer_outputs=True, mean_change=limit,
    )  # fmt: skip
    assert in_8_bits(tmp_path / "q.onnx") == [part for part in costs if part not in result.floats]
    return result


def test_parts_stay_in_float_until_the_rest_is_within_the_limit(tmp_path):
    """What is exactly at the limit is within it; what is left is measured, not reckoned."""
    assert choose(tmp_path, {"a": 0.25, "b": 0.0}, 0.25) == Quantised((), {}, 0.25)
    both = {"a": 0.25, "b": 0.25}
    assert choose(tmp_path, both, 0.25) == Quantised(("a",), both, 0.25)
    costs = {"a": 0.25, "b": 0.5, "c": 0.5}
    assert choose(tmp_path, costs, 0.25, max) == Quantised(("b", "c"), costs, 0.25)


def test_parts_that_gain_less_than_a_tenth_of_the_limit_stay_in_8_bits(tmp_path):
    little = dict.fromkeys("abcdefghijkl", 0.009)
    costs = {**little, "m": 0.25, "n": 0.011}
    result = choose(tmp_path, costs, 0.1)
    assert result.floats == ("m", "n")
    assert result.changes == pytest.approx(costs)
    assert result.mean_change == pytest.approx(0.108)


@pytest.mark.parametrize("integer_outputs", [True, False])
def test_numbers_of_8_bits_span_what_calibration_saw(tmp_path, integer_outputs):
    """All but one in 10 000; zero in the middle or at an end; weights have seven bits."""
    source = chain(tmp_path / "chain.onnx", "a", "b")
    quantise(
        source, tmp_path / "q.onnx", of_dark_faces(8), lambda _: np.zeros((8, 1)),
        batch=1, integer_outputs=integer_outputs, mean_change=1.0,
    )  # fmt: skip
    graph = onnx.load(tmp_path / "q.onnx").graph
    values = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    rounded = {
        node.input[0]: [values[name] for name in node.input[1:]]
        for node in graph.node
        if node.op_type == "QuantizeLinear"
    }
    scale, zero = rounded["signed"]  # from −100 to 50
    assert scale == pytest.approx(200 / 255, rel=0.02)
    assert zero.dtype == np.uint8
    assert zero in (127, 128)
    assert rounded["a/Relu"][1] == 0
    assert any(name.startswith("b/Conv") for name in rounded) == integer_outputs
    for node in graph.node:
        if node.op_type == "Conv":
            (made,) = [each for each in graph.node if node.input[1] in each.output]
            weight, scales = (values[name] for name in made.input[:2])
            assert weight.dtype == np.int8
            assert len(scales) == 4
            assert (np.abs(weight.astype(int)).max((1, 2, 3)) == 64).all()
            exact = {each.name: each for each in onnx.load(source).graph.initializer}
            wanted = onnx.numpy_helper.to_array(exact[f"{node.name[0]}.weight"])
            np.testing.assert_allclose(
                weight * scales[:, None, None, None], wanted, atol=scales.max() / 2 + 1e-6
            )


def test_the_quantiser_is_quiet_and_others_are_heard_afterwards(tmp_path, capfd, caplog):
    source = chain(tmp_path / "chain.onnx", "a", "b")
    with caplog.at_level("INFO"):
        quantise(
            source, tmp_path / "q.onnx", of_dark_faces(4), lambda _: np.zeros((4, 1)),
            batch=1, integer_outputs=True, mean_change=1.0,
        )  # fmt: skip
        assert caplog.messages == []
        logging.getLogger("export").info("heard")
    assert caplog.messages == ["heard"]
    assert capfd.readouterr().out == ""


def test_a_layer_that_hardly_says_anything_is_told_of():
    """By NumPy's own words for a histogram without width; what else it finds is not ours."""
    with (
        pytest.raises(ExportError, match=r"hardly differ .*\(--calibration\)"),
        _flat_layers_told(),
    ):
        np.histogram(np.ones(4), bins=2048, range=(1, 1 + 1e-14))
    with pytest.raises(ValueError, match="max must be larger"), _flat_layers_told():
        np.histogram(np.ones(4), bins=2048, range=(1, 0))


@pytest.mark.parametrize(("count", "batch"), [(1, 1), (3, 1), (7, 1), (9, 2), (3, 3)])
def test_any_number_of_faces_that_fills_a_batch_calibrates(tmp_path, count, batch):
    source = chain(tmp_path / "chain.onnx", "a", "b", batch=batch)
    run = lambda _: np.zeros((count, 1))  # noqa: E731
    options = {"batch": batch, "integer_outputs": False, "mean_change": 1.0}
    quantise(source, tmp_path / "q.onnx", of_dark_faces(count), run, **options)
    assert in_8_bits(tmp_path / "q.onnx") == ["a", "b"]
    with pytest.raises(ValueError, match=f"{batch - 1} faces do not fill a batch of {batch}"):
        quantise(source, tmp_path / "r.onnx", of_dark_faces(batch - 1), run, **options)
    assert not (tmp_path / "r.onnx").exists()


def test_of_nodes_that_are_twins_one_is_left():
    """What ONNX Runtime 1.31 makes of one number that two nodes read in float32."""

    def cast(to):
        return onnx.helper.make_node("Cast", ["x"], ["x_wide"], to=to, name="widen")

    adds = [onnx.helper.make_node("Add", ["x_wide", "x_wide"], [y], name=y) for y in "ab"]
    graph = onnx.GraphProto(node=[cast(1), adds[0], cast(1), adds[1], cast(10)])
    drop_twins(graph)
    assert [node.name for node in graph.node] == ["widen", "a", "b", "widen"]
    assert graph.node[3].attribute[0].i == 10


def test_what_lies_between_convolutions_of_8_bits_is_in_8_bits():
    """A walk by hand: a → relu → pool → b, a → relu → concat with c's → d; c stays in float."""
    made = [
        ("Conv", "a", ["x"], "a1"), ("Relu", "ra", ["a1"], "a2"), ("MaxPool", "pa", ["a2"], "a3"),
        ("Conv", "b", ["a3"], "b1"), ("Relu", "rb", ["b1"], "b2"), ("Sigmoid", "s", ["b2"], "b3"),
        ("Conv", "c", ["x"], "c1"), ("Relu", "rc", ["c1"], "c2"),
        ("Concat", "j", ["a2", "c2"], "j1"),
        ("Conv", "d", ["j1"], "d1"), ("Relu", "rd", ["d1"], "d2"), ("Mul", "m", ["d2", "b3"], "m1"),
    ]  # fmt: skip
    nodes = [onnx.helper.make_node(kind, inputs, [out], name) for kind, name, inputs, out in made]
    graph = onnx.helper.make_graph(nodes, "g", [], [])
    assert _between(graph, {"a", "b", "d"}) == {"ra", "pa", "j"}
    assert _between(graph, {"a", "b", "c", "d"}) == {"ra", "pa", "rc", "j"}
    assert _between(graph, {"b", "c"}) == set()
    assert _between(graph, {"c", "d"}) == {"rc", "j"}


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


@pytest.mark.parametrize(("count", "batch", "whole"), [(7, 2, 3), (8, 2, 4), (5, 5, 1)])
def test_calibration_feeds_whole_batches_each_once_and_again(count, batch, whole):
    crops = draw_faces(count)
    reader = _Faces(crops, batch)
    assert len(reader) == whole
    for first, last in ((0, whole), (0, whole), (1, whole), (0, whole - 1)):
        reader.set_range(first, last)
        fed = list(iter(reader.get_next, None))
        expected = [crops[n * batch : (n + 1) * batch] for n in range(first, last)]
        assert len(fed) == len(expected)
        for each, wanted in zip(fed, expected, strict=True):
            np.testing.assert_array_equal(each["face"], wanted)
