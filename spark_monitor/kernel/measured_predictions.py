"""The model's predictions, classes and scores, against the baseline's, as measurements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from spark_monitor.catalogue.interval import Interval
from spark_monitor.catalogue.metric import Metric, metric_of
from spark_monitor.distances.prediction_shift import prediction_shift
from spark_monitor.kernel.measured_drift import MeasuredDrift, measured_pairs
from spark_monitor.kernel.pairs import BASELINE, Pairs, chunks
from spark_monitor.kernel.state_rows import Block

METRIC: Metric = metric_of(prediction_shift)


class MeasuredPredictions(MeasuredDrift):
    """Measures each state of a sorted stream of the model's predictions against its baseline."""

    def batches(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """A measurement of every state."""
        for chunk in chunks(batches):
            yield from self.compared(chunk)

    def _distances(self, chunk: pa.RecordBatch, pairs: Pairs, sides: tuple[Block, Block]) -> Iterator[pa.RecordBatch]:
        if pairs.drift_type == BASELINE:
            yield measured_pairs(chunk, pairs, METRIC, lambda: METRIC.compute(*sides), sides[1].count)

    def _batch(
        self, chunk: pa.RecordBatch, pairs: Pairs, columns: Mapping[str, Any], status: Any, message: Any
    ) -> pa.RecordBatch:
        """Pairs that have no number, and why."""
        size = pairs.current.size
        interval = Interval(np.full(size, np.nan), status=list(status), message=list(message))
        return measured_pairs(chunk, pairs, METRIC, lambda: interval, chunk.column("count").take(pa.array(pairs.current)))
