import pytest
import torch
from torch.nn import functional

from lgrnet.network.relation import ConvLSTMCell, Recurrence, neighbourhoods

B, N, C, H, W = 2, 4, 4, 6, 5


@pytest.fixture
def inputs():
    torch.manual_seed(0)
    return torch.randn(B, C, H, W), torch.rand(B, N, H, W)


def cell_step(cell, v, hidden, state):
    """Take one step of Shi et al.'s cell, convolving input and hidden state as one tensor."""
    weight = torch.cat([cell.from_input.weight, cell.from_hidden.weight], dim=1)
    gates = functional.conv2d(
        torch.cat([v, hidden], dim=1), weight, cell.from_hidden.bias, padding=1
    )
    i, f, o, g = gates.chunk(4, dim=1)
    state = torch.sigmoid(f) * state + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(state), state


def transcription(direction, patches, concat):
    """Compute h_1 … h_n of eq. 6 to 8 (eq. 9 for the reversed list), gate by gate, map by map."""
    hidden, state = [], torch.zeros_like(patches[0])
    for v in patches:
        total = torch.zeros_like(v)
        if direction.gates is None:
            total = hidden[-1] if hidden else total
        else:
            for j, h in enumerate(hidden):
                joined = torch.cat([h, v], dim=1) if concat else h * v
                w = direction.gates.maps[j]
                mapped = functional.conv2d(joined, w.weight[..., None, None], w.bias)
                f = torch.sigmoid(functional.adaptive_avg_pool2d(mapped, 1))  # eq. 8
                total = total + h * f  # eq. 7, and the sum of eq. 6
        h, state = cell_step(direction.cell, v, total, state)
        hidden.append(h)
    return hidden


@pytest.mark.parametrize(("skip", "concat"), [(True, False), (True, True), (False, False)])
def test_recurrence_is_the_papers_equations(inputs, skip, concat):
    feature, attention = inputs
    module = Recurrence(N, C, skip, concat)
    patches = [feature * attention[:, t, None] for t in range(N)]
    down = transcription(module.downward, patches, concat)
    up = transcription(module.upward, patches[::-1], concat)[::-1]
    expected = torch.cat([patches[t] + (down[t] + up[t]) / 2 for t in range(N)], dim=1)  # eq. 10
    torch.testing.assert_close(module(feature, attention), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_drives_are_the_convolution_of_each_patch(inputs, layout):
    feature, attention = inputs
    feature = feature.to(memory_format=layout)
    cell = ConvLSTMCell(C).to(memory_format=layout)
    drives = cell.drives(neighbourhoods(feature), neighbourhoods(attention))
    assert len(drives) == N
    for t, drive in enumerate(drives):
        expected = cell.from_input(feature * attention[:, t, None])
        torch.testing.assert_close(drive, expected, rtol=1e-5, atol=1e-5)


def test_neighbourhoods_are_those_of_a_convolution(inputs):
    feature, _ = inputs
    kernel = torch.randn(3, C, 3, 3)
    lined_up = kernel.permute(0, 2, 3, 1).flatten(1)[..., None, None]
    torch.testing.assert_close(
        functional.conv2d(neighbourhoods(feature), lined_up),
        functional.conv2d(feature, kernel, padding=1),
        rtol=1e-4,
        atol=1e-5,
    )


def test_every_au_reaches_every_other_one(inputs):
    feature, attention = inputs
    module = Recurrence(N, C, skip=True)
    before = module(feature, attention).unflatten(1, (N, C))
    for source in range(N):
        changed = attention.clone()
        changed[:, source] *= 0.5
        difference = (module(feature, changed).unflatten(1, (N, C)) - before).abs()
        assert difference.amax((0, 2, 3, 4)).min() > 0


def test_directions_have_weights_of_their_own_and_gates_one_map_a_source():
    module = Recurrence(12, 64, skip=True)
    cell = 9 * 128 * 256 + 256
    assert sum(p.numel() for p in module.parameters()) == 2 * (cell + 11 * (64 * 64 + 64))
    module = Recurrence(12, 64, skip=True, concat=True)
    assert sum(p.numel() for p in module.parameters()) == 2 * (cell + 11 * (128 * 64 + 64))
    module = Recurrence(12, 64, skip=False)
    assert sum(p.numel() for p in module.parameters()) == 2 * cell


@pytest.mark.parametrize("skip", [True, False])
def test_one_au_alone_has_a_relation_too(skip):
    feature, attention = torch.randn(1, C, H, W), torch.rand(1, 1, H, W)
    module = Recurrence(1, C, skip)
    v = feature * attention
    down, up = (
        cell_step(d.cell, v, torch.zeros_like(v), torch.zeros_like(v))[0]
        for d in (module.downward, module.upward)
    )
    torch.testing.assert_close(module(feature, attention), v + (down + up) / 2)
