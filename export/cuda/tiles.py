"""How large the pieces are that programs work on.

The sizes that were fastest on a GPU, of those that fit every GPU that there is code for, are in
``tiles.json``, written by ``python -m benchmarks.tiles``; what is not listed there follows a rule.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MEASURED = Path(__file__).with_name("tiles.json")
"""Piece of work, see :func:`tile_of` → its tile as a list."""


_MANY = 528  # tiles of 64 × 64: four for each processor of an H100
_LARGE = 100_000  # numbers


@dataclass(frozen=True, slots=True)
class Tile:
    """Sizes of a program.

    Attributes:
        m: Positions, BLOCK_M.
        n: Channels, BLOCK_N.
        k: Products that are summed at a time, BLOCK_K.
        warps: Of 32 threads.
        stages: Loads that are under way at a time.
    """

    m: int
    n: int = 16
    k: int = 32
    warps: int = 4
    stages: int = 3


def tile_of(work: str, rule: Tile) -> Tile:
    """Choose the tile of a piece of work.

    Args:
        work: Its kernel and sizes, such as ``"advance 1x1936x64"``.
        rule: What to take where none was measured.

    Returns:
        The tile.
    """
    return _measured().get(work, rule)


def convolution_rule(parts: int, positions: int, outputs: int, products: int) -> Tile:
    """Say what suits a convolution that was not measured, from those that were.

    Args:
        parts: Groups, or tiles of the map, with weights of their own.
        positions: Outputs of a channel, of all images.
        outputs: Channels of a part.
        products: That are summed for one number.

    Returns:
        A large tile where there are many, which saves reads; where the GPU is not filled a small
        one, whose reads are under way at the same time.
    """
    least = max(16, power_of_two(outputs))
    if parts * blocks_of(positions, 64) * blocks_of(outputs, 64) >= _MANY:
        return Tile(128, min(128, least), 64 if products >= 1024 else 32)
    return Tile(
        16 if positions <= 64 else 32, min(32, least), min(64, power_of_two(products)), 4, 5
    )


def step_rule(numbers: int) -> Tile:
    """Say what suits `advance` where it was not measured; `numbers` of a state, of all images."""
    return Tile(64, 32, 32, 4, 5) if numbers >= _LARGE else Tile(16, 8, 32, 4, 5)


def rows_rule(numbers: int) -> Tile:
    """Say the same for `gather` and `fuse`."""
    return Tile(64, warps=8) if numbers >= _LARGE else Tile(16)


def blocks_of(count: int, block: int) -> int:
    """How many blocks cover a number of things."""
    return -(-count // block)


def power_of_two(least: int) -> int:
    """The smallest power of two that is not below a number."""
    return 1 << (least - 1).bit_length()


def read_tiles(path: Path) -> dict[str, Tile]:
    """Read measured tiles.

    Args:
        path: The file; none is there before the first measurement.

    Returns:
        Piece of work → tile.
    """
    if not path.exists():
        return {}
    tiles = json.loads(path.read_text("utf-8"))["tiles"]
    return {work: Tile(*sizes) for work, sizes in tiles.items()}


@cache
def _measured() -> dict[str, Tile]:
    return read_tiles(MEASURED)
