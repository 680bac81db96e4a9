"""Distances that have no column of ``drift_metrics``, such as those of plug-ins: measurements for the table ``metrics``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from spark_monitor.catalogue.interval import Interval
from spark_monitor.catalogue.measurement import DIMENSIONS, MEASUREMENT_SCHEMA
from spark_monitor.catalogue.metric import Metric
from spark_monitor.distances.compare import drift_entries
from spark_monitor.kernel.comparison import Comparison, arrow_numbers
from spark_monitor.kernel.pairs import BASELINE, Pairs, chunks
from spark_monitor.kernel.state_rows import Block

BASIS = "baseline"


def untabled(kind: str, tabled: Iterable[str]) -> tuple[Metric, ...]:
    """The distances of a kind of column that are rows of ``metrics``."""
    return tuple(metric for metric in drift_entries(kind) if metric.name not in set(tabled))


class MeasuredDrift(Comparison):
    """Measures each state of a sorted stream against its baseline by the distances that have no column."""

    def batches(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The measurements of batches of states; a pair that ``drift_metrics`` says cannot be compared has none."""
        for chunk in chunks(batches):
            yield from (out for out in self.compared(chunk) if out.schema.equals(MEASUREMENT_SCHEMA))

    def _tables(self, chunk: pa.RecordBatch, pairs: Any) -> pa.RecordBatch:
        return self._batch(chunk, Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), BASELINE), {}, [], [])

    def _distances(self, chunk: pa.RecordBatch, pairs: Pairs, sides: tuple[Block, Block]) -> Iterator[pa.RecordBatch]:
        if pairs.drift_type == BASELINE:
            for metric in untabled(sides[1].kind, self._plan.metrics):
                yield measured_pairs(chunk, pairs, metric, partial(metric.compute, *sides), sides[1].count)


def measured_pairs(chunk: pa.RecordBatch, pairs: Pairs, metric: Metric, compute: Callable[[], Any], count: Any) -> pa.RecordBatch:
    """One metric of all pairs; whatever somebody else's function raises is the status of its rows."""
    size = pairs.current.size
    try:
        interval = Interval.of(compute())
        status = interval.statuses
        message = np.full(size, None, dtype=object) if interval.message is None else np.array(interval.message, dtype=object)
        if status.shape != (size,):
            raise ValueError(f"gives {status.size} values for {size} states")
    except Exception as error:
        interval, status = Interval(np.full(size, np.nan)), np.full(size, "ERROR", dtype=object)
        message = np.full(size, f"{metric.name} failed: {type(error).__name__}: {error}", dtype=object)
    numbers = {"value": interval.value, "lower": interval.lower, "upper": interval.upper, "value_error": interval.value_error}
    constants = {"dataset": metric.dataset, "family": metric.family, "metric": metric.name, "unit": metric.unit, "basis": BASIS}
    given: dict[str, Any] = {
        **{name: chunk.column(name).take(pa.array(pairs.current)) for name in (*DIMENSIONS, "column_name")},
        **{name: pa.array([text] * size, pa.string()) for name, text in constants.items()},
        **{name: arrow_numbers(values) for name, values in numbers.items() if values is not None},
        "count": count if isinstance(count, pa.Array) else pa.array(count),
        "status": pa.array(status, pa.string()),
        "message": pa.array(message, pa.string()),
    }
    arrays = [given[one.name] if one.name in given else pa.nulls(size, one.type) for one in MEASUREMENT_SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=MEASUREMENT_SCHEMA)
