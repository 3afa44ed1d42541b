import pytest
import torch
from torch.nn import functional

from lgrnet.network.fusion import Fusion, l2_normalise

N, C = 3, 4


def test_fusion_is_equations_11_and_12_of_each_au():
    torch.manual_seed(0)
    module = Fusion(N, C, global_channels=5)
    local, whole = torch.randn(2, N * C, 16, 16), torch.randn(2, 5, 2, 2)
    resized = functional.interpolate(whole, (16, 16), mode="bilinear", align_corners=False)
    expected = []
    for t in range(N):
        rows = slice(t * C, (t + 1) * C)

        def mapped(conv, x, rows=rows):
            return functional.conv2d(x, conv.weight[rows], conv.bias[rows])

        s = local[:, rows]
        alpha = torch.sigmoid(mapped(module.global_gate, resized) + mapped(module.local_gate, s))
        g = functional.normalize(mapped(module.global_value, resized), dim=1)
        v = functional.normalize(mapped(module.local_value, s), dim=1)
        expected.append(alpha * g + (1 - alpha) * v)
    torch.testing.assert_close(module(local, whole), torch.cat(expected, 1), rtol=1e-3, atol=1e-4)


def test_normalised_vectors_have_length_one():
    x = l2_normalise(torch.randn(7, 5, 16))
    torch.testing.assert_close(x.norm(dim=-1), torch.ones(7, 5))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_normalising_zero_is_safe(dtype):
    x = torch.zeros(2, 8, dtype=dtype, requires_grad=True)
    y = l2_normalise(x)
    y.sum().backward()
    assert y.abs().max() == 0
    assert x.grad.isfinite().all()


def test_normalising_zero_is_safe_in_exported_half_precision():
    assert l2_normalise(torch.zeros(2, 8, dtype=torch.float16)).abs().max() == 0


def test_fusion_has_the_papers_parameters():
    count = sum(p.numel() for p in Fusion(12, 64, 160).parameters())
    assert count == 12 * (2 * (160 * 64 + 64) + 2 * (64 * 64 + 64))
