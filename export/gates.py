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


def lstm_step(gates: list[Tensor], cell: Tensor | None) -> tuple[Tensor, Tensor]:
    """Let an LSTM take a step.

    Args:
        gates: Before their activations, 4 × a tensor of any shape, in the order of `GATES`.
        cell: The cell state; None for zero.

    Returns:
        The new hidden and cell states.
    """
    input_gate, forget_gate, output_gate, candidate = gates
    new = input_gate.sigmoid() * candidate.tanh()
    if cell is not None:
        new = new + forget_gate.sigmoid() * cell
    return output_gate.sigmoid() * new.tanh(), new
