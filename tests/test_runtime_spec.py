import json

import pytest
from test_runtime_fixtures import make_spec

from runtime.spec import METADATA_KEY, ModelSpec, SpecError


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
        ({"crop_size": 128}, "update the runtime"),
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
        ('{"spec_version": 1}', "incomplete"),
    ],
)
def test_foreign_metadata_are_refused(text, message):
    metadata = {} if text is None else {METADATA_KEY: text}
    with pytest.raises(SpecError, match=message) as caught:
        ModelSpec.from_metadata(metadata, "x.onnx")
    assert "x.onnx" in str(caught.value)
