"""A state as the numbers that people read: the columns of one row of ``profile_metrics``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from spark_monitor.states.categorical import CategoricalState
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.quantiles import PERCENTILES, quantiles
from spark_monitor.states.table import TableState

EXACT_INTEGER = 2.0**53
# Below this the squares of some deviations have fewer digits than a double, or none.
LEAST_M2 = 1e-290
MESSAGES = {
    "EMPTY": "No rows in this window.",
    "ALL_NULL": "Every row is null.",
    "NO_FINITE": "No finite value: every row is null, NaN or infinite.",
}


def present(state: NumericState | CategoricalState | TableState, names: Sequence[str] = ()) -> dict[str, Any]:
    """The numbers of a state; what is undefined is None, and the status says why. ``names`` are a table's columns.

    >>> from spark_monitor.states.numeric import profile_column
    >>> row = present(profile_column([1.0, 2.0], nulls=2))
    >>> row["count"], row["percent_null"], row["avg"], row["status"]
    (4, 50.0, 1.5, 'OK')
    """
    if isinstance(state, TableState):
        return _table(state, names)
    return _numeric(state) if isinstance(state, NumericState) else _categorical(state)


def _numeric(state: NumericState) -> dict[str, Any]:
    values, rank_error = quantiles(state)
    defined = state.finite > 0
    infinities = state.positive_infinities + state.negative_infinities
    row: dict[str, Any] = {
        "num_nan": state.nans,
        "num_inf": infinities,
        "num_zeros": state.zeros,
        "avg": _number(state.mean),
        "stddev": _number(state.stddev),
        "min": _number(state.minimum),
        "max": _number(state.maximum),
        "median": _number(values[PERCENTILES // 2]),
        "quantiles": values.tolist() if defined else None,
        "rank_error": rank_error if defined else None,
        "frequent_items": [{"item": _text(item), "count": count} for item, count in state.frequent_items],
        "percent_nan": _percent(state.nans, state.count),
        "percent_zeros": _percent(state.zeros, state.count),
    }
    status, message = _status(state.count, state.nulls, defined)
    if status == "OK":
        message = _numeric_message(state)
    return {**_common(state.count, state.nulls, state.distinct_count), **row, "status": status, "message": message}


def _numeric_message(state: NumericState) -> str | None:
    if state.finite == 1:
        return "One finite value: the standard deviation is undefined."
    if not math.isfinite(state.m2):
        return "The values are spread so far that the sum of their squares exceeds the largest double: no standard deviation."
    if state.minimum < state.maximum and state.m2 < LEAST_M2:
        return "The values are so close together that their standard deviation is rounded towards 0."
    if max(abs(state.minimum), abs(state.maximum)) > EXACT_INTEGER:
        return "Whole numbers beyond 2^53 are rounded to the nearest double."
    return None


def _categorical(state: CategoricalState) -> dict[str, Any]:
    defined = state.present > 0
    row: dict[str, Any] = {
        "num_empty": state.empties,
        "min_length": state.min_length if defined else None,
        "max_length": state.max_length if defined else None,
        "avg_length": _number(state.avg_length),
        "frequent_items": [{"item": item, "count": count} for item, count in state.frequent_items],
    }
    status, message = _status(state.count, state.nulls, defined)
    return {**_common(state.count, state.nulls, state.distinct_count), **row, "status": status, "message": message}


def _table(state: TableState, names: Sequence[str]) -> dict[str, Any]:
    filled = [names[i] for i in np.flatnonzero(state.present).tolist()] if names else None
    messages = [f"{state.null_ids} rows have no id."] if state.null_ids else []
    if not state.count:
        return {"count": 0, "non_null_columns": filled, "status": "EMPTY", "message": MESSAGES["EMPTY"]}
    return {"count": state.count, "non_null_columns": filled, "status": "OK", "message": " ".join(messages) or None}


def _common(count: int, nulls: int, distinct: int) -> dict[str, Any]:
    return {
        "count": count,
        "num_nulls": nulls,
        "distinct_count": distinct,
        "percent_null": _percent(nulls, count),
        "percent_distinct": _percent(distinct, count),
    }


def _status(count: int, nulls: int, defined: bool) -> tuple[str, str | None]:
    if defined:
        return "OK", None
    status = "EMPTY" if not count else "ALL_NULL" if nulls == count else "NO_FINITE"
    return status, MESSAGES[status]


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _percent(part: int, whole: int) -> float | None:
    return 100.0 * part / whole if whole else None


def _text(value: float) -> str:
    """A number as a person writes it: no point where it is whole.

    >>> _text(3.0), _text(0.1)
    ('3', '0.1')
    """
    return str(int(value)) if value == int(value) and abs(value) < EXACT_INTEGER else repr(value)
