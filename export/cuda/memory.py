"""Where arrays lie: weights one after the other, all else in an arena that is used again."""

from dataclasses import replace

import numpy as np

from export.cuda.builder import Builder
from runtime.cuda.launch_plan import ALIGNMENT, Array, LaunchPlan, lifetimes, validate
from runtime.spec import ModelSpec


def place(builder: Builder, spec: ModelSpec) -> tuple[LaunchPlan, bytes]:
    """Give every array its place.

    Results lie side by side, so that one copy brings them all. Then the largest come first, each at
    the lowest address at which it meets none that is in use at the same time.

    Args:
        builder: The network.
        spec: Of it.

    Returns:
        The plan, without machine code, and the block of weights.

    Raises:
        ValueError: The builder has no cut.
    """
    if builder.cut is None:
        raise ValueError("nothing makes the network's input of a frame: set `cut` of the builder")
    arrays: dict[str, Array] = {}
    content = bytearray()
    for name, weight in builder.weights.items():
        arrays[name] = Array(weight.shape, weight.dtype.name, "weights", len(content))
        content += weight.tobytes()
        content += bytes(-len(content) % ALIGNMENT)
    for name, (shape, dtype) in builder.shapes.items():
        arrays[name] = Array(shape, dtype, "arena", 0)
    plan = LaunchPlan(spec, arrays, builder.cut, tuple(builder.launches), 0)
    spans = lifetimes(plan)
    taken: list[tuple[int, int, tuple[int, int]]] = []  # offset, end, lifetime
    for name in sorted(spans, key=lambda each: (each not in plan.outputs, -arrays[each].size)):
        first, last = spans[name]
        offset = 0
        for start, end, (begin, finish) in sorted(taken):
            if begin <= last and first <= finish:
                if start >= offset + arrays[name].size:
                    break
                offset = max(offset, end)
        array = Array(arrays[name].shape, arrays[name].dtype, "arena", offset)
        arrays[name] = array
        end = offset + array.size
        taken.append((offset, end + -end % ALIGNMENT, (first, last)))
    arena = max((end for _, end, _ in taken), default=0)
    plan = replace(plan, arrays=arrays, arena=arena)
    validate(plan, len(content))
    return plan, bytes(content)


def view(plan: LaunchPlan, name: str, weights: np.ndarray, arena: np.ndarray) -> np.ndarray:
    """Show an array in blocks of the host.

    Args:
        plan: The plan.
        name: Of the array.
        weights: The block of weights, (bytes,) uint8.
        arena: The arena, (bytes,) uint8.

    Returns:
        A view of one of them.
    """
    array = plan.arrays[name]
    block = weights if array.place == "weights" else arena
    part = block[array.offset : array.offset + array.size]
    return part.view(array.dtype).reshape(array.shape)
