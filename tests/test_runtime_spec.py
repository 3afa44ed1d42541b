import json

import pytest
from test_runtime_fixtures import make_spec

from runtime.errors import SpecError
from runtime.spec import METADATA_KEY, ModelSpec


def test_metadata_round_trip_names_the_aus():
    spec = make_spec(batch=3, thresholds=(0.4, 0.5, 0.6))
    metadata = spec.to_metadata()
    assert ModelSpec.from_metadata(metadata, "x.onnx") == spec
    assert json.loads(metadata[METADATA_KEY])["au_names"]["AU12"] == "Lip Corner Puller"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"aus": (6, 12, 99)}, "unknown AUs"),
        ({"aus": (12, 6, 25)}, "ascending"),
        ({"thresholds": (0.5,)}, "3 AUs but 1 thresholds"),
        ({"thresholds": (0.5, 2.0, 0.5)}, "thresholds must be from 0 to 1"),
        ({"thresholds": (0.5, float("nan"), 0.5)}, "thresholds must be from 0 to 1"),
        ({"crop_size": 128}, "train one with that crop_size"),
        ({"graph": "fused"}, "graph 'fused' is unknown: known are .*'winograd'"),
        ({"engine": "tvm"}, "engine 'tvm' is unknown: known are .*'openvino'"),
        ({"precision": "bf16"}, "precision 'bf16' is unknown: known are .*'int8'"),
    ],
)
def test_contradictions_are_refused(changes, message):
    with pytest.raises(SpecError, match=message):
        make_spec(**changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "holds no lgrnet metadata"),
        ("{", "is not JSON"),
        ("[]", "not a JSON object"),
        ('{"spec_version": 99}', "version 99.*export it again"),
        ('{"spec_version": 1}', "version 1, this runtime reads 2: export it again"),
        ('{"spec_version": 2}', "incomplete"),
    ],
)
def test_foreign_metadata_are_refused(text, message):
    metadata = {} if text is None else {METADATA_KEY: text}
    with pytest.raises(SpecError, match=message) as caught:
        ModelSpec.from_metadata(metadata, "x.onnx")
    assert "x.onnx" in str(caught.value)


def test_contradictions_in_a_file_are_told_with_its_name():
    fields = json.loads(make_spec().to_metadata()[METADATA_KEY])
    fields["thresholds"] = [0.5]
    with pytest.raises(SpecError, match=r"^x\.onnx: 3 AUs but 1 thresholds"):
        ModelSpec.from_metadata({METADATA_KEY: json.dumps(fields)}, "x.onnx")


@pytest.mark.parametrize(("name", "value"), [("graph", "direct"), ("engine", "openvino")])
def test_version_2_has_graph_and_engine(name, value):
    metadata = make_spec(**{name: value}).to_metadata()
    assert getattr(ModelSpec.from_metadata(metadata, "x.onnx"), name) == value
    fields = json.loads(metadata[METADATA_KEY])
    assert (fields["spec_version"], fields[name]) == (2, value)
    del fields[name]
    with pytest.raises(SpecError, match=f"incomplete.*{name}"):
        ModelSpec.from_metadata({METADATA_KEY: json.dumps(fields)}, "x.onnx")
