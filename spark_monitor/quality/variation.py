"""Whether a column still varies: constant, or stuck where the baseline varied."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spark_monitor.catalogue.interval import Floats, Interval
from spark_monitor.catalogue.metric import SHARE, quality_metric
from spark_monitor.quality.column_block import NO_BASELINE, UNDEFINED, ColumnBlock, Items, statuses, with_status
from spark_monitor.text.words import number_in

CHANCE = 1e-6
"""A column that is constant by so small a chance is stuck."""

COLLAPSED_SPREAD = 0.01
"""A spread of less than this fraction of the baseline's is none."""

COLLAPSED_DISTINCT = 0.1
LEAST_ROWS = 30
_LOW, _MIDDLE, _HIGH = 10, 50, 90
DOMINANT = 0.9
"""Of a column that holds one value in so many of the baseline's rows, a calm period (a week without rain) holds it alone."""

QUIET, LEAST_QUANTITY = 0.25, 10
"""A quantity of at least so many values that was zero in so much of the baseline's rows may be zero alone: nights have no sun."""

HELD_BY_ONE = 0.5
"""A spread that is gone because a value that this part of the baseline's rows held has become commoner has not collapsed."""

SCALED = 0.5
"""A spread beside the median of so much of the baseline's has not collapsed: the column is in another unit."""


@quality_metric("is_constant", range=SHARE)
def is_constant(current: ColumnBlock, baseline: ColumnBlock | None = None) -> Interval:
    """1 where all values other than NULL are one and the same, 0 where they differ."""
    status, message = statuses(len(current))
    nothing = (current.present == 0) | np.isnan(current.distinct_count) | (current.distinct_count == 0)
    status[nothing], message[nothing] = UNDEFINED, "There is no value to look at."
    value = _flag(current.distinct_count == 1)
    return with_status(value, value, value, status, message, current.present)


@quality_metric("is_stuck", range=SHARE)
def is_stuck(current: ColumnBlock, baseline: ColumnBlock | None = None) -> Interval:
    """1 where a column that varied in the baseline has ceased to: one value alone, or next to no spread or distinct values left.

    One value alone: n rows of the baseline would be one by a chance of at most p^n, p the fraction of its most frequent value,
    and this is below 1e-6; a value that 90 % of the baseline hold may be alone, as rows are not independent. No spread: of 30
    values at least, the distance of the 10th and 90th percentile is below a hundredth of the baseline's, not only because all
    values are smaller, nor because a value that half of the baseline's rows hold has become commoner. No distinct values: fewer
    than a tenth of those that so many rows
    of the baseline have at least (distinct min(1, n / m), for the curve of distinct values is concave).
    """
    status, message = statuses(len(current))
    if baseline is None:
        status[:], message[:] = NO_BASELINE, "There is no baseline to compare with."
        nothing = np.zeros(len(current))
        return with_status(nothing, nothing, nothing, status, message, current.present)
    lacking = baseline.present == 0
    status[lacking], message[lacking] = NO_BASELINE, "The baseline has no value of this column."
    empty = current.present == 0
    status[empty], message[empty] = UNDEFINED, "There is no value to look at."
    ceased = _one_value(current, baseline) | _no_spread(current, baseline) | _few_values(current, baseline)
    for place in np.flatnonzero(ceased).tolist():
        ceased[place] = not _is_quiet(current, baseline, place)
    value = _flag(ceased)
    return with_status(value, value, value, status, message, current.present)


def _is_quiet(current: ColumnBlock, baseline: ColumnBlock, place: int) -> bool:
    """Whether a quantity is zero now that often was."""
    if not baseline.quantities[place] or baseline.is_time[place] or not baseline.distinct_count[place] >= LEAST_QUANTITY:
        return False
    is_zero = not current.quantiles[place, [_LOW, _MIDDLE, _HIGH]].any()
    return is_zero and _share_of(0.0, baseline, place) >= QUIET


def _one_value(current: ColumnBlock, baseline: ColumnBlock) -> npt.NDArray[np.bool_]:
    alone = (current.distinct_count == 1) & (baseline.distinct_count >= 2)
    fractions = np.ones(len(current))
    for place in np.flatnonzero(alone).tolist():
        fractions[place] = _largest_fraction(_items(baseline, place), int(baseline.present[place]))
    with np.errstate(divide="ignore", invalid="ignore"):
        alone &= current.present * np.log(fractions) < np.log(CHANCE)
    for place in np.flatnonzero(alone & (fractions >= DOMINANT)).tolist():
        alone[place] = not _is_usual(current, baseline, place)
    return np.asarray(alone)


def _is_usual(current: ColumnBlock, baseline: ColumnBlock, place: int) -> bool:
    """Whether the value that is alone now is the one that nearly all of the baseline's rows hold."""
    now = {item for item, _ in _items(current, place)}
    rows = sum(many for item, many in _items(baseline, place) if item in now)
    return rows >= DOMINANT * int(baseline.present[place])


def _items(block: ColumnBlock, place: int) -> Items:
    return block.items[place] if block.items else ()


def _largest_fraction(items: Items, rows: int) -> float:
    """The fraction of the most frequent value, at most; where none is known, one row less than all."""
    if not rows:
        return 1.0
    largest = max((many for _, many in items), default=0)
    return min(max(largest, 1) / rows, 1.0)


def _no_spread(current: ColumnBlock, baseline: ColumnBlock) -> npt.NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        before = baseline.quantiles[:, _HIGH] - baseline.quantiles[:, _LOW]
        now = current.quantiles[:, _HIGH] - current.quantiles[:, _LOW]
        collapsed = (before > 0) & (now < COLLAPSED_SPREAD * before) & (current.stddev < 0.5 * baseline.stddev)
        # In another unit the spread beside the values' size is what it was, and their number as well.
        middle = current.quantiles[:, _MIDDLE]
        sizes = np.abs(baseline.quantiles[:, _MIDDLE]), np.abs(middle)
        collapsed &= ~((now * sizes[0] > SCALED * before * sizes[1]) & (now > 0))
    collapsed &= current.present >= LEAST_ROWS
    for place in np.flatnonzero(collapsed).tolist():
        collapsed[place] = _share_of(float(middle[place]), baseline, place) < HELD_BY_ONE
    return np.asarray(collapsed)


def _share_of(value: float, block: ColumnBlock, place: int) -> float:
    """The fraction of a place's values that hold a number, as far as it is one of the frequent ones."""
    rows = sum(many for item, many in _items(block, place) if (number := number_in(item)) is not None and number == value)
    return rows / max(int(block.present[place]), 1)


def _few_values(current: ColumnBlock, baseline: ColumnBlock) -> npt.NDArray[np.bool_]:
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = baseline.distinct_count * np.minimum(1.0, current.present / baseline.present)
        fewer = current.distinct_count < COLLAPSED_DISTINCT * expected
    return np.asarray(fewer & (current.present >= LEAST_ROWS))


def _flag(condition: npt.NDArray[np.bool_]) -> Floats:
    return np.where(condition, 1.0, 0.0)
