"""A whole window's values by the compiled kernel: sorted by numpy and read off in one call, or not sorted where they are many."""

from __future__ import annotations

import math

import numpy as np

from spark_monitor.kernel.groups import Mask
from spark_monitor.kernel.native.library import Library
from spark_monitor.kernel.native.ranked import LEAST_ROWS, ranked_state_of
from spark_monitor.states.distinct import ALL, K_WINDOW, Distinct
from spark_monitor.states.frequent import CAPACITY, Frequent
from spark_monitor.states.grid import Floats, Grid
from spark_monitor.states.moments import Moments
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.sketch import K, Kll

SUMS, COUNTS = 3, 8
"""Numbers that come before the frequent values, and integers that come before how often they occur: see ``sm_sorted``."""

LEAST_COUNTED, MOST_COUNTED = 1 << 12, 1 << 10
"""Of fewer rows a sort is as fast; of more different values nothing is counted: ``MOST_VALUES`` of counted.c."""


def state_of(library: Library, values: Floats, nulls: Mask | None, grid: Grid, *, k: int = K, theta: int = ALL) -> NumericState:
    """What ``NumericState.of_sorted`` gives of the values that are not null, from values in any order."""
    if values.size >= LEAST_ROWS:
        state = ranked_state_of(library, values, nulls, grid, k=k, theta=theta)
        if state is not None:
            return state
    ordered = _in_order(library, values, nulls)
    cells, hashes = np.empty(grid.cells, dtype=np.int64), np.empty(ordered.size, dtype=np.uint64)
    reals, integers = np.empty(SUMS + CAPACITY), np.empty(COUNTS + CAPACITY, dtype=np.int64)
    where = (ordered, ordered.size, grid.edges, grid.edges.size, theta - 1, K_WINDOW, CAPACITY)
    library.call("sm_sorted", *where, cells, hashes, reals, integers)
    nans, high, low, n, hashed, listed, step, bits = integers[:COUNTS].tolist()
    finite = ordered[low : low + n]
    return NumericState(
        grid=grid,
        count=values.size,
        nulls=values.size - ordered.size,
        nans=nans,
        positive_infinities=high,
        negative_infinities=low,
        minimum=float(finite[0]) + 0.0 if n else float("nan"),
        maximum=float(finite[-1]) + 0.0 if n else float("nan"),
        moments=_moments(finite, *reals[:SUMS].tolist()),
        cells=cells,
        distinct=Distinct.of_candidates(hashes[:hashed], theta=theta) if n else Distinct.empty(),
        frequent=_frequent(reals[SUMS : SUMS + listed], integers[COUNTS : COUNTS + listed], step) if n else Frequent({}),
        sketch=Kll.of_sorted(finite, k, bits=bits % ALL),
    )


def _in_order(library: Library, values: Floats, nulls: Mask | None) -> Floats:
    """The values that are not null in increasing order, NaN last; few different ones are counted instead of sorted."""
    if values.size >= LEAST_COUNTED:
        each, many = np.empty(MOST_COUNTED), np.empty(MOST_COUNTED, dtype=np.int64)
        different = library.call("sm_counted", values, nulls, values.size, each, many)
        if different <= MOST_COUNTED:
            order = np.argsort(each[:different])
            return np.repeat(each[order], many[order])
    ordered = _present(library, values, nulls)
    ordered.sort()
    return ordered


def _present(library: Library, values: Floats, nulls: Mask | None) -> Floats:
    """A copy of the values that are not null."""
    if nulls is None:
        return values.copy()
    present = np.empty(values.size)
    return present[: library.call("sm_present", values, nulls, values.size, present)]


def _moments(finite: Floats, guess: float, deviations: float, squares: float) -> Moments:
    """As ``Moments.of`` has them; sums that exceed a double are left to it."""
    n = finite.size
    if not n or finite[0] == finite[-1]:
        return Moments(n, float(finite[0]) + 0.0) if n else Moments()
    if not (math.isfinite(guess) and math.isfinite(deviations) and math.isfinite(squares)):
        return Moments.of(finite)
    return Moments.about(guess, n, deviations / n, squares)


def _frequent(values: Floats, many: np.ndarray, step: int) -> Frequent[float]:
    return Frequent(dict(zip(values.tolist(), many.tolist(), strict=True)), dropped=step - 1)
