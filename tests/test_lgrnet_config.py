import json
from dataclasses import dataclass, field, fields
from pathlib import Path

import pytest

from lgrnet.network.config import PRESETS, ModelConfig, model_config
from lgrnet.settings import from_dict
from runtime.action_units import BP4D_AUS


@dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    name: str = "x"


@dataclass(frozen=True)
class Outer:
    root: Path
    inner: Inner = field(default_factory=Inner)
    sizes: tuple[int, ...] = (1,)
    limit: int | None = None
    flag: bool = False


def test_paper_is_the_default():
    paper = PRESETS["paper"]
    assert paper == ModelConfig()
    assert paper.aus == BP4D_AUS
    assert (paper.crop_size, paper.input_size, paper.grid, paper.cells) == (176, 176, 44, 44)
    assert paper.channels == 64
    assert (paper.relation, paper.gate, paper.fusion) == ("skip_bilstm", "product", True)


def test_edge_differs_from_paper_in_widths_and_grid_only():
    changed = {
        each.name
        for each in fields(ModelConfig)
        if getattr(PRESETS["edge"], each.name) != getattr(PRESETS["paper"], each.name)
    }
    assert changed <= {
        *("preset", "input_size", "stem_stride", "stem_widths", "feature_widths"),
        *("refine_widths", "align_hidden", "head_hidden"),
    }
    assert PRESETS["edge"].grid == 16


@pytest.mark.parametrize("preset", PRESETS)
def test_round_trip_through_json(preset):
    config = model_config(preset, aus=[1, 12], attention="refined")
    assert config.preset == preset
    assert config.aus == (1, 12)
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"aus": (2, 1)}, "aus: .*ascending"),
        ({"aus": (1, 1)}, "aus: .*once"),
        ({"aus": ()}, "aus: "),
        ({"aus": (1, 3)}, r"aus: no patch is known for \[3\]"),
        ({"aus": 1}, "aus: 1 is not tuple"),
        ({"aus": ("1",)}, "aus: "),
        ({"input_size": 100}, "input_size: must be a multiple of 16"),
        ({"input_size": 16}, "input_size: .*at least 8"),
        ({"input_size": 176, "stem_stride": 2}, "input_size: .*stem_stride 2"),
        ({"input_size": 176.0}, "input_size: 176.0 is not int"),
        ({"stem_stride": 0}, "stem_stride: must be at least 1"),
        ({"stem_widths": (30, 64)}, "stem_widths: must be multiples of 4"),
        ({"stem_widths": (32, 64, 64)}, "stem_widths: "),
        ({"feature_widths": (96, 128)}, "feature_widths: "),
        ({"refine_widths": (96, 0, 160)}, "refine_widths: every width"),
        ({"relation": "lstm"}, "relation: 'lstm' is not one of 'none', 'bilstm', 'skip_bilstm'"),
        ({"gate": "sum"}, "gate: "),
        ({"fusion": 1}, "fusion: 1 is not bool"),
        ({"attention": "learned"}, "attention: "),
        ({"attention_cells": 50}, r"attention_cells: must be one of \(None, 44, 52\)"),
        ({"head_hidden": True}, "head_hidden: True is not int"),
        ({"colour": 1}, "colour: unknown setting; known are preset, aus"),
    ],
)
def test_wrong_values_name_the_field_and_the_fix(changes, message):
    with pytest.raises(ValueError, match=message):
        model_config("paper", **changes)


@pytest.mark.parametrize("changes", [{"aus": (2, 1)}, {"fusion": "yes"}, {"stem_stride": 0}])
def test_the_constructor_checks_too(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        ModelConfig(**changes)


def test_unknown_preset():
    with pytest.raises(ValueError, match=r"no 'tiny'; choose from \['edge', 'paper'\]"):
        model_config("tiny")


def test_cells_of_jaa_net():
    assert model_config("paper", attention_cells=52).cells == 52


def test_nested_settings():
    values = {"root": "data", "inner": {"rate": 1}, "sizes": [3, 4], "limit": 5, "flag": True}
    outer = from_dict(Outer, values)
    assert outer == Outer(Path("data"), Inner(1.0), (3, 4), 5, True)
    assert type(outer.inner.rate) is float


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "root: missing"),
        ({"root": "a", "inner": {"rat": 1}}, r"inner\.rat: unknown setting; known are rate, name"),
        ({"root": "a", "inner": {"rate": "fast"}}, r"inner\.rate: 'fast' is not float"),
        ({"root": "a", "inner": 3}, "inner: 3|inner.*table"),
        ({"root": 7}, "root: 7 is not Path"),
        ({"root": "a", "sizes": [1.5]}, "sizes: "),
        ({"root": "a", "flag": 0}, "flag: 0 is not bool"),
        ({"root": "a", "limit": False}, "limit: "),
    ],
)
def test_wrong_nested_settings(values, message):
    with pytest.raises(ValueError, match=message):
        from_dict(Outer, values)
