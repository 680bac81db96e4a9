"""Stored covariance states that stream by, sorted by slice, the baseline's first: to measurements of pairs and of whole rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.catalogue.interval import Interval
from spark_monitor.catalogue.measurement import batch_of_measurements, measurements
from spark_monitor.catalogue.metric import Metric, metric_of
from spark_monitor.distances.correlation_shift import PairBlock, correlation_shift
from spark_monitor.distances.reconstruction import ErrorBlock, reconstruction_error, reconstruction_error_ratio
from spark_monitor.errors import StateError
from spark_monitor.states.covariance import CovarianceState
from spark_monitor.states.grid import Integers
from spark_monitor.text.quoting import crossed

MOST_PAIRS = 20
"""So many pairs of a window, version and slice have a row: those that moved most, and those that rules name."""

BASIS = "BASELINE"
ROWS_AT_ONCE = 32
NO_BASELINE = "NO_BASELINE", "The baseline holds no rows of this slice to compare with."
NO_PAIR = "UNDEFINED", "No two numeric columns have 30 rows with both values, or vary, here and in the baseline."
_SHIFT: Metric = metric_of(correlation_shift)
_ERRORS: tuple[Metric, ...] = (metric_of(reconstruction_error), metric_of(reconstruction_error_ratio))


@dataclass(frozen=True)
class CorrelationPlan:
    """The pairs that rules name, as their rows call them."""

    pairs: frozenset[str] = frozenset()


def pair_name(first: str, second: str) -> str:
    """What rows call a pair: its columns in the table's order.

    >>> pair_name("dep_delay", "arr_delay")
    'dep_delay, arr_delay'
    """
    return crossed((first, second))


def correlation_batches(batches: Iterable[pa.RecordBatch], plan: CorrelationPlan) -> Iterator[pa.RecordBatch]:
    """Measurements of batches that hold dimensions, ``is_current`` and ``sketch``, the state's bytes."""
    baseline: tuple[Any, CovarianceState | None] = (None, None)
    for batch in batches:
        held: list[tuple[Mapping[str, Any], CovarianceState]] = []
        for row in batch.to_pylist():
            slice_ = (row["slice_key"], row["slice_value"])
            if not row["is_current"] or slice_ != baseline[0]:
                yield from _measured(baseline[1], held, plan)
                held, baseline = [], (slice_, None if row["is_current"] else _opened(row["sketch"]))
            if row["is_current"]:
                state = _opened(row["sketch"])
                held += [(row, state)] if state is not None else []
            if len(held) >= ROWS_AT_ONCE:
                yield from _measured(baseline[1], held, plan)
                held = []
        yield from _measured(baseline[1], held, plan)


def _opened(data: bytes | None) -> CovarianceState | None:
    try:
        return CovarianceState.from_bytes(data or b"")
    except StateError:
        return None


def _measured(
    baseline: CovarianceState | None, held: Sequence[tuple[Mapping[str, Any], CovarianceState]], plan: CorrelationPlan
) -> Iterator[pa.RecordBatch]:
    if not held:
        return
    places, states = [row for row, _ in held], [state for _, state in held]
    if baseline is None:
        yield batch_of_measurements(
            row for metric in (*_ERRORS, _SHIFT) for row in _undefined(places, metric, NO_BASELINE, states)
        )
        return
    blocks = ErrorBlock.of(baseline, states)
    for metric in _ERRORS:
        rows = measurements(places, metric, metric.compute(*blocks), column_name=TABLE_ROW, basis=BASIS)
        yield batch_of_measurements(rows)
    for place, state in held:
        yield batch_of_measurements(_pairs(baseline, place, state, plan))


def _undefined(
    places: Sequence[Mapping[str, Any]], metric: Metric, reason: tuple[str, str], states: Sequence[CovarianceState]
) -> list[dict[str, Any]]:
    nothing = np.full(len(places), np.nan)
    status, message = ([text] * len(places) for text in reason)
    count = np.array([state.count for state in states], dtype=np.int64)
    interval = Interval(nothing, nothing, nothing, nothing, count, status, message)
    return measurements(places, metric, interval, column_name=TABLE_ROW, basis=BASIS)


def _pairs(
    baseline: CovarianceState, place: Mapping[str, Any], state: CovarianceState, plan: CorrelationPlan
) -> list[dict[str, Any]]:
    """A row for each of the pairs that moved most, by what is sure of it, and for those that rules name."""
    names = [name for name in baseline.names if name in state.names]
    first, second = np.triu_indices(len(names), 1)
    before, now = PairBlock.of(baseline.only(names)), PairBlock.of(state.only(names))
    shift = correlation_shift(before, now)
    called = [pair_name(names[one], names[other]) for one, other in zip(first.tolist(), second.tolist(), strict=True)]
    chosen = strongest(shift, np.array([name in plan.pairs for name in called], dtype=np.bool_))
    if not chosen.size:
        return _undefined([place], _SHIFT, NO_PAIR, [state])
    shifts = correlation_shift(before.take(chosen), now.take(chosen))
    rows = measurements([place] * chosen.size, _SHIFT, shifts, basis=BASIS)
    return [{**row, "column_name": called[number]} for row, number in zip(rows, chosen.tolist(), strict=True)]


def strongest(shift: Interval, wanted: np.ndarray, most: int = MOST_PAIRS) -> Integers:
    """The places of the pairs that have a row, the strongest first.

    >>> one = Interval(np.array([0.1, -0.9, np.nan]), np.array([-0.1, -1.2, np.nan]), np.array([0.3, -0.6, np.nan]))
    >>> strongest(one, np.array([False, False, True]), most=1).tolist()
    [1, 2]
    """
    assert shift.lower is not None
    assert shift.upper is not None
    sure = np.maximum(np.maximum(shift.lower, -shift.upper), 0.0)
    order = np.lexsort((-np.abs(shift.value), -sure))
    defined = order[np.isfinite(shift.value[order])]
    named = np.setdiff1d(np.flatnonzero(wanted), defined[:most])
    return np.asarray(np.concatenate([defined[:most], named]), dtype=np.int64)
