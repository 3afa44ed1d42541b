import itertools

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from runtime.tracking.assignment import FORBIDDEN, assign


def total(cost, pairs) -> float:
    return sum(cost[row][column] for row, column in pairs)


@pytest.mark.parametrize("seed", range(60))
def test_as_good_as_scipy(seed):
    rng = np.random.default_rng(seed)
    cost = rng.uniform(0, 3, rng.integers(1, 10, 2))
    cost[rng.random(cost.shape) < 0.3] = FORBIDDEN
    pairs = assign(cost.tolist())
    best = [(r, c) for r, c in zip(*linear_sum_assignment(cost), strict=True)]
    allowed = [(r, c) for r, c in best if cost[r, c] < FORBIDDEN]
    assert len(pairs) == len(allowed)
    assert total(cost, pairs) == pytest.approx(total(cost, allowed))
    rows, columns = zip(*pairs, strict=True) if pairs else ((), ())
    assert len(set(rows)) == len(rows)
    assert len(set(columns)) == len(columns)


def test_better_than_the_nearest_first():
    # Whoever takes the least first gets 1 + 100; the best is 2 + 3.
    assert assign([[1, 2], [3, 100]]) == [(0, 1), (1, 0)]


def test_all_orders_of_four():
    cost = [[7, 5, 9, 8], [6, 4, 3, 7], [2, 8, 9, 6], [5, 4, 7, 1]]
    least = min(sum(cost[i][p[i]] for i in range(4)) for p in itertools.permutations(range(4)))
    assert total(cost, assign(cost)) == least


@pytest.mark.parametrize("cost", [[], [[]], [[], []]])
def test_nobody(cost):
    assert assign(cost) == []


def test_nothing_is_allowed():
    assert assign([[FORBIDDEN] * 3] * 2) == []
