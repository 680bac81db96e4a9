"""A long segment's values by the compiled kernel without a sort: see ``ranked.c``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spark_monitor.kernel.groups import Mask
from spark_monitor.kernel.native.library import Library
from spark_monitor.states.distinct import ALL, K_WINDOW, Distinct, Hashes
from spark_monitor.states.frequent import CAPACITY, Frequent
from spark_monitor.states.grid import Floats, Grid
from spark_monitor.states.moments import Moments
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.sketch import Kll, fed_level, fed_offset

LEAST_ROWS = 1 << 15
"""Of fewer rows a sort is as fast: some work is done for every key, whether values have it or not."""

_KEYS, _MOST_PART = 1 << 16, 8
_REALS, _INTEGERS = 9, 3
_DONE, _NOT_FINITE = 1, 2
_CANDIDATES, _ROOM = 3, 16
"""So many times the hashes that a state keeps are looked for among values that are all different, and held of any."""

_SURE = 1 / 16
"""Deviations from a guess are good enough where M2 is at least this fraction of their squares."""


@dataclass(frozen=True, eq=False)
class Scan:
    """Finite values, and what the first pass says of them."""

    values: Floats
    keys: np.ndarray
    histogram: np.ndarray
    reals: Floats
    bits: int
    moments: Moments
    distinct: Distinct


def ranked_state_of(
    library: Library, values: Floats, nulls: Mask | None, grid: Grid, *, k: int, theta: int
) -> NumericState | None:
    """What ``windows.state_of`` gives; None where a sort is faster, or needed for the last digits."""
    specials = np.zeros(3, dtype=np.int64)
    finite = values if nulls is None else _finite(library, values, nulls, specials)
    scan = _scanned(library, finite, grid, k, theta)
    if scan == _NOT_FINITE and nulls is None:
        finite = _finite(library, values, None, specials)
        scan = _scanned(library, finite, grid, k, theta)
    if not isinstance(scan, Scan):
        return None
    n, level = finite.size, fed_level(finite.size, k)
    whole, offset, step = n >> level << level, fed_offset(scan.bits, n, level), -(-n // CAPACITY)
    sampled, rest = np.empty(-(-(whole - offset) // (1 << level))), np.empty(n - whole)
    cells, frequent = np.empty(grid.cells, dtype=np.int64), np.empty(CAPACITY)
    many, integers = np.empty(CAPACITY, dtype=np.int64), np.empty(_INTEGERS, dtype=np.int64)
    first_pass = (finite, scan.keys, scan.histogram, n, grid.edges, grid.edges.size)
    scratch = np.empty(n // _MOST_PART), np.empty(3 * _KEYS, dtype=np.uint32)
    into = (cells, sampled, rest, frequent, many, integers)
    if library.call("sm_ranked", *first_pass, offset, level, step, scan.reals, *scratch, *into) != _DONE:
        return None
    listed = int(integers[2])
    minimum, maximum = float(scan.reals[3]) + 0.0, float(scan.reals[4]) + 0.0
    return NumericState(
        grid=grid,
        count=values.size,
        nulls=values.size - n - int(specials.sum()),
        nans=int(specials[0]),
        positive_infinities=int(specials[1]),
        negative_infinities=int(specials[2]),
        minimum=minimum,
        maximum=maximum,
        moments=scan.moments,
        cells=cells,
        distinct=scan.distinct,
        frequent=Frequent(dict(zip(frequent[:listed].tolist(), many[:listed].tolist(), strict=True)), dropped=step - 1),
        sketch=Kll.of_fed(n, k, sampled, rest, minimum, maximum),
    )


def _finite(library: Library, values: Floats, nulls: Mask | None, specials: np.ndarray) -> Floats:
    """A copy of the finite values that are not null; NaN, +Inf and -Inf are counted."""
    finite = np.empty(values.size)
    return finite[: library.call("sm_finite", values, nulls, values.size, finite, specials)]


def _scanned(library: Library, values: Floats, grid: Grid, k: int, theta: int) -> Scan | int:
    """The first pass, or why there is none."""
    n = values.size
    if n < LEAST_ROWS:
        return 0
    marks = grid.edges.size + (n >> fed_level(n, k))
    most = min(theta - 1, ALL // n * _CANDIDATES * K_WINDOW)
    keys, histogram = np.empty(n, dtype=np.uint16), np.empty(_KEYS, dtype=np.uint32)
    hashes = np.empty(_ROOM * K_WINDOW, dtype=np.uint64)
    reals, integers = np.empty(_REALS), np.empty(_INTEGERS, dtype=np.int64)
    outcome = library.call("sm_scan", values, n, marks, most, hashes.size, keys, histogram, hashes, reals, integers)
    if outcome != _DONE:
        return outcome
    bits, hashed = integers[:2].tolist()
    moments, distinct = _moments(n, *reals[:3].tolist()), _distinct(hashes[:hashed], most, theta)
    if moments is None or distinct is None:
        return 0
    return Scan(values, keys, histogram, reals, bits % ALL, moments, distinct)


def _moments(n: int, guess: float, deviations: float, squares: float) -> Moments | None:
    """None where the guess, the mean of a few values, was too far away."""
    rest = deviations / n
    return Moments.about(guess, n, rest, squares) if squares - n * rest * rest >= _SURE * squares > 0 else None


def _distinct(hashes: Hashes, most: int, theta: int) -> Distinct | None:
    """None where hashes above ``most`` matter, since values repeat."""
    distinct = Distinct.of(hashes, theta=theta)
    return distinct if most == theta - 1 or distinct.theta <= most else None
