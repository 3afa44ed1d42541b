"""What the rewritten graphs share of fusion (eq. 11 and 12)."""

from torch import Tensor

from lgrnet.network.fusion import EPSILON


def normalise(x: Tensor) -> Tensor:
    """Scale vectors to length 1, as `lgrnet.network.fusion.l2_normalise` in other operations.

    Args:
        x: Vectors along the last axis, (..., C).

    Returns:
        Same shape; zero stays zero.
    """
    return x / (x.square().sum(-1, keepdim=True) + EPSILON).sqrt()
