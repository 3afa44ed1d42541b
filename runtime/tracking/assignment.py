"""Who is who: pairing two sets at the least total cost."""

from collections.abc import Sequence

FORBIDDEN = 1e6
"""Cost of a pair that must not be formed."""


def assign(cost: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    """Pair rows with columns so that the sum of the costs is the least possible.

    The Hungarian algorithm with potentials, one shortest path a row (Kuhn 1955; Jonker and
    Volgenant 1987), O(rows² · columns). Plain lists: for a dozen faces NumPy would take ten times
    as long, and SciPy is more than the runtime may need.

    Args:
        cost: A list a row, all of the same length. Pairs of `FORBIDDEN` or more are never made.

    Returns:
        (row, column) pairs by row, as many as can be.
    """
    if not cost or not cost[0]:
        return []
    if len(cost) > len(cost[0]):
        return sorted((row, column) for column, row in assign(list(zip(*cost, strict=True))))
    columns = range(1, len(cost[0]) + 1)
    # Rows and columns count from 1; column 0 stands for the row that is being placed.
    over_rows, over_columns = [0.0] * (len(cost) + 1), [0.0] * (len(columns) + 1)
    row_of = [0] * (len(columns) + 1)
    for row in range(1, len(cost) + 1):
        row_of[0] = row
        least = [float("inf")] * (len(columns) + 1)
        before = [0] * (len(columns) + 1)
        reached: list[int] = []
        waiting = list(columns)
        column = 0
        while row_of[column]:
            reached.append(column)
            here = row_of[column]
            for other in waiting:
                reduced = cost[here - 1][other - 1] - over_rows[here] - over_columns[other]
                if reduced < least[other]:
                    least[other], before[other] = reduced, column
            nearest = min(waiting, key=least.__getitem__)
            step = least[nearest]
            for done in reached:
                over_rows[row_of[done]] += step
                over_columns[done] -= step
            for other in waiting:
                least[other] -= step
            waiting.remove(nearest)
            column = nearest
        while column:  # hand the rows on along the path
            row_of[column] = row_of[before[column]]
            column = before[column]
    pairs = ((row_of[column] - 1, column - 1) for column in columns if row_of[column])
    return sorted((r, c) for r, c in pairs if cost[r][c] < FORBIDDEN)
