"""The grids on which scores are counted: fine near 0 and 1, and where the baseline's scores lie."""

from __future__ import annotations

import numpy as np

from spark_monitor.states.grid import Floats, Grid

UNIFORM_EDGES = 768
TAIL_EDGES = 128
TAIL_END = 1e-12
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


def _unit_edges(uniform: int) -> Floats:
    steps = np.linspace(0.0, 1.0, uniform)
    tail = np.geomspace(TAIL_END, steps[1], TAIL_EDGES + 1)[:-1]
    return np.concatenate([steps, tail, 1.0 - tail])
