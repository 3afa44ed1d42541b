"""The heads with everything linear merged."""

import torch
from torch import Tensor, nn

from lgrnet.network.bias import bias_of
from lgrnet.network.heads import AuHeads
from runtime.action_units import MAX_INTENSITY


def fold_head(heads: AuHeads, last: nn.Conv2d) -> tuple[Tensor, Tensor]:
    """Merge the hidden layer and one of the layers that read from it.

    Args:
        heads: The heads.
        last: Their ``logit`` or ``intensity``.

    Returns:
        Weights, (n, C_r · h_r · w_r), and biases, (n,), float64, AUs in muscle order.
    """
    n = last.out_channels
    hidden = heads.hidden.weight.double().flatten(1).unflatten(0, (n, -1))
    rows = last.weight.double().view(n, 1, -1)
    bias = rows @ bias_of(heads.hidden).double().view(n, -1, 1)  # (n, 1, 1)
    return (rows @ hidden)[:, 0], bias[:, 0, 0] + bias_of(last).double()


class FusedHeads(nn.Module):
    """One scalar product per AU and output, and the sigmoid."""

    weight: Tensor
    bias: Tensor
    ascending: Tensor

    def __init__(self, heads: AuHeads, ascending: Tensor) -> None:
        super().__init__()
        lasts = [heads.logit, *([] if heads.intensity is None else [heads.intensity])]
        folded = [fold_head(heads, last) for last in lasts]
        weight = torch.stack([weight for weight, _ in folded], dim=2)  # (n, C_r · h_r · w_r, K)
        bias = torch.stack([bias for _, bias in folded], dim=1)[:, None]  # (n, 1, K)
        self.register_buffer("weight", weight.float())
        self.register_buffer("bias", bias.float())
        self.register_buffer("ascending", ascending)

    def forward(self, refined: Tensor) -> tuple[Tensor, ...]:
        """Score the AUs.

        Args:
            refined: R, (B, n · C_r, h_r, w_r), AU-major channels.

        Returns:
            Probabilities, (B, n), and if the heads tell them intensities in [0, 5], (B, n); AUs in
            ascending number.
        """
        x = refined.reshape(len(refined), len(self.weight), 1, -1)
        scores = (x @ self.weight + self.bias).flatten(2).sigmoid()  # (B, n, K)
        scores = scores.index_select(1, self.ascending)
        probability, *intensity = scores.unbind(2)
        return probability, *(MAX_INTENSITY * each for each in intensity)
