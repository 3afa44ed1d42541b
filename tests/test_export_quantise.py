"""Choosing what is computed in 8 bits, on small chains of convolutions."""

import logging

import numpy as np
import onnx
import pytest
from tiny_network import draw_faces

from export.errors import ExportError
from export.quantise import (
    Quantised,
    _between,
    _Faces,
    _flat_layers_told,
    part_of,
    quantise,
)


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
