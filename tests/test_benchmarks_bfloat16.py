"""bfloat16 by rounding, against ml_dtypes' own bfloat16 numbers."""

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from test_runtime_fixtures import write_model
from tiny_network import draw_faces

from benchmarks.bfloat16 import emulate, main
from runtime.backends import open_backend
from runtime.packaged import model_path
from runtime.spec import ModelSpec


def short(numbers):
    """Round to bfloat16, by another library than the one that is tested."""
    return numbers.astype(ml_dtypes.bfloat16).astype(np.float32)


def write_two_layers(path, rng, metadata):
    """A convolution of 1 × 1, then a matrix product: y = (w · x + b) · m."""
    weights = {
        "w": rng.normal(size=(5, 3, 1, 1)).astype(np.float32),
        "b": rng.normal(size=5).astype(np.float32),
        "m": rng.normal(size=(4, 6)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], name="conv"),
        helper.make_node("MatMul", ["c", "m"], ["y"], name="product"),
    ]
    graph = helper.make_graph(
        nodes,
        "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 2, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5, 2, 6])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, metadata)
    onnx.save_model(model, path)
    return weights


def test_products_are_of_rounded_numbers(tmp_path):
    rng = np.random.default_rng(0)
    metadata = {p.key: p.value for p in onnx.load(write_model(tmp_path / "m.onnx")).metadata_props}
    w = write_two_layers(tmp_path / "two.onnx", rng, metadata)
    emulate(tmp_path / "two.onnx", tmp_path / "short.onnx")
    x = rng.normal(size=(1, 3, 2, 4)).astype(np.float32)
    session = onnxruntime.InferenceSession(tmp_path / "short.onnx")
    found = session.run(None, {"x": x})[0]

    def by_hand(rounding):
        inner = np.einsum("oi,nihw->nohw", rounding(w["w"][..., 0, 0]), rounding(x))
        return rounding(inner + w["b"][:, None, None]) @ rounding(w["m"])

    np.testing.assert_allclose(found, by_hand(short), atol=1e-5)
    assert np.abs(found - by_hand(lambda numbers: numbers)).max() > 1e-3
    again = onnx.load(tmp_path / "short.onnx")
    spec = ModelSpec.from_metadata({p.key: p.value for p in again.metadata_props}, "short")
    assert spec.preset.endswith("(bf16 emulated)")


def test_a_network_in_bfloat16_opens_as_others_do(tmp_path):
    exact, rounded = model_path("edge"), tmp_path / "short.onnx"
    assert main([str(exact), "-o", str(rounded)]) == 0
    faces = draw_faces(4, seed=1)
    before, after = (open_backend(path)(faces) for path in (exact, rounded))
    apart = np.abs(before.probability - after.probability).max()
    assert 1e-6 < apart < 0.05


def test_what_cannot_be_rounded_is_named(tmp_path, capsys):
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    for name in ("none.onnx", "junk.onnx"):
        assert main([str(tmp_path / name), "-o", str(tmp_path / "out.onnx")]) == 2
        assert name in capsys.readouterr().err
    whole = onnx.load(write_model(tmp_path / "m.onnx"))
    text = whole.metadata_props[0].value.replace('"fp32"', '"int8"')
    helper.set_model_props(whole, {whole.metadata_props[0].key: text})
    onnx.save_model(whole, tmp_path / "eight.onnx")
    assert main([str(tmp_path / "eight.onnx"), "-o", str(tmp_path / "out.onnx")]) == 2
    assert "is in int8" in capsys.readouterr().err
    assert not (tmp_path / "out.onnx").exists()


@pytest.mark.parametrize("number", [1.0, 1.00390625, 1.001953125, -3.3e38, 1e-40])
def test_rounding_is_to_the_nearest_even(number):
    """What ONNX Runtime's conversion does is what this file relies on."""
    node = [
        helper.make_node("Cast", ["x"], ["s"], to=TensorProto.BFLOAT16),
        helper.make_node("Cast", ["s"], ["y"], to=TensorProto.FLOAT),
    ]
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph(node, "round", info[:1], info[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    x = np.array([number], np.float32)
    np.testing.assert_array_equal(session.run(None, {"x": x})[0], short(x))
