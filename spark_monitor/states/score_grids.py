"""The grids on which scores are counted: fine near 0 and 1, and where the baseline's scores lie."""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import lru_cache

import numpy as np

from spark_monitor.states.grid import Floats, Grid

UNIFORM_EDGES = 768
TAIL_EDGES = 128
TAIL_END = 1e-12
CLASS_STEPS = 256
CLASS_TAIL_EDGES = 64
CLASS_TAIL_END = 1e-8
DIGITS = 40
"""More than twice those of a double, so that what is rounded to one is rounded once."""

SWEPT = tuple(percent / 100 for percent in range(5, 100, 5))
"""Thresholds at which decisions are looked at: they are edges of every grid of scores."""


def default_score_grid() -> Grid:
    """1,024 edges on [0, 1] for models without a baseline of scores: 768 equally spaced, 128 more towards 0 and towards 1.

    The outer ones are spaced equally in the logarithm of the distance from the end, down to 1e-12, as log-odds are.

    >>> grid = default_score_grid()
    >>> grid.edges.size, float(grid.edges[0]), float(grid.edges[-1])
    (1024, 0.0, 1.0)
    """
    return Grid.of(_unit_edges(UNIFORM_EDGES))


def score_grid(baseline: Grid | None = None) -> Grid:
    """The edges of the baseline's score column and 1,792 on [0, 1]: fine where the baseline was, and where it was not.

    A window whose scores have left the baseline's range meets equal steps of 1/1535, so that the area under the ROC curve is
    still certain to about a thousandth.

    >>> score_grid(Grid.of([0.12345])).edges.size
    1808
    """
    unit = _unit_edges(UNIFORM_EDGES if baseline is None else 2 * UNIFORM_EDGES)
    return Grid.of(np.concatenate([unit, SWEPT, [] if baseline is None else baseline.edges]))


def class_score_grid() -> Grid:
    """385 edges on [0, 1] for the scores of one of several classes: 257 equally spaced, 64 more towards 0 and towards 1.

    Of many classes, or of a rare one, nearly all scores lie below the first equal step.

    >>> class_score_grid().edges.size
    385
    """
    tail = geometric(CLASS_TAIL_END, 1 / CLASS_STEPS, CLASS_TAIL_EDGES)
    return Grid.of(np.concatenate([class_steps(), tail, 1.0 - tail]))


def class_steps() -> Floats:
    """The 257 equally spaced edges, which were all there were in earlier releases."""
    return np.linspace(0.0, 1.0, CLASS_STEPS + 1)


def geometric(low: float, high: float, steps: int) -> Floats:
    """So many numbers from ``low`` on, each the same factor above the one before, of which ``high`` would be the next.

    In decimal, whose logarithm and exponential are correctly rounded: numpy's powers differ in their last bit from processor to
    processor, and states on grids that differ in a bit cannot be merged.

    >>> geometric(1.0, 8.0, 3).tolist()
    [1.0, 2.0, 4.0]
    """
    with localcontext(prec=DIGITS):
        first = Decimal(low)
        growth = (Decimal(high) / first).ln() / steps
        return np.array([float(first * (growth * place).exp()) for place in range(steps)])


@lru_cache(maxsize=8)
def former_ids(grid: Grid) -> tuple[str, ...]:
    """The ids that a grid of this module had before its edges were the same on every machine, each in one of two roundings."""
    edges, ids = grid.edges, set()
    for uniform in (UNIFORM_EDGES, 2 * UNIFORM_EDGES):
        high = float(np.linspace(0.0, 1.0, uniform)[1])
        tail = _tail(uniform)
        exponents = np.linspace(np.log10(TAIL_END), np.log10(high), TAIL_EDGES + 1)[:-1]
        by_library = np.array([TAIL_END, *(10.0**exponent for exponent in exponents.tolist()[1:])])
        for former in (np.geomspace(TAIL_END, high, TAIL_EDGES + 1)[:-1], by_library):
            kept = edges[~np.isin(edges, np.concatenate([tail, 1.0 - tail]))]
            ids.add(Grid.of(np.concatenate([kept, former, 1.0 - former])).grid_id)
    return tuple(sorted(ids))


@lru_cache(maxsize=2)
def _tail(uniform: int) -> Floats:
    return geometric(TAIL_END, float(np.linspace(0.0, 1.0, uniform)[1]), TAIL_EDGES)


def _unit_edges(uniform: int) -> Floats:
    tail = _tail(uniform)
    return np.concatenate([np.linspace(0.0, 1.0, uniform), tail, 1.0 - tail])
