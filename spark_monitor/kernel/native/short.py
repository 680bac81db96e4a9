"""Many windows of few rows at once, by the compiled kernel: the bytes that ``states.small`` keeps, without a state for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from spark_monitor.kernel.groups import Mask, Segments
from spark_monitor.kernel.native.library import Library
from spark_monitor.kernel.native.windows import SUMS
from spark_monitor.states.distinct import K_WINDOW
from spark_monitor.states.grid import Floats, Grid, Integers
from spark_monitor.states.moments import Moments, moments_about
from spark_monitor.states.ragged import offsets_of
from spark_monitor.states.small import Parts, parts_of

_TOTALS = 4
"""What is counted of each window: NaN, the infinities, finite values; see ``sm_short``."""

_HEAD_BYTES = 256
"""About what a window takes beside its values."""


@dataclass(frozen=True, eq=False)
class ShortWindows:
    """The windows of one chunk that have few rows: counts and moments as ``parts_of`` takes them, values in increasing order."""

    counts: Integers
    moments: Floats
    values: Floats
    bounds: Integers
    """Where each window's finite values begin, beside where they end."""

    @property
    def nbytes(self) -> int:
        """About how many bytes are held."""
        return int(self.values.nbytes) + _HEAD_BYTES * int(self.counts.shape[1])

    def take(self, places: Integers) -> ShortWindows:
        """The windows at these places."""
        return ShortWindows(self.counts[:, places], self.moments[:, places], self.values, self.bounds[:, places])

    def each(self) -> list[Floats]:
        """The values of every window."""
        return [self.values[low:high] for low, high in self.bounds.T.tolist()]

    def parts(self, grid: Grid, k: int) -> Iterator[Parts]:
        """The bytes of the small states."""
        return parts_of(grid, k, self.counts, self.moments, [values.tobytes() for values in self.each()])


def are_short(groups: Segments, k: int) -> Mask:
    """Which groups have so few rows that sketch and distinct count keep every value."""
    return np.asarray(groups.sizes <= min(k, K_WINDOW))


def short_windows(library: Library, values: Floats, nulls: Mask | None, groups: Segments, chosen: Mask) -> ShortWindows:
    """The groups that are chosen, of values in the order of the groups."""
    rows = groups.sizes[chosen]
    taken = None if chosen.all() else np.repeat(chosen, groups.sizes)
    ordered = values.copy() if taken is None else values[taken]
    missing = np.zeros(rows.size, dtype=np.int64)
    if nulls is not None:
        absent = nulls if taken is None else nulls[taken]
        missing = Segments(groups.codes[chosen], offsets_of(rows), None).totals(absent)
        ordered = ordered[~absent]
    bounds = offsets_of(rows - missing)
    for low, high in pairwise(bounds.tolist()):
        ordered[low:high].sort()
    sums, totals = np.empty((rows.size, SUMS)), np.empty((rows.size, _TOTALS), dtype=np.int64)
    library.call("sm_short", ordered, bounds, rows.size, sums, totals)
    nans, high, low, n = totals.T
    first = bounds[:-1] + low
    within = np.stack([first, first + n])
    counts = np.stack([rows, missing, nans, high, low])
    return ShortWindows(counts, _moments(ordered, within, n, sums), ordered, within)


def _moments(values: Floats, within: Integers, n: Integers, sums: Floats) -> Floats:
    """Minimum, maximum, mean, its low part and M2 of every window, as ``Moments.of`` has them."""
    moments, some = np.zeros((5, n.size)), n > 0
    moments[:2] = np.nan
    moments[0, some], moments[1, some] = values[within[0, some]], values[within[1, some] - 1]
    constant = some & (moments[0] == moments[1])
    moments[2, constant] = moments[0, constant]
    varied = some & ~constant
    sound = varied & np.isfinite(sums).all(axis=1)
    moments[2:, sound] = moments_about(sums[sound, 0], n[sound], sums[sound, 1] / n[sound], sums[sound, 2])
    for place in np.flatnonzero(varied & ~sound).tolist():
        exact = Moments.of(values[slice(*within[:, place].tolist())])
        moments[2:, place] = exact.mean, exact.low, exact.m2
    return moments
