"""What each layer of the native engine sees, and that its 8 bits have its own range."""

import dataclasses

import numpy as np
import pytest
from native_engine import native_model, require_native
from tiny_network import draw_faces, tiny_network

from export.native.ranges import measure_ranges
from runtime.backends.native import NativeBackend


@pytest.fixture(autouse=True)
def compiled():
    require_native()


@pytest.fixture(scope="module")
def model():
    return native_model(tiny_network(stem_widths=[8, 20]))


def run(model, faces, **changes):
    changed = dataclasses.replace(model, arrays={**model.arrays, **changes})
    return NativeBackend(changed, "cpu", 1)(faces)


def histograms(model, faces):
    backend = NativeBackend(model, "cpu", 1)
    backend.observe()
    backend(faces)
    return backend.histograms()


def test_every_group_of_every_layer_has_its_own_range(model):
    """What is cut off next to zero is as if there were no weights."""
    faces = draw_faces(2)
    ranges = measure_ranges(model, faces)
    assert len(ranges) == 1 + 6 + 3 * 6 + 4 + 1
    whole = run(model, faces, **ranges)
    for name, own in ranges.items():
        layer = name.removesuffix(".range")
        cut_off, without = own.copy(), {}
        cut_off[-1] = 1e-12
        for key, array in model.arrays.items():
            if key.startswith((f"{layer}.", f"{layer}_")) and key.endswith(".weight"):
                without[key] = array.copy()
                without[key].reshape(len(own), -1)[-1] = 0
        wanted = run(model, faces, **ranges, **without)
        found = run(model, faces, **{**ranges, name: cut_off})
        np.testing.assert_allclose(found.probability, wanted.probability, atol=1e-4, err_msg=name)
        np.testing.assert_allclose(found.landmarks, wanted.landmarks, atol=1e-3, err_msg=name)
        change = [np.abs(a - b).max() for a, b in zip(wanted[:2], whole[:2], strict=True)]
        assert max(change) > 0.01, name


def layers_by_what_feeds_them():
    """Name layers, each with arrays that make zeros of what it sees, and of nothing else."""
    for unit in (0, 1):
        for part in ("fine", "middle", "coarse"):
            name = f"stem.{unit}.{part}"
            yield name, {f"{name}.scale": 0, f"{name}.shift": -1}
    yield "stem.1.conv", {"stem.0.norm.scale": 0, "stem.0.norm.shift": -1}
    for blocks in ("align", "global", "refine"):
        for layer in range(5):
            before = f"{blocks}.{layer}"
            yield f"{blocks}.{layer + 1}", {f"{before}.weight": 0, f"{before}.bias": -1}
    for name in ("down", "up"):
        arrays = ("input.weight", "hidden.weight", "hidden.bias")
        yield f"{name}.hidden", {f"{name}.{array}": 0 for array in arrays}


def test_histograms_bear_the_names_of_their_layers(model):
    faces = draw_faces(1)
    for name, values in layers_by_what_feeds_them():
        changes = {key: np.full_like(model.arrays[key], value) for key, value in values.items()}
        changed = dataclasses.replace(model, arrays={**model.arrays, **changes})
        found = histograms(changed, faces)
        assert [layer for layer, counts in found.items() if not counts.any()] == [name]


def test_all_numbers_of_a_linear_layer_are_counted(model):
    counts = histograms(model, draw_faces(2))["fusion.local"]
    assert counts.shape == (5, 1, 256)
    numbers = 2 * model.shape.grid**2 * 20
    # One of fixed point may be zero, which is not counted.
    assert (counts.sum((1, 2)) > 0.999 * numbers).all()
    assert (counts.sum((1, 2)) <= numbers).all()


@pytest.mark.parametrize(("exponent", "outermost"), [(40, 255), (-40, 0)])
def test_numbers_beyond_the_bins_are_counted_in_the_outermost(model, exponent, outermost):
    faces = draw_faces(1)
    known = histograms(model, faces)["stem.1.conv"]
    scaled = {
        key: model.arrays[key] * np.float32(2.0**exponent)
        for key in ("stem.0.norm.scale", "stem.0.norm.shift")
    }
    changed = dataclasses.replace(model, arrays={**model.arrays, **scaled})
    found = histograms(changed, faces)["stem.1.conv"]
    np.testing.assert_array_equal(found[..., outermost], known.sum(-1))
