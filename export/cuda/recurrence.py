"""Adding the skip-BiLSTM to a network."""

from collections.abc import Mapping

import numpy as np

from export.cuda.builder import Builder
from export.cuda.convolution import add_convolution
from export.cuda.tiles import blocks_of, power_of_two, rows_rule, step_rule
from runtime.native.model import NetworkShape

RECURRENCES = ("steps", "persistent")
"""Ways to start the skip-BiLSTM: two launches a step, or one launch for all steps."""

_SIDES = ("down", "up")
_GATES = 4


def add_recurrence(
    to: Builder, shape: NetworkShape, arrays: Mapping[str, np.ndarray], batch: int, recurrence: str,
    feature: str, attention: str, patches: str,
) -> str:  # fmt: skip
    """Add all steps of both directions.

    Args:
        to: The network.
        shape: Its sizes.
        arrays: Its weights.
        batch: Faces at once.
        recurrence: One of :data:`RECURRENCES`.
        feature: F.
        attention: A.
        patches: F · A.

    Returns:
        The states, (2, n, batch, h · w, C).
    """
    n, grid, channels = shape.aus, shape.grid, shape.stem[1]
    cells, columns = grid * grid, _GATES * channels
    drives = to.array("drives", (n * batch, grid, grid, 2 * columns))
    add_convolution(
        *(to, "drives", patches, drives),
        np.concatenate([_by_channel(arrays[f"{each}.input.weight"]) for each in _SIDES]),
        *(grid,),
        images=n * batch,
        attention=attention,
    )
    hidden = [_by_channel(arrays[f"{each}.hidden.weight"]) for each in _SIDES]
    hidden = [each.transpose(2, 3, 1, 0).reshape(9 * channels, columns) for each in hidden]
    bias = np.stack([_by_channel(arrays[f"{each}.hidden.bias"]) for each in _SIDES])
    works = {each: f"{each} {batch}x{cells}x{channels}" for each in ("advance", "gather")}
    advance = to.choose(works["advance"], step_rule(batch * cells * channels))
    gather = to.choose(works["gather"], rows_rule(batch * cells * channels))
    blocks = blocks_of(cells, advance.m)
    pieces, of_channels = blocks_of(cells, gather.m), blocks_of(channels, advance.n)
    states = to.array("states", (2, n, batch, cells, channels))
    of_advance = {
        **{"drives": drives, "feature": feature, "attention": attention, "states": states},
        "weight": to.weight("hidden.weight", np.stack(hidden), "float16"),
        "bias": to.weight("hidden.bias", bias, "float32"),
        "reaching": to.array("reaching", (2, batch, cells, channels)),
        "cell": to.array("cell", (2, batch, cells, channels), "float32"),
        "partial": to.array("partial", (2, blocks, n, batch, channels), "float32"),
    }
    of_advance |= {
        "factors": to.array("factors", (2, n, n, batch, channels), "float32"),
        "earlier": to.array("earlier", (2, batch, cells, channels), "float32"),
    }
    sizes = {"STEPS": n, "IMAGES": batch, "CHANNELS": channels, "BLOCKS": blocks}
    least = {"BLOCK_B": power_of_two(blocks), "BLOCK_C": power_of_two(channels)}
    step_sizes = {
        **{**sizes, "HEIGHT": grid, "WIDTH": grid, "BLOCK_S": max(16, power_of_two(n))},
        **{"BLOCK_M": advance.m, "BLOCK_N": advance.n, "BLOCK_K": advance.k},
        **{"ROWS": gather.m, "BLOCK_C": least["BLOCK_C"]},
    }
    if n > 1:
        kinds = (("weight", "float16"), ("bias", "float32"))
        of_gates = {
            kind: to.weight(
                f"gates.{kind}", np.stack([arrays[f"{d}.gates.{kind}"] for d in _SIDES]), dtype
            )
            for kind, dtype in kinds
        }
    if recurrence == "persistent" and n > 1:
        arrived = to.array("arrived", (1,), "int32")
        to.launch("clear", (1, 1, 1), {}, out=arrived)
        blocks_of_work = (pieces + n) * batch, batch * blocks * of_channels
        to.launch(
            "recur",
            (2 * max(blocks_of_work), 1, 1),
            {**step_sizes, **least},
            **of_advance,
            gate_weight=of_gates["weight"], gate_bias=of_gates["bias"],
            arrived=arrived, first=1, end=2 * n, cooperative=True,
            warps=advance.warps, stages=advance.stages,
        )  # fmt: skip
        return states
    for step in range(n):
        if step > 0:
            to.launch(
                "gather",
                (pieces + n - 1 - step, batch, 2),
                {**sizes, **least, "CELLS": cells, "BLOCK_M": gather.m},
                **{name: of_advance[name] for name in ("states", "earlier", "partial", "factors")},
                **of_gates, out=of_advance["reaching"], step=step,
                warps=gather.warps, stages=gather.stages, work=works["gather"],
            )  # fmt: skip
        more = blocks_of(batch * pieces, of_channels) if step + 1 < n else 0
        # Nothing reaches the first step, so it gets arrays that are there instead.
        first = {"reaching": feature, "factors": of_advance["cell"]} if step == 0 else {}
        to.launch(
            "advance",
            (batch * blocks + more, of_channels, 2),
            step_sizes,
            **of_advance | first, step=step, warps=advance.warps, stages=advance.stages,
            work=works["advance"],
        )  # fmt: skip
    return states


def _by_channel(weight: np.ndarray) -> np.ndarray:
    """Put the four gates of each channel beside each other, which come gate by gate."""
    return weight.reshape(_GATES, -1, *weight.shape[1:]).swapaxes(0, 1).reshape(weight.shape)
