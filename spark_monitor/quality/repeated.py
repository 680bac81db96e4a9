"""Rows that repeat what no two rows should share: an id, a value of a unique column, or the whole row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spark_monitor.catalogue.interval import Floats, Integers, Interval
from spark_monitor.catalogue.metric import PERCENT, quality_metric
from spark_monitor.quality.column_block import UNDEFINED, statuses, with_status
from spark_monitor.states.proportions import Z, wilson


@dataclass(frozen=True, eq=False)
class KeyBlock:
    """S keys: rows that have one, and of the sampled keys the rows, the keys and the sum of squared rows per key."""

    count: Integers
    sampled_rows: Floats
    sampled_keys: Floats
    sampled_squares: Floats
    is_exact: npt.NDArray[np.bool_]


def percent_repeated(current: KeyBlock) -> Interval:
    """100 (rows - keys) / rows: the rows beyond the first of their key.

    Of keys sampled by their hash every row is counted, so that the fraction is a ratio estimate, 1 - D / R with D sampled keys
    and R rows of them. Its 95 % interval joins the delta method's (variance of rows per key, D keys) and Wilson's of R rows.
    Where all keys were kept the fraction is exact, and so is its interval: it is about these rows, not about others like them.
    """
    status, message = statuses(current.count.size)
    status[current.count == 0], message[current.count == 0] = UNDEFINED, "There are no rows that have the key."
    with np.errstate(invalid="ignore", divide="ignore"):
        repeated = current.sampled_rows - current.sampled_keys
        value = 100 * repeated / current.sampled_rows
        mean = current.sampled_rows / current.sampled_keys
        variance = current.sampled_squares / current.sampled_keys - mean * mean
        half = 100 * Z * np.sqrt(np.maximum(variance, 0.0) / current.sampled_keys) / (mean * mean)
    low, high = wilson(np.nan_to_num(repeated), current.sampled_rows)
    lower = np.where(current.is_exact, value, np.clip(np.minimum(100 * low, value - half), 0.0, None))
    upper = np.where(current.is_exact, value, np.clip(np.maximum(100 * high, value + half), None, 100.0))
    for place in np.flatnonzero((status == "OK") & ~current.is_exact).tolist():
        message[place] = f"Estimated from a sample of {current.sampled_keys[place]:,.0f} keys with all of their rows."
    return with_status(value, lower, upper, status, message, current.count)


@quality_metric(
    "percent_duplicate_ids", columns=(":table",), range=PERCENT, unit="percent", sentence="{} % of the rows repeat an id"
)
def percent_duplicate_ids(current: KeyBlock, baseline: KeyBlock | None = None) -> Interval:
    """Rows whose id another row of the window and version has before them, in percent of the rows with an id."""
    return percent_repeated(current)


@quality_metric(
    "percent_duplicate_rows", columns=(":table",), range=PERCENT, unit="percent", sentence="{} % of the rows repeat another row"
)
def percent_duplicate_rows(current: KeyBlock, baseline: KeyBlock | None = None) -> Interval:
    """Rows that agree with another one before them in the time, the id and every profiled column, in percent of the rows."""
    return percent_repeated(current)


@quality_metric(
    "percent_copied_rows",
    columns=(":table",),
    range=PERCENT,
    unit="percent",
    sentence="{} % of the rows are copies of another one but for the id",
)
def percent_copied_rows(current: KeyBlock, baseline: KeyBlock | None = None) -> Interval:
    """Rows that agree with another one before them in the time and every profiled column, whatever their ids, in percent.

    Where ids are new it shows what a join has multiplied. Rows of few columns and coarse times agree by chance.
    """
    return percent_repeated(current)


@quality_metric("percent_duplicated_values", range=PERCENT, unit="percent")
def percent_duplicated_values(current: KeyBlock, baseline: KeyBlock | None = None) -> Interval:
    """Values of a column declared `quality.unique` that another row has before them, in percent of the values other than NULL."""
    return percent_repeated(current)
