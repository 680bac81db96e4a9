"""How many values are not what they should be: in percent of the rows, NULL included, with Wilson's 95 % interval.

Each is counted exactly, value by value (strings once per distinct text). A column that is not held against a check has no row.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spark_monitor.catalogue.interval import Floats, Interval
from spark_monitor.catalogue.metric import PERCENT, quality_metric
from spark_monitor.quality.column_block import NOT_MEANT, UNDEFINED, ColumnBlock, statuses, with_status
from spark_monitor.quality.profiled import percent


def percent_of_rows(part: Floats, block: ColumnBlock) -> Interval:
    """100 part / rows; no row where the column is not held against the check (NaN), undefined where there are no rows."""
    interval = percent(np.nan_to_num(part), block.count)
    status, message = statuses(len(block))
    status[block.count == 0] = UNDEFINED
    message[block.count == 0] = "There are no rows."
    status[np.isnan(part)] = NOT_MEANT
    assert interval.lower is not None
    assert interval.upper is not None
    return with_status(interval.value, interval.lower, interval.upper, status, message, block.count)


@quality_metric("percent_format_mismatch", columns=("categorical",), range=PERCENT, unit="percent")
def percent_format_mismatch(current: ColumnBlock, baseline: ColumnBlock | None = None) -> Interval:
    """Strings in which the column's declared format (`quality.formats`) is not found, in percent of the rows."""
    return percent_of_rows(current.counter("format_mismatch"), current)


@quality_metric("percent_unparsable", columns=("categorical",), range=PERCENT, unit="percent")
def percent_unparsable(current: ColumnBlock, baseline: ColumnBlock | None = None) -> Interval:
    """Strings that are no number where the baseline has numbers (as such, or in 90 % of its strings), in percent of the rows."""
    return percent_of_rows(current.counter("unparsable"), current)


@quality_metric("percent_out_of_range", columns=("numeric",), range=PERCENT, unit="percent")
def percent_out_of_range(current: ColumnBlock, baseline: ColumnBlock | None = None) -> Interval:
    """Values outside the declared range (`quality.ranges`), else the baseline's least and greatest, in percent of the rows.

    The infinities lie outside of any range; NaN is counted apart (`percent_nan`).
    """
    return percent_of_rows(current.counter("out_of_range"), current)


@quality_metric("percent_unseen", columns=("categorical",), range=PERCENT, unit="percent")
def percent_unseen(current: ColumnBlock, baseline: ColumnBlock | None = None) -> Interval:
    """Values outside the allowed ones (`quality.allowed`), else outside the baseline's, in percent of the rows.

    A baseline of more than 1,024 different strings does not keep them all, so the number is undefined there.
    """
    interval = percent_of_rows(current.counter("unseen"), current)
    status, message = np.asarray(interval.status, dtype=object), np.asarray(interval.message, dtype=object)
    unknown = (status == NOT_MEANT) & ~current.numeric & current.texts
    status[unknown] = UNDEFINED
    message[unknown] = (
        "The baseline has more than 1,024 different strings of this column, or none: `quality.allowed` may name them."
    )
    return replace(interval, status=status.tolist(), message=message.tolist())


@quality_metric("percent_sentinel", range=PERCENT, unit="percent")
def percent_sentinel(current: ColumnBlock, baseline: ColumnBlock | None = None) -> Interval:
    """Values that stand for "missing" (`quality.sentinels`), in percent of the rows."""
    return percent_of_rows(current.counter("sentinel"), current)


@quality_metric("percent_empty", columns=("categorical",), range=PERCENT, unit="percent")
def percent_empty(current: ColumnBlock, baseline: ColumnBlock | None = None) -> Interval:
    """Empty strings, binaries, arrays and maps, in percent of the rows."""
    return percent_of_rows(current.empties, current)


@quality_metric("percent_whitespace", columns=("categorical",), range=PERCENT, unit="percent")
def percent_whitespace(current: ColumnBlock, baseline: ColumnBlock | None = None) -> Interval:
    """Strings that begin or end with a blank, or are nothing but blanks, in percent of the rows."""
    return percent_of_rows(current.counter("whitespace"), current)


@quality_metric("percent_mojibake", columns=("categorical",), range=PERCENT, unit="percent")
def percent_mojibake(current: ColumnBlock, baseline: ColumnBlock | None = None) -> Interval:
    """Strings with damaged letters (UTF-8 read as Windows-1252 or Latin-1, or U+FFFD), in percent of the rows."""
    return percent_of_rows(current.counter("mojibake"), current)
