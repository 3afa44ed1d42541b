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
