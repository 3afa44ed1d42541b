"""What links the AUs to each other: the skip-BiLSTM of section III-B, and a plain BiLSTM.

Both are two recurrences of separate weights over the AUs' patches, one from the top of the face to
its bottom, one back.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from lgrnet.network.bias import bias_of


def neighbourhoods(x: Tensor) -> Tensor:
    """Line up the 3 × 3 cells around each cell, zero outside the map.

    Args:
        x: (B, C, h, w).

    Returns:
        (B, 9 · C, h, w): for each of the nine cells, row by row, its C channels.
    """
    height, width = x.shape[-2:]
    padded = functional.pad(x, (1, 1, 1, 1))
    shifts = [padded[:, :, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return torch.cat(shifts, dim=1)


class ConvLSTMCell(nn.Module):
    """The ConvLSTM of Shi et al. without peepholes, 3 × 3.

    Convolving (input, hidden) is the sum of two convolutions. That over the inputs waits for
    nothing, so :meth:`drives` does it for all steps beforehand.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.from_input = nn.Conv2d(channels, 4 * channels, 3, padding=1, bias=False)
        self.from_hidden = nn.Conv2d(channels, 4 * channels, 3, padding=1)
        # The default initialiser of one convolution over both, split in two.
        bound = 1 / math.sqrt(9 * 2 * channels)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def drives(self, feature: Tensor, attention: Tensor) -> list[Tensor]:
        """Convolve the patches v_t = F ⊙ A_t, all of them at the price of about one.

        A patch is F with each cell scaled by one number. So the nine products of kernel and cell
        are the same for all AUs, and an AU's convolution is their sum weighted by the nine values
        of A_t around each cell: Σ_k W_k (F ⊙ A_t)(p + k) = Σ_k A_t(p + k) · (W_k F(p + k)).

        Args:
            feature: :func:`neighbourhoods` of F, (B, 9 · C, h, w).
            attention: :func:`neighbourhoods` of A, (B, 9 · n, h, w).

        Returns:
            ``from_input(v_t)``, n × (B, 4C, h, w).
        """
        taps = self.from_input.weight.permute(2, 3, 0, 1).flatten(0, 2)[..., None, None]
        products = functional.conv2d(feature, taps, groups=9)  # (B, 9·4C, h, w)
        products = products.unflatten(1, (9, -1)).permute(0, 3, 4, 1, 2)  # (B, h, w, 9, 4C)
        weights = attention.unflatten(1, (9, -1)).permute(0, 3, 4, 2, 1)  # (B, h, w, n, 9)
        drives = weights @ products  # (B, h, w, n, 4C)
        return [each.permute(0, 3, 1, 2) for each in drives.unbind(3)]

    def forward(self, drive: Tensor, hidden: Tensor | None, cell: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step.

        Args:
            drive: What the input adds to the gates, (B, 4C, h, w); see :meth:`drives`.
            hidden: What comes from earlier steps, (B, C, h, w); None for nothing.
            cell: The cell state, (B, C, h, w).

        Returns:
            The new hidden and cell states, each (B, C, h, w).
        """
        if hidden is None:
            gates = drive + bias_of(self.from_hidden)[:, None, None]
        else:
            gates = drive + self.from_hidden(hidden)
        channels = cell.shape[1]
        switches, candidate = gates.split((3 * channels, channels), dim=1)
        # Copied out of the gates first: on the strided slice the sigmoid takes twice as long.
        switches = switches.contiguous(memory_format=torch.channels_last).sigmoid()
        input_gate, forget_gate, output_gate = switches.chunk(3, dim=1)  # (B, C, h, w)
        cell = forget_gate * cell + input_gate * candidate.tanh()
        return output_gate * cell.tanh(), cell


class SkipGates(nn.Module):
    """How much of each hidden state reaches each later AU (eq. 7 and 8).

    f_j = σ(GAP(W_j(h_j v_t))), with a 1 × 1 convolution W_j for each source step j. ``h_j v_t`` is
    their product, or with ``concat`` the two side by side. (Section IV-A gives its 1 × 1
    convolutions a padding of 1; :class:`lgrnet.network.fusion.Fusion` says why it is 0 here.)

    Two identities turn n (n − 1) / 2 convolutions of maps into small matrix products. The average
    and the convolution are both linear, so W_j can multiply the averaged vector. And as v_t is
    F ⊙ A_t, the average of h_j ⊙ v_t over the grid is the product of A_t with h_j ⊙ F, for all t at
    once.
    """

    def __init__(self, aus: int, channels: int, concat: bool) -> None:
        super().__init__()
        self.concat = concat
        inputs = 2 * channels if concat else channels
        self.maps = nn.ModuleList(nn.Linear(inputs, channels) for _ in range(aus - 1))

    @property
    def layers(self) -> list[nn.Linear]:
        """W_j of each source step."""
        return [layer for layer in self.maps if isinstance(layer, nn.Linear)]

    def forward(self, step: int, hidden: Tensor, feature: Tensor, later: Tensor) -> Tensor:
        """Weigh a hidden state for the steps after it.

        Args:
            step: The source step j.
            hidden: h_j, (B, C, h, w).
            feature: F, (B, C, h, w).
            later: A_t of the steps after j, (B, later, h, w).

        Returns:
            f_j for each of them, (B, later, C), in (0, 1).
        """
        later = later.flatten(2)  # (B, later, h·w)
        product = feature if self.concat else hidden * feature
        pooled = later @ product.flatten(2).transpose(1, 2) / later.shape[2]  # (B, later, C)
        if self.concat:
            pooled_hidden = hidden.mean((2, 3))[:, None].expand_as(pooled)
            pooled = torch.cat([pooled_hidden, pooled], dim=2)  # (B, later, 2C)
        return self.maps[step](pooled).sigmoid()


class Direction(nn.Module):
    """One of the two recurrences (eq. 6 to 9).

    With ``skip`` a step sees every earlier hidden state through its gate, without it the one before
    only (the plain BiLSTM of Tables III and IV).
    """

    def __init__(self, aus: int, channels: int, skip: bool, concat: bool) -> None:
        super().__init__()
        self.cell = ConvLSTMCell(channels)
        self.gates = SkipGates(aus, channels, concat) if skip else None

    def forward(self, drives: list[Tensor], feature: Tensor, attention: Tensor) -> list[Tensor]:
        """Run over the AUs.

        Args:
            drives: From :meth:`ConvLSTMCell.drives`, n × (B, 4C, h, w), in this direction's order.
            feature: F, (B, C, h, w).
            attention: A, (B, n, h, w), in this direction's order.

        Returns:
            h_t, n × (B, C, h, w), in the same order.
        """
        # What reaches each step from those before it: Σ_j h_j f_j, of eq. 6.
        reaching: list[Tensor | None] = [None] * len(drives)
        states: list[Tensor] = []
        cell = torch.zeros_like(feature)
        for step, drive in enumerate(drives):
            hidden, cell = self.cell(drive, reaching[step], cell)
            states.append(hidden)
            if step + 1 == len(drives):
                break
            if self.gates is None:
                reaching[step + 1] = hidden
                continue
            factors = self.gates(step, hidden, feature, attention[:, step + 1 :])
            for later, factor in enumerate(factors.unbind(1), step + 1):
                reaching[later] = _add_product(reaching[later], hidden, factor[..., None, None])
        return states


def _add_product(total: Tensor | None, a: Tensor, b: Tensor) -> Tensor:
    """Compute total + a · b, where None is zero."""
    return a * b if total is None else torch.addcmul(total, a, b)


class Recurrence(nn.Module):
    """Two directions, averaged and added to the patches (eq. 10)."""

    def __init__(self, aus: int, channels: int, skip: bool, concat: bool = False) -> None:
        super().__init__()
        self.downward = Direction(aus, channels, skip, concat)
        self.upward = Direction(aus, channels, skip, concat)

    def forward(self, feature: Tensor, attention: Tensor) -> Tensor:
        """Relate the AUs.

        Args:
            feature: F, (B, C, h, w).
            attention: A, (B, n, h, w), AUs from top to bottom.

        Returns:
            S, (B, n · C, h, w), AU-major channels.
        """
        around = neighbourhoods(feature), neighbourhoods(attention)
        drives_down = self.downward.cell.drives(*around)
        drives_up = self.upward.cell.drives(*around)[::-1]
        down = self.downward(drives_down, feature, attention)
        up = self.upward(drives_up, feature, attention.flip(1))[::-1]
        patches = [feature * each for each in attention.split(1, dim=1)]  # n × (B, C, h, w)
        related = [v + (a + b) / 2 for v, a, b in zip(patches, down, up, strict=True)]  # eq. 10
        return torch.cat(related, dim=1)
