"""Whether a window's rows came: how many against what is expected, with which gaps, how late, and whether they came before.

Metrics of the row `:table`: a block holds windows side by side, NaN where a number is not known and why beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from spark_monitor.catalogue.interval import Floats, Integers, Interval
from spark_monitor.catalogue.metric import NOT_NEGATIVE, PERCENT, SHARE, quality_metric
from spark_monitor.quality.column_block import ERROR, NOT_MEANT, UNDEFINED, statuses, with_status
from spark_monitor.quality.profiled import percent

OF_SCHEMA = frozenset({"columns_missing", "columns_added", "columns_retyped"})
"""Metrics of the table's columns, whose message names these."""

NAMELY = "; namely "
"""What stands before the columns in the reason of a check of them."""

OF_NEWEST_WINDOW = frozenset({"freshness_hours", *OF_SCHEMA})
"""What is known once a run, as of its as-of timestamp: it stands in the newest window alone."""

Texts = Sequence[str | None]
Details = Sequence[dict[str, str] | None]


@dataclass(frozen=True, eq=False)
class ArrivalBlock:
    """S windows: their rows, the rows expected with their bounds, hours of silence, and what is known of each in words.

    ``why`` says, by metric, why a number is not known; ``details`` what else belongs to it.
    """

    count: Integers
    numbers: dict[str, Floats]
    why: dict[str, Texts] = field(default_factory=dict)
    details: dict[str, Details] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()
    """Metrics whose numbers are not known because something could not be read: ``why`` is an error."""

    def number(self, name: str) -> Floats:
        """A number by name; NaN where it is not known."""
        return self.numbers.get(name, np.full(self.count.size, np.nan))


def _interval(block: ArrivalBlock, metric: str, value: Floats, lower: Floats, upper: Floats) -> Interval:
    """The interval of a metric; where there is no number, the reason, and no row where there is no reason either."""
    status, message = statuses(block.count.size)
    reasons = block.why.get(metric, [None] * block.count.size)
    for place in np.flatnonzero(np.isnan(value)).tolist():
        status[place] = NOT_MEANT if not reasons[place] else ERROR if metric in block.broken else UNDEFINED
        message[place] = reasons[place]
    return with_status(value, lower, upper, status, message, block.count, block.details.get(metric))


def _exact(block: ArrivalBlock, metric: str) -> Interval:
    value = block.number(metric)
    return _interval(block, metric, value, value, value)


@quality_metric(
    "row_count_ratio", columns=(":table",), range=NOT_NEGATIVE, worse="both", sentence="there are {} times the rows expected"
)
def row_count_ratio(current: ArrivalBlock, baseline: ArrivalBlock | None = None) -> Interval:
    """Rows of the window over the rows expected: the manifest's (`quality.expected_rows`), else the median of earlier windows.

    Of earlier windows the last eight of the same weekday and hour are taken where there are three, else, of windows shorter than
    a day, those of the same hour, else the last eight, and then all of them are held by the bounds; longer windows expect more
    rows in proportion. The interval is that of the median, by the median absolute deviation, and of counting so many rows.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        low, value, high = (
            current.count / np.where(current.number(name) > 0, current.number(name), np.nan)
            for name in ("expected_high", "expected", "expected_low")
        )
    high = np.where(np.isnan(high), np.inf, high)
    return _interval(current, "row_count_ratio", value, low, high)


@quality_metric(
    "freshness_hours", columns=(":table",), range=NOT_NEGATIVE, unit="hours", sentence="the newest row is {} hours old"
)
def freshness_hours(current: ArrivalBlock, baseline: ArrivalBlock | None = None) -> Interval:
    """Hours from the newest row's time to the run's as-of timestamp, of the newest window."""
    return _exact(current, "freshness_hours")


@quality_metric("largest_gap_hours", columns=(":table",), range=NOT_NEGATIVE, unit="hours", sentence="no row came for {} hours")
def largest_gap_hours(current: ArrivalBlock, baseline: ArrivalBlock | None = None) -> Interval:
    """The longest stretch of the window without a row, its ends included, in hours; exact from one hour on.

    Gaps within an hour are not looked for: where no longer one is found, the true gap is below one hour (value_error).
    """
    value = current.number("largest_gap_hours")
    gap = _interval(current, "largest_gap_hours", value, value, np.maximum(value, 1.0))
    error = np.where(np.isnan(value), np.nan, np.maximum(1.0 - value, 0.0))
    return Interval(gap.value, gap.lower, gap.upper, error, gap.count, gap.status, gap.message, gap.details)


@quality_metric(
    "missing_hours", columns=(":table",), range=NOT_NEGATIVE, unit="hours", sentence="{} hours that usually have rows have none"
)
def missing_hours(current: ArrivalBlock, baseline: ArrivalBlock | None = None) -> Interval:
    """Hours of the window without a row in which most earlier weeks (else days) have some."""
    return _exact(current, "missing_hours")


@quality_metric("duplicated_window", columns=(":table",), range=SHARE, sentence="{} earlier window has the same rows")
def duplicated_window(current: ArrivalBlock, baseline: ArrivalBlock | None = None) -> Interval:
    """1 where the rows' contents are those of an earlier window, whatever their order, times and ids; 0 where they are not."""
    return _exact(current, "duplicated_window")


@quality_metric(
    "late_rows_percent",
    columns=(":table",),
    range=PERCENT,
    unit="percent",
    sentence="{} % of a window's rows came after it was judged",
)
def late_rows_percent(current: ArrivalBlock, baseline: ArrivalBlock | None = None) -> Interval:
    """Rows that came after the window was first profiled, in percent of its rows."""
    value = percent(np.nan_to_num(current.number("late")), current.count)
    late = np.where(np.isnan(current.number("late")), np.nan, value.value)
    assert value.lower is not None
    assert value.upper is not None
    return _interval(current, "late_rows_percent", late, value.lower, value.upper)


@quality_metric(
    "columns_missing",
    columns=(":table",),
    range=NOT_NEGATIVE,
    unit="columns",
    sentence="columns that the table no longer has: {}",
)
def columns_missing(current: ArrivalBlock, baseline: ArrivalBlock | None = None) -> Interval:
    """Columns that the baseline (or the table at the last run) has and the table has not; details name them."""
    return _exact(current, "columns_missing")


@quality_metric(
    "columns_added",
    columns=(":table",),
    range=NOT_NEGATIVE,
    unit="columns",
    worse="both",
    sentence="columns that the table did not have before: {}",
)
def columns_added(current: ArrivalBlock, baseline: ArrivalBlock | None = None) -> Interval:
    """Columns that the table has and the baseline (or the table at the last run) has not; details name them."""
    return _exact(current, "columns_added")


@quality_metric(
    "columns_retyped", columns=(":table",), range=NOT_NEGATIVE, unit="columns", sentence="columns that have another type: {}"
)
def columns_retyped(current: ArrivalBlock, baseline: ArrivalBlock | None = None) -> Interval:
    """Columns whose type is not the baseline's (or that of the last run); details name them with both types."""
    return _exact(current, "columns_retyped")
