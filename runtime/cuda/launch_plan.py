"""The file of our own GPU engine: machine code, weights, and the list of launches, in one.

It is an uncompressed ``.npz`` under another suffix: ``plan`` is JSON, ``weights`` one block of
bytes, ``code`` another. Nothing in it is executed before it has been validated.
"""

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from runtime.errors import ModelError, SpecError
from runtime.spec import INPUT_NAME, ModelSpec

SUFFIX = ".fused"
"""Of these files."""

FORMAT = "lgrnet-launches-3"
ALIGNMENT = 256
"""Bytes at whose multiples arrays begin, so that the GPU can read several numbers at a time."""

FRAME_NAME = "frame"
"""Argument of `LaunchPlan.cut`: the part of a frame, for which the runtime has its own memory."""

TABLE_NAME = "cuts"
"""Array that tells how each face is cut out of it, see `runtime.cuda.frame`."""

CUT_NUMBERS = 16
"""Numbers of that array for a face."""

DTYPES = ("uint8", "int32", "float16", "float32", "float64")
_MOST_THREADS = 1024
_MOST_NUMBERS = 2**31 - 1  # the kernels count in 32 bits


@dataclass(frozen=True, slots=True)
class Array:
    """An array on the GPU.

    Attributes:
        shape: Its shape.
        dtype: One of `DTYPES`.
        place: ``"weights"`` or ``"arena"``, which all other arrays share.
        offset: Where in it, bytes; a multiple of `ALIGNMENT`.
    """

    shape: tuple[int, ...]
    dtype: str
    place: str
    offset: int

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True)
class Launch:
    """One start of a kernel.

    Attributes:
        code: Key of `LaunchPlan.codes`.
        arguments: In the kernel's order: names of arrays, or whole numbers.
        writes: Which of those arrays it writes.
        grid: Blocks along three axes.
        cooperative: Whether the blocks wait for each other, so that all have to be on the GPU at
            once; then any smaller number along the first axis does the same work.
    """

    code: str
    arguments: tuple[str | int, ...]
    writes: tuple[str, ...]
    grid: tuple[int, int, int]
    cooperative: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """A kernel as machine code.

    Attributes:
        entry: Its name in there.
        warps: Of 32 threads, in a block.
        shared: Bytes of shared memory of a block.
        hidden: Pointers that it takes after its arguments and does not use.
        waits: Whether it waits by itself for what the launch before it writes, so that it may be
            started while that one still runs.
        offset: Where in the block of code it begins.
        size: Its bytes.
    """

    entry: str
    warps: int
    shared: int
    hidden: int
    waits: bool
    offset: int
    size: int


