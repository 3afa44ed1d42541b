"""The heads with everything linear merged."""

from torch import Tensor, nn

from lgrnet.heads import AuHeads


class FusedHeads(nn.Module):
    """One scalar product per AU, and the sigmoid."""

    def __init__(self, heads: AuHeads, ascending: Tensor) -> None:
        super().__init__()
        n = heads.logit.out_channels
        hidden = heads.hidden.weight.double().flatten(1).unflatten(0, (n, -1))
        logit = heads.logit.weight.double().view(n, 1, -1)
        bias = logit @ heads.hidden.bias.double().view(n, -1, 1)  # (n, 1, 1)
        self.register_buffer("weight", (logit @ hidden).transpose(1, 2).float())
        self.register_buffer("bias", (bias + heads.logit.bias.double().view(n, 1, 1)).float())
        self.register_buffer("ascending", ascending)

    def forward(self, refined: Tensor) -> Tensor:
        """Score the AUs.

        Args:
            refined: R, (B, n · C_r, h_r, w_r), AU-major channels.

        Returns:
            Probabilities, (B, n), AUs in ascending number.
        """
        x = refined.reshape(len(refined), len(self.weight), 1, -1)
        logits = (x @ self.weight + self.bias).flatten(1)
        return logits.sigmoid().index_select(1, self.ascending)
