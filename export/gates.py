"""What the rewritten graphs share of the recurrence's gates."""

from typing import NamedTuple

from torch import Tensor

GATES = 4
"""Input, forget, output gate and candidate, in the order of the cell's weights."""


class DenseDrive(NamedTuple):
    """What one step adds to its gates, everywhere.

    Attributes:
        values: Of each gate, 4 × a tensor of the gates' shape.
    """

    values: list[Tensor]

    def add(self, gates: list[Tensor]) -> list[Tensor]:
        """Add to the gates, 4 × a tensor of any shape."""
        return [gate + values for gate, values in zip(gates, self.values, strict=True)]
