"""Pairs of states in, columns of ``drift_metrics`` out. What has no value is NULL, with a status and a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from spark_monitor.catalogue.interval import Floats, Interval
from spark_monitor.catalogue.metric import Metric
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.distances.bins import Block, has_bins, same_grid
from spark_monitor.distances.result import Column, Distance
from spark_monitor.states.categorical import CategoricalState
from spark_monitor.states.categorical_block import CategoricalBlock
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.numeric_block import NumericBlock

OK = "OK"
KEPT = "count_delta"
"""What is reported even where one side has no rows."""

NO_BASELINE = "NO_BASELINE", "There is no row to compare with."
EMPTY = "EMPTY", "There are no rows."
BEFORE_ALL_NULL = "ALL_NULL", "What it is compared with has no finite value, so KS and Wasserstein are undefined."
NOW_ALL_NULL = "ALL_NULL", "There is no finite value, so KS and Wasserstein are undefined."
NO_GRID = "OK", "The column has no grid of a baseline, so only KS can be given."
OTHER_GRIDS = "OK", "The two states are on different grids, so only KS can be given, from sketches."
NOTHING_COMMON = "UNSUPPORTED", "The two states are on different grids and have no sketches, so no distance can be given."
ROUNDED = "OK", "Values beyond 15 digits are rounded to the nearest double, so the bounds leave open what lies behind equal ones."
OTHER_TEXTS = "UNSUPPORTED", "The two states count different categories, so no distance can be given."
NO_TEXTS = "UNSUPPORTED", "The column has no categories of a baseline, so no distance can be given."
BEFORE_NULLS = "ALL_NULL", "What it is compared with has only nulls."
NOW_NULLS = "ALL_NULL", "There are only nulls."
Masks = list[tuple[npt.NDArray[np.bool_], tuple[str, str]]]


@dataclass(frozen=True, eq=False)
class Compared:
    """Of S pairs: the numbers by their columns of ``drift_metrics``, and why some are undefined."""

    columns: Mapping[str, Column]
    status: npt.NDArray[np.object_]
    message: npt.NDArray[np.object_]


def drift_entries(kind: str) -> tuple[Metric, ...]:
    """The distances that a kind of column has: numeric or categorical."""
    return tuple(metric for metric in catalogue().of("drift", dataset="predictions") if {kind, "any"} & set(metric.columns))


def with_columns(metrics: tuple[Metric, ...]) -> tuple[Metric, ...]:
    """Those that have a column of their own in ``drift_metrics``; the others are rows of ``metrics``."""
    return tuple(metric for metric in metrics if metric.databricks_column is not None)


def compared(baseline: Block, current: Block, metrics: Sequence[Metric] | None = None) -> Compared:
    """The columns of drift_metrics for S pairs of states; deltas are current - baseline.

    ``metrics`` are those to compute: without any, every one that has a column.

    KS and Wasserstein are over finite values; the other distances over the baseline's bins, in which NULL, NaN and values out of
    range have their own.
    """
    columns: dict[str, Column] = {}
    for metric in with_columns(drift_entries(current.kind)) if metrics is None else metrics:
        columns |= columns_of(metric, metric.compute(baseline, current))
    cases = [(baseline.count == 0, NO_BASELINE), (current.count == 0, EMPTY)]
    nothing = cases[0][0] | cases[1][0]
    columns = {name: column if name == KEPT else _without(column, nothing) for name, column in columns.items()}
    status, message = status_and_message([*cases, *_gaps(baseline, current)], len(current))
    return Compared(columns, status, message)


def columns_of(metric: Metric, result: Any) -> dict[str, Column]:
    """A distance's columns of drift_metrics: those it names itself, or its value in the column that the metric has."""
    if isinstance(result, Distance) and result.columns:
        return dict(result.columns)
    assert metric.databricks_column is not None
    return {metric.databricks_column: Interval.of(result).value}


def status_and_message(cases: Masks, states: int) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    """Status and sentence of the first case that holds for each state; OK where none does."""
    status, message = np.full(states, OK, dtype=object), np.full(states, None, dtype=object)
    for holds, (text, sentence) in reversed(cases):
        status[holds], message[holds] = text, sentence
    return status, message


def _gaps(baseline: Block, current: Block) -> Masks:
    """The status and the sentence for what could not be computed."""
    usable, states = has_bins(baseline, current), len(current)
    if isinstance(baseline, NumericBlock) and isinstance(current, NumericBlock):
        same = np.full(states, same_grid(baseline, current))
        sketches = zip(baseline.sketches, current.sketches, strict=True)
        sketched = np.array([one is not None and other is not None for one, other in sketches], dtype=np.bool_)
        return [
            (baseline.finite == 0, BEFORE_ALL_NULL),
            (current.finite == 0, NOW_ALL_NULL),
            (usable & (baseline.is_rounded | current.is_rounded), ROUNDED),
            (~usable & same, NO_GRID),
            (~usable & ~same & sketched, OTHER_GRIDS),
            (~usable & ~same, NOTHING_COMMON),
        ]
    assert isinstance(baseline, CategoricalBlock)
    assert isinstance(current, CategoricalBlock)
    same = np.full(states, baseline.categories.categories_id == current.categories.categories_id)
    return [
        (~same, OTHER_TEXTS),
        (baseline.count == baseline.nulls, BEFORE_NULLS),
        (~usable, NO_TEXTS),
        (current.count == current.nulls, NOW_NULLS),
    ]


def _without(column: Column, nothing: npt.NDArray[np.bool_]) -> Column:
    if isinstance(column, Mapping):
        return {name: np.where(nothing, np.nan, part) for name, part in column.items()}
    return np.where(nothing, np.nan, column)


def compare_numeric(baseline: NumericState, current: NumericState) -> dict[str, Any]:
    """The columns of drift_metrics for two numeric states.

    >>> from spark_monitor.states.numeric import profile_column
    >>> from spark_monitor.states.grid import Grid
    >>> grid = Grid.of(np.arange(100.0))
    >>> row = compare_numeric(profile_column(np.arange(100.0), grid), profile_column(np.arange(50.0, 150.0), grid))
    >>> row["ks_test"]["statistic"], row["avg_delta"], row["wasserstein_distance"], row["tv_distance"], row["status"]
    (0.5, 50.0, 50.0, 0.5, 'OK')
    """
    return _row(compared(NumericBlock.of([baseline]), NumericBlock.of([current])))


def compare_categorical(baseline: CategoricalState, current: CategoricalState) -> dict[str, Any]:
    """The columns of drift_metrics for two categorical states: bins are the baseline's categories, other strings, and NULL.

    KS and Wasserstein need an order and are missing; the distances on bins are None where the two count different categories.
    """
    return _row(compared(CategoricalBlock.of([baseline]), CategoricalBlock.of([current])))


def _row(compared: Compared) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, column in compared.columns.items():
        if isinstance(column, Mapping):
            parts = {part: _number(values) for part, values in column.items()}
            row[name] = None if None in parts.values() else parts
        else:
            row[name] = _number(column)
    return {**row, "status": compared.status[0], "message": compared.message[0]}


def _number(values: Floats) -> float | None:
    number = float(values[0])
    return number if isfinite(number) else None
