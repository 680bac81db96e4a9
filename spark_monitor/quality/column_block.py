"""Columns of many windows, versions and slices side by side, and the baseline's: what quality metrics are computed from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from spark_monitor.catalogue.interval import Floats, Integers, Interval

NOT_MEANT = "NOT_MEANT"
"""The status of a place for which a metric has no meaning at all; it becomes no row."""

UNDEFINED, NO_BASELINE, ERROR = "UNDEFINED", "NO_BASELINE", "ERROR"
Items = Sequence[tuple[str, int]]


@dataclass(frozen=True, eq=False)
class ColumnBlock:
    """S columns: arrays of length S, NaN where there is no number; ``quantiles`` is float64[S, 101].

    ``counters`` hold, by name, how many values met a check, NaN where the column is not held against it. ``items`` are the most
    frequent values, exact where ``items_exact``. ``count`` is 0 where there is no such column, as in a baseline that lacks it.
    """

    count: Integers
    nulls: Integers
    numeric: npt.NDArray[np.bool_]
    min: Floats
    max: Floats
    mean: Floats
    stddev: Floats
    distinct_count: Floats
    empties: Floats
    quantiles: Floats
    items: Sequence[Items] = ()
    times: npt.NDArray[np.bool_] | None = None
    codes: npt.NDArray[np.bool_] | None = None
    counters: Mapping[str, Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.count.size)

    @property
    def present(self) -> Integers:
        """Values that are not NULL."""
        return np.asarray(self.count - self.nulls)

    @property
    def is_time(self) -> npt.NDArray[np.bool_]:
        """Whether a column holds dates or times."""
        return np.zeros(len(self), dtype=np.bool_) if self.times is None else self.times

    @property
    def quantities(self) -> npt.NDArray[np.bool_]:
        """Whether a column's values are numbers that are no names."""
        return self.numeric if self.codes is None else self.numeric & ~self.codes

    @property
    def texts(self) -> npt.NDArray[np.bool_]:
        """Whether a column holds strings: only of these are blanks and damaged letters counted."""
        return ~np.isnan(self.counter("whitespace"))

    def counter(self, name: str) -> Floats:
        """A counter, NaN where a column is not held against it."""
        return self.counters.get(name, np.full(len(self), np.nan))


def with_status(
    value: Floats,
    lower: Floats,
    upper: Floats,
    status: npt.NDArray[np.object_],
    message: npt.NDArray[np.object_],
    count: Integers,
    details: Sequence[dict[str, str] | None] | None = None,
) -> Interval:
    """An interval whose undefined places say why: value and bounds are NaN where the status is not OK.

    >>> one = np.array([1.0, 2.0])
    >>> texts = np.array(["OK", "UNDEFINED"], dtype=object), np.array([None, "No value."], dtype=object)
    >>> with_status(one, one, one, *texts, np.array([1, 1])).value.tolist()
    [1.0, nan]
    """
    fine = status == "OK"
    parts = [np.where(fine, part, np.nan) for part in (value, lower, upper)]
    messages = [None if not text else str(text) for text in message.tolist()]
    return Interval(parts[0], parts[1], parts[2], np.zeros(value.shape), count, status.tolist(), messages, details)


def statuses(size: int) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    """OK everywhere, and no message."""
    return np.full(size, "OK", dtype=object), np.full(size, None, dtype=object)