@dataclass(frozen=True)
class LaunchPlan:
    """All of it.

    Attributes:
        spec: Of the network.
        arrays: Name → array.
        cut: What makes the input of a frame, where one is given instead, before all launches.
        launches: In their order.
        arena: Bytes of the memory that arrays share.
        codes: Compute capability, such as ``"8.6"`` → key of a kernel → its code.
        versions: What compiled it.
    """

    spec: ModelSpec
    arrays: Mapping[str, Array]
    cut: Launch
    launches: tuple[Launch, ...]
    arena: int
    codes: Mapping[str, Mapping[str, Code]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the arrays that hold the results."""
        return self.spec.outputs


def lifetimes(plan: LaunchPlan) -> dict[str, tuple[int, int]]:
    """Tell when the arrays of the arena are in use.

    Args:
        plan: The plan.

    Returns:
        Name → numbers of the first and the last launch that need it. The input is there before the
        first, results until after the last.
    """
    spans: dict[str, tuple[int, int]] = {}
    for number, launch in enumerate(plan.launches):
        for name in launch.arguments:
            if isinstance(name, str) and plan.arrays[name].place == "arena":
                spans[name] = (spans.get(name, (number,))[0], number)
    last = len(plan.launches)
    for name in (INPUT_NAME, *plan.outputs):
        first, end = spans.get(name, (last, last))
        spans[name] = (-1, end) if name == INPUT_NAME else (first, last)
    spans[TABLE_NAME] = (-1, -1)
    return spans


def validate(plan: LaunchPlan, weights: int) -> None:
    """Check that a plan can be carried out.

    Args:
        plan: The plan.
        weights: Bytes of the block of weights.

    Raises:
        ValueError: An array lies outside its block or on another that is in use, something is read
            that nothing has written, a result is missing, or a launch is impossible.
    """
    for name, array in plan.arrays.items():
        if array.dtype not in DTYPES or array.place not in ("weights", "arena"):
            raise ValueError(f"array {name!r} is {array.dtype} in {array.place!r}")
        room = weights if array.place == "weights" else plan.arena
        if array.offset < 0 or array.offset % ALIGNMENT or array.offset + array.size > room:
            raise ValueError(f"array {name!r} does not lie in the {room} bytes of {array.place}")
        if array.size // np.dtype(array.dtype).itemsize > _MOST_NUMBERS:
            raise ValueError(f"array {name!r} holds more than {_MOST_NUMBERS} numbers: fewer faces")
    _check_cut(plan)
    written = {INPUT_NAME}
    for number, launch in enumerate(plan.launches):
        _check_launch(plan, number, launch, written)
        written |= set(launch.writes)
    for name in plan.outputs:
        if name not in written:
            raise ValueError(f"nothing writes the result {name!r}")
    _check_overlaps(plan)


def _check_launch(plan: LaunchPlan, number: int, launch: Launch, written: set[str]) -> None:
    what = f"launch {number} ({launch.code})"
    _check_start(plan, what, launch)
    for name in launch.arguments:
        if isinstance(name, str) and name not in plan.arrays:
            raise ValueError(f"{what} takes {name!r}, which there is not")
    for name in launch.writes:
        if name not in launch.arguments or plan.arrays[name].place != "arena":
            raise ValueError(f"{what} writes {name!r}, which it does not take or must not change")
    for name in launch.arguments:
        if isinstance(name, str) and name not in launch.writes:
            if plan.arrays[name].place == "arena" and name not in written:
                raise ValueError(f"{what} reads {name!r} before it is written")


def _check_cut(plan: LaunchPlan) -> None:
    launch = plan.cut
    _check_start(plan, f"the cut ({launch.code})", launch)
    if launch.arguments != (FRAME_NAME, TABLE_NAME, INPUT_NAME) or launch.writes != (INPUT_NAME,):
        raise ValueError(f"the cut takes {launch.arguments} and writes {launch.writes}")
    table = plan.arrays.get(TABLE_NAME)
    wanted = ((plan.spec.batch, CUT_NUMBERS), "float64", "arena")
    if table is None or (table.shape, table.dtype, table.place) != wanted:
        raise ValueError(f"the cut's table is {table}, not {wanted}")


def _check_start(plan: LaunchPlan, what: str, launch: Launch) -> None:
    if len(launch.grid) != 3 or min(launch.grid) < 1 or max(launch.grid[1:]) > 65535:
        raise ValueError(f"{what} has the grid {launch.grid}")
    if launch.cooperative and launch.grid[1:] != (1, 1):
        raise ValueError(f"{what} is cooperative and has the grid {launch.grid}")
    for target, codes in plan.codes.items():
        if launch.code not in codes:
            raise ValueError(f"{what} has no code for {target}")
        if not 1 <= 32 * codes[launch.code].warps <= _MOST_THREADS:
            raise ValueError(f"{what} has {codes[launch.code].warps} warps")


def _check_overlaps(plan: LaunchPlan) -> None:
    spans = lifetimes(plan)
    names = sorted(spans, key=lambda name: plan.arrays[name].offset)
    for place, name in enumerate(names):
        array = plan.arrays[name]
        for other in names[place + 1 :]:
            if plan.arrays[other].offset >= array.offset + array.size:
                break
            (first, last), (begin, end) = spans[name], spans[other]
            if begin <= last and first <= end:
                raise ValueError(f"arrays {name!r} and {other!r} overlap while both are in use")


def write_launch_plan(path: Path, plan: LaunchPlan, weights: bytes, code: bytes) -> None:
    """Write a file.

    Args:
        path: Where to.
        plan: The plan.
        weights: What the arrays of ``"weights"`` lie in.
        code: What the codes lie in.
    """
    fields = {"format": FORMAT, **asdict(plan), "spec": plan.spec.to_metadata()}
    text = json.dumps(fields, separators=(",", ":")).encode()
    plan_bytes, weight_bytes, code_bytes = (
        np.frombuffer(content, np.uint8) for content in (text, weights, code)
    )
    with path.open("wb") as file:
        np.savez(file, plan=plan_bytes, weights=weight_bytes, code=code_bytes)


def read_launch_plan(path: Path) -> tuple[LaunchPlan, np.ndarray, np.ndarray]:
    """Read a file.

    Args:
        path: The file.

    Returns:
        The plan, validated; the block of weights and that of code, (bytes,) uint8.

    Raises:
        ModelError: The file is none, or its plan cannot be carried out.
        SpecError: It is of another version.
    """
    again = "export it again with `python -m export.cuda CHECKPOINT`"
    try:
        if not zipfile.is_zipfile(path):  # NumPy would take it for pickled, and advise to load it
            raise ValueError("it is cut, or another kind of file")
        with np.load(path, allow_pickle=False) as file:
            blocks = {name: file[name] for name in ("plan", "weights", "code")}
        fields: dict[str, Any] = json.loads(blocks["plan"].tobytes())
        if fields.pop("format") != FORMAT:
            raise ValueError("another format")
        plan = LaunchPlan(
            spec=ModelSpec.from_metadata(fields["spec"], str(path)),
            arrays=dict(_arrays(fields["arrays"])),
            launches=tuple(map(_launch, fields["launches"])),
            cut=_launch(fields["cut"]),
            arena=fields["arena"],
            codes={
                target: {key: Code(**each) for key, each in codes.items()}
                for target, codes in fields["codes"].items()
            },
            versions=fields["versions"],
        )
        validate(plan, len(blocks["weights"]))
        for codes in plan.codes.values():
            for key, each in codes.items():
                if each.offset < 0 or each.offset + each.size > len(blocks["code"]):
                    raise ValueError(f"code {key!r} is not in the file")
    except SpecError:
        raise
    except ValueError as error:
        raise ModelError(f"{path} cannot be used ({error}): {again}") from error
    except Exception as error:  # zipfile's, NumPy's and, of arrays' headers, the tokenizer's
        raise ModelError(f"{path} is not a file of launches ({error}): {again}") from error
    return plan, blocks["weights"], blocks["code"]


def _launch(fields: Mapping[str, Any]) -> Launch:
    return Launch(
        fields["code"],
        tuple(fields["arguments"]),
        tuple(fields["writes"]),
        tuple(fields["grid"]),
        fields["cooperative"],
    )


def _arrays(fields: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Array]]:
    for name, each in fields.items():
        yield name, Array(tuple(each["shape"]), each["dtype"], each["place"], each["offset"])
