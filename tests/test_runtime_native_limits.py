"""The native engine where numbers are large, small, or in the middle between two."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from native_engine import native_model, require_native
from tiny_network import draw_faces, tiny_network

from export.plain import PlainGraph
from runtime.backends.native import NativeBackend


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
