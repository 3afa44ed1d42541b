"""The native engine where numbers are large, small, or in the middle between two."""

import subprocess
import sys
from copy import copy, deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from native_engine import native_model, require_native, write_native
from tiny_network import draw_faces, tiny_network

from export.plain import PlainGraph
from runtime.backends.native import NativeBackend
from runtime.errors import ModelError


@pytest.fixture(autouse=True)
def compiled():
    require_native()


@pytest.fixture(scope="module")
def drawn():
    return tiny_network(aus=[1, 6, 12])


@pytest.fixture
def network(drawn):
    return deepcopy(drawn)


def assert_computes(network):
    faces = draw_faces(2)
    with torch.inference_mode():
        probability, landmarks = (out.numpy() for out in PlainGraph(network)(torch.tensor(faces)))
    found = NativeBackend(native_model(network), "cpu", 1)(faces)
    np.testing.assert_allclose(found.landmarks, landmarks, atol=2e-3)
    np.testing.assert_allclose(found.probability, probability, atol=1e-3)


@pytest.mark.parametrize("factor", [0, 1e-3], ids=["zero", "short"])
@pytest.mark.parametrize("part", ["local", "global"])
def test_vectors_that_are_short(network, part, factor):
    """Which are not stretched to length 1; lgrnet.network.fusion.EPSILON."""
    value = getattr(network.fusion, f"{part}_value")
    with torch.no_grad():
        for parameter in value.parameters():
            parameter.mul_(factor)
    assert_computes(network)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("gate", [0, 1, 2, 3], ids=["input", "forget", "output", "candidate"])
def test_gates_that_are_wide_open_or_shut(network, gate, sign):
    """Whose exponentials float32 does not hold, nor products of two."""
    with torch.no_grad():
        for direction in (network.relation.downward, network.relation.upward):
            direction.cell.from_hidden.bias.unflatten(0, (4, -1))[gate] += 100 * sign
    assert_computes(network)


@pytest.mark.parametrize("cells", [4, 5])
def test_patches_in_the_middle_between_two_cells(network, cells):
    """Go to the even one."""
    middle = (cells + 0.5) / network.patches.cells_per_pixel
    with torch.no_grad():
        for parameter in network.align.offsets.parameters():
            parameter.zero_()
        network.align.mean_face.fill_(middle)
    assert_computes(network)


def opened(model, **changes):
    """Hand the engine another shape, of which `NetworkShape` would say that it is none."""
    shape = copy(model.shape)
    for field, value in changes.items():
        object.__setattr__(shape, field, value)
    return NativeBackend(replace(model, shape=shape), "cpu", 1)


@pytest.mark.parametrize(
    "changes",
    [
        *({field: 0} for field in ("aus", "crop", "input", "stride", "grid", "cells", "radius")),
        {"radius": 4097},
        *({"stem": stem} for stem in ((0, 12), (8, 0), (6, 12), (8, 14))),
        *({"feature": feature} for feature in ((-8, 12, 16), (8, 0, 16), (8, 12, 5000))),
        *({"refine": refine} for refine in ((-8, 12, 16), (8, 0, 16), (8, 12, 5000))),
        *({"input": 72, "grid": 18, "cells": 18}, {"input": 48, "grid": 12}, {"grid": 8}),
        *({"input": 16, "grid": 4, "cells": 4}, {"cells": 20}, {"cells": 32}, {"stride": 2}),
        *({"slope": 0.0}, {"slope": 1e6}, {"cells_per_pixel": -1.0}, {"cells_per_pixel": np.nan}),
    ],
    ids=str,
)
def test_shapes_are_checked_in_python_and_in_the_engine(drawn, changes):
    model = native_model(drawn)
    with pytest.raises(ValueError, match="no such network"):
        replace(model.shape, **changes)
    with pytest.raises(ModelError, match="there is no network of these sizes"):
        opened(model, **changes)


@pytest.mark.parametrize(
    "changes",
    [{"stem": (8, 12, 16)}, {"feature": (8, 12)}, {"refine": ()}, {"radius": True}],
    ids=str,
)
def test_shapes_of_another_form(drawn, changes):
    with pytest.raises(ValueError, match="no such network"):
        replace(native_model(drawn).shape, **changes)


def test_the_largest_slope_is_none(drawn):
    assert opened(native_model(drawn), slope=9e5).threads == 1


def test_the_engine_checks_the_order_itself(drawn):
    for order in ([0, 1, 1], [0, 1, 3], [-1, 1, 2]):
        with pytest.raises(ModelError, match=r"array heads\.order is no order"):
            NativeBackend(native_model(drawn, **{"heads.order": np.float32(order)}), "cpu", 1)


CROWDED = """
import resource, sys
from pathlib import Path
from runtime.backends.native import NativeBackend
from runtime.errors import ModelError
from runtime.native.model import read_model

model = read_model(Path(sys.argv[1]))
NativeBackend(model, "cpu", 1).close()
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + (1 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
kept = []
try:
    while True:
        kept.append(NativeBackend(model, "cpu", 1))
except ValueError as error:
    del kept
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_no_memory_left(tmp_path, drawn):
    command = [sys.executable, "-c", CROWDED, str(write_native(tmp_path, drawn))]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert said.endswith("by the native engine: there is not memory enough\n")
