"""A detector as it is opened and closed: what it says of itself, and what it refuses."""

import inspect
import json
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from test_runtime_fixtures import spot, write_model

from runtime import packaged
from runtime.detector import Detector
from runtime.errors import SpecError
from runtime.finders import SEARCH_SIDE
from runtime.settings import Settings


def test_says_what_it_is(model, finder):
    text = repr(Detector(model, finder=finder, threads=1))
    for part in ("tiny", "fp32", "cpu", "onnxruntime", "CPUExecutionProvider", "1 thread", "spot"):
        assert part in text
    assert "finder network" in repr(Detector(model))


def test_knows_its_aus(model):
    detector = Detector(model)
    assert detector.aus == ("AU06", "AU12", "AU25")
    assert detector.spec.licence == "Apache-2.0"


def test_closes_at_the_end_of_a_block(model, finder):
    with Detector(model, finder=finder) as detector:
        detector(spot(150, 120))
    with pytest.raises(RuntimeError, match="closed"):
        detector(spot(150, 120))


@pytest.mark.parametrize("way", ["call", "track", "batch", "stream"])
def test_a_closed_detector_does_not_say_that_there_is_no_face(model, finder, way):
    detector = Detector(model, finder=finder)
    detector.close()
    detector.close()
    nobody = np.zeros((240, 320, 3), np.uint8)
    calls = {
        "call": lambda: detector(nobody),
        "track": lambda: detector.track(nobody),
        "batch": lambda: list(detector.batch([nobody])),
        "stream": lambda: list(detector.stream([nobody])),
    }
    with pytest.raises(RuntimeError, match="this detector has been closed: open a new one"):
        calls[way]()


def test_tells_what_auto_has_become(model, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    detector = Detector(model, device="auto")
    assert (detector.device, detector.options["device"]) == ("cpu", "auto")
    assert detector.provider == f"onnxruntime {onnxruntime.__version__} CPUExecutionProvider"


def test_missing_packaged_model(monkeypatch, tmp_path):
    monkeypatch.setattr(packaged, "FOLDER", tmp_path)
    with pytest.raises(
        FileNotFoundError, match=r"lgrnet_edge\.onnx is not there: install lgrnet again"
    ):
        Detector()
    with pytest.raises(FileNotFoundError, match=r"lgrnet_edge_int8\.onnx is not there"):
        Detector("edge-int8")


def test_settings_are_the_arguments_but_for_the_finder():
    """Clones and records of runs get no others."""
    arguments = [name for name in inspect.signature(Detector).parameters if name != "finder"]
    assert [field.name for field in fields(Settings)] == arguments


def test_the_guide_tells_the_defaults():
    guide = (Path(__file__).parents[1] / "docs" / "live.md").read_text("utf-8")
    told = dict(re.findall(r"^\| `(\w+)=(\w+)` \|", guide, re.MULTILINE))
    assert len(told) > 4
    arguments = inspect.signature(Detector).parameters
    defaults = {name: arguments[name].default for name in told} | {"search_side": SEARCH_SIDE}
    assert told == {name: str(value) for name, value in defaults.items()}


def test_foreign_model(tmp_path):
    with pytest.raises(SpecError, match="no lgrnet metadata"):
        Detector(write_model(tmp_path / "m.onnx", metadata={}))


@pytest.mark.parametrize("name", ["max_faces", "verify_every", "search_every", "threads"])
def test_numbers_below_one(model, name):
    none = ", or None" if name in ("search_every", "threads") else ""
    with pytest.raises(ValueError, match=f"{name} must be 1 or more{none}, got 0"):
        Detector(model, **{name: 0})
    with pytest.raises(TypeError):
        Detector(model, **{name: 1.5})


def test_signals_that_are_none(model):
    with pytest.raises(TypeError, match=r"signals must be a runtime\.Signals or None, got 'ema'"):
        Detector(model, signals="ema")


def test_a_flip_test_is_asked_for_or_not(model):
    with pytest.raises(TypeError, match="flip_test must be True or False, got 'no'"):
        Detector(model, flip_test="no")


def test_numbers_of_numpy_become_pythons(model):
    given = {
        **{name: np.int64(2) for name in ("max_faces", "verify_every", "search_every", "threads")},
        "search_side": np.int32(320),
        "min_face": np.float32(8.5),
        "flip_test": np.True_,
    }
    with Detector(model, **given) as detector:
        told = detector.options
        assert detector.flip_test is True
        assert "signals" not in told
    plain = {name: number.item() for name, number in given.items()}
    assert {name: told[name] for name in plain} == plain
    assert {name: type(told[name]) for name in plain} == {n: type(v) for n, v in plain.items()}
    json.dumps(told)


@pytest.mark.parametrize("pixels", [np.inf, np.nan, -0.5])
def test_a_least_face_that_is_no_size(model, pixels):
    with pytest.raises(ValueError, match="min_face must be 0 pixels or more, and finite, got"):
        Detector(model, min_face=pixels)
