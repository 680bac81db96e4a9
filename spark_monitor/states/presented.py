"""States as the numbers that people read: the columns of rows of ``profile_metrics``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from spark_monitor.states.categorical import CategoricalState
from spark_monitor.states.categorical_block import CategoricalBlock
from spark_monitor.states.frequent_items import categorical_items, numeric_items
from spark_monitor.states.grid import Integers
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.numeric_block import NumericBlock
from spark_monitor.states.quantiles import PERCENTILES
from spark_monitor.states.ragged import packed
from spark_monitor.states.table import TableState
from spark_monitor.text.formatting import counted

# Below this the squares of some deviations have fewer digits than a double, or none.
LEAST_M2 = 1e-290
MESSAGES = {
    "EMPTY": "No rows in this window.",
    "ALL_NULL": "Every row is null.",
    "NO_FINITE": "No finite value: every row is null, NaN or infinite.",
}
ONE_VALUE = "One finite value: the standard deviation is undefined."
SPREAD = "The values are spread so far that the sum of their squares exceeds the largest double: no standard deviation."
CLOSE = "The values are so close together that their standard deviation is rounded towards 0."
ROUNDED = (
    "Values beyond 15 digits are rounded to the nearest double: minimum and maximum, distinct and frequent values are those of "
    "the rounded ones."
)
NO_DEVIATION = f"{ROUNDED} They lie so close together that rounding alone may be their standard deviation: it is not known."
Columns = dict[str, pa.Array]


def present(state: NumericState | CategoricalState | TableState, names: Sequence[str] = ()) -> dict[str, Any]:
    """The numbers of one state; what is undefined is None, and the status says why. ``names`` are a table's columns.

    >>> from spark_monitor.states.numeric import profile_column
    >>> row = present(profile_column([1.0, 2.0], nulls=2))
    >>> row["count"], row["percent_null"], row["avg"], row["status"]
    (4, 50.0, 1.5, 'OK')
    """
    if isinstance(state, TableState):
        return _table(state, names)
    if isinstance(state, NumericState):
        columns = present_numeric(NumericBlock.of([state]))
    else:
        columns = present_categorical(CategoricalBlock.of([state]))
    return {name: column[0].as_py() for name, column in columns.items()}


def present_numeric(block: NumericBlock) -> Columns:
    """The columns of a block."""
    values, rank_error = block.percentiles
    defined = block.finite > 0
    status, message = _statuses(block.count, block.nulls, defined)
    message = np.where(defined, _numeric_messages(block), message)
    quantiles = packed(np.arange(len(block) + 1) * (PERCENTILES + 1), pa.array(values.ravel()))
    return {
        **_common(block),
        "num_nan": pa.array(block.nan),
        "num_inf": pa.array(block.infinities),
        "num_zeros": pa.array(block.zeros),
        "avg": numbers(block.mean),
        "stddev": numbers(block.stddev),
        "min": numbers(block.min),
        "max": numbers(block.max),
        "median": numbers(values[:, PERCENTILES // 2]),
        "quantiles": pa.compute.if_else(pa.array(defined), quantiles, pa.scalar(None, quantiles.type)),
        "rank_error": numbers(np.where(defined, rank_error, np.nan)),
        "frequent_items": numeric_items(block),
        "percent_nan": percents(block.nan, block.count),
        "percent_zeros": percents(block.zeros, block.count),
        "status": pa.array(status, pa.string()),
        "message": pa.array(message, pa.string()),
    }


def _numeric_messages(block: NumericBlock) -> npt.NDArray[np.object_]:
    """What the numbers of states with finite values must be read with."""
    with np.errstate(invalid="ignore"):
        cases = [
            (block.finite == 1, ONE_VALUE),
            (~np.isfinite(block.m2), SPREAD),
            (block.is_coarse, NO_DEVIATION),
            ((block.min < block.max) & (block.m2 < LEAST_M2), CLOSE),
            (block.is_rounded, ROUNDED),
        ]
    messages = np.full(len(block), None, dtype=object)
    for holds, sentence in reversed(cases):
        messages[holds] = sentence
    return messages


def present_categorical(block: CategoricalBlock) -> Columns:
    """The columns of a block."""
    status, message = _statuses(block.count, block.nulls, block.present > 0)
    return {
        **_common(block),
        "num_empty": pa.array(block.empty),
        "min_length": numbers(block.min_length),
        "max_length": numbers(block.max_length),
        "avg_length": numbers(block.avg_length),
        "frequent_items": categorical_items(block),
        "status": pa.array(status, pa.string()),
        "message": pa.array(message, pa.string()),
    }


def _table(state: TableState, names: Sequence[str]) -> dict[str, Any]:
    filled = [names[i] for i in np.flatnonzero(state.present).tolist()] if names else None
    messages = [f"{counted(state.null_ids, 'row has', 'rows have')} no id."] if state.null_ids else []
    if not state.count:
        return {"count": 0, "non_null_columns": filled, "status": "EMPTY", "message": MESSAGES["EMPTY"]}
    return {"count": state.count, "non_null_columns": filled, "status": "OK", "message": " ".join(messages) or None}


def _common(block: NumericBlock | CategoricalBlock) -> Columns:
    return {
        "count": pa.array(block.count),
        "num_nulls": pa.array(block.nulls),
        "distinct_count": pa.array(block.distinct_count),
        "percent_null": percents(block.nulls, block.count),
        "percent_distinct": percents(block.distinct_count, block.count),
    }


def _statuses(count: Integers, nulls: Integers, defined: npt.NDArray[np.bool_]) -> tuple[Any, Any]:
    cases = [defined, count == 0, nulls == count]
    status = np.select(cases, ["OK", "EMPTY", "ALL_NULL"], "NO_FINITE").astype(object)
    return status, np.array([MESSAGES.get(text) for text in status.tolist()], dtype=object)


def numbers(values: npt.NDArray[np.float64]) -> pa.Array:
    """Doubles, NULL where they are not finite."""
    return pa.array(values, mask=~np.isfinite(values))


def percents(part: Integers, whole: Integers) -> pa.Array:
    """100 part / whole, NULL without a whole.

    >>> percents(np.array([1, 0]), np.array([4, 0])).to_pylist()
    [25.0, None]
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return numbers(100.0 * part / whole)
