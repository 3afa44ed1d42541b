"""Runs a plan on the CPU, by Triton's interpreter: slow, and the same arithmetic as on a GPU."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from export.cuda.builder import Constant, Kernel
from export.cuda.kernels import KERNELS
from export.cuda.memory import view
from runtime.cuda.launch_plan import LaunchPlan
from runtime.spec import INPUT_NAME


def interpret(
    plan: LaunchPlan, kernels: dict[str, Kernel], weights: bytes, faces: np.ndarray
) -> dict[str, np.ndarray]:
    """Carry out a plan.

    Args:
        plan: The plan.
        kernels: Its kernels by their keys.
        weights: The block of weights.
        faces: (B, 176, 176, 3) uint8, BGR.

    Returns:
        Name → result.
    """
    block = np.frombuffer(weights, np.uint8).copy()  # PyTorch wants memory it could write
    # What nothing has written must not look like a good number.
    arena = np.full(plan.arena, 0xFF, np.uint8)
    view(plan, INPUT_NAME, block, arena)[:] = faces
    for launch in plan.launches:
        made = kernels[launch.code]
        values = [
            each if isinstance(each, int) else torch.from_numpy(view(plan, each, block, arena))
            for each in launch.arguments
        ]
        if launch.cooperative:
            run_cooperative(made.name, 2, values, made.constants)
        else:
            run_kernel(made.name, launch.grid, values, made.constants)
    return {name: view(plan, name, block, arena).copy() for name in plan.outputs}


def run_kernel(
    name: str, grid: tuple[int, int, int], values: list, constants: Mapping[str, Constant]
) -> None:
    """Interpret one launch.

    Args:
        name: The kernel.
        grid: Blocks along three axes.
        values: Tensors and whole numbers, in the kernel's order.
        constants: Its arguments in capitals.
    """
    from triton.runtime import interpreter

    # The compiler leaves this check out too. It would take half of the time, and what it looks for
    # is refused sooner: no array of a valid plan holds more numbers than a whole number can count.
    builder = interpreter.interpreter_builder
    builder.options = replace(builder.options, sanitize_overflow=False)
    interpreter.InterpretedFunction(KERNELS[name])[grid](*values, **constants)


def run_cooperative(
    name: str, programs: int, values: list, constants: Mapping[str, Constant]
) -> None:
    """Interpret one launch of programs that wait for each other.

    The interpreter runs one after the other, so each part of their work is a launch of its own,
    between which nobody needs to wait.

    Args:
        name: The kernel; its last two arguments are the first part and the end of the parts.
        programs: How many.
        values: See :func:`run_kernel`.
        constants: See :func:`run_kernel`.
    """
    *values, first, end = values
    for part in range(first, end):
        run_kernel(name, (programs, 1, 1), [*values, part, part + 1], constants)
