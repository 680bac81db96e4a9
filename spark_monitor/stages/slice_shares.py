"""Shares of slices against the baseline's: rows of ``metrics`` from the counts that profiles hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.catalogue.measurement import DIMENSIONS, MEASUREMENT_DDL
from spark_monitor.catalogue.metric import Metric, metric_of
from spark_monitor.quality.slice_share import ShareBlock, slice_share_shift
from spark_monitor.stages.quality_columns import batch_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

METRIC: Metric = metric_of(slice_share_shift)
_WHOLE = ("granularity", "start", "end", "model_version")
_SLICE = ("slice_key", "slice_value")


def share_measurements(profile: DataFrame, baseline: DataFrame) -> DataFrame:
    """Rows of MEASUREMENT_DDL for every slice of ``profile`` (rows of profile_metrics) whose key the ``baseline`` has."""
    tables = profile.where((F.col("column_name") == TABLE_ROW) & F.col("count").isNotNull())
    whole = tables.where("slice_key IS NULL").select(*_WHOLE, F.col("count").alias("whole"))
    slices = tables.where("slice_key IS NOT NULL").select(*_WHOLE, *_SLICE, "count")
    same = [F.col(f"s.{name}").eqNullSafe(F.col(f"w.{name}")) for name in _WHOLE]
    joined = slices.alias("s").join(F.broadcast(whole.alias("w")), on=same, how="inner").select("s.*", "w.whole")
    frozen = baseline.where(F.col("column_name") == TABLE_ROW).select(*_SLICE, F.col("count").alias("baseline_count"))
    total = frozen.where("slice_key IS NULL").select(F.col("baseline_count").alias("baseline_whole"))
    sliced_baseline = frozen.where("slice_key IS NOT NULL")
    keys = sliced_baseline.select("slice_key").distinct()
    sliced = [F.col(f"j.{name}").eqNullSafe(F.col(f"b.{name}")) for name in _SLICE]
    rows = joined.join(F.broadcast(keys), on="slice_key", how="left_semi").alias("j")
    beside = rows.join(F.broadcast(sliced_baseline.alias("b")), on=sliced, how="left").select("j.*", "b.baseline_count")
    return beside.join(F.broadcast(total), how="cross").mapInArrow(_measured, MEASUREMENT_DDL)


def _measured(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:

        def numbers(name: str, batch: pa.RecordBatch = batch) -> np.ndarray:
            return np.asarray(batch.column(name).fill_null(0), dtype=np.int64)

        interval = slice_share_shift(
            ShareBlock(numbers("count"), numbers("whole")), ShareBlock(numbers("baseline_count"), numbers("baseline_whole"))
        )
        tables = pa.array([TABLE_ROW] * batch.num_rows, pa.string())
        places = pa.RecordBatch.from_arrays(
            [*(batch.column(name) for name in DIMENSIONS), tables], names=[*DIMENSIONS, "column_name"]
        )
        yield batch_of(METRIC, interval, places, "BASELINE")
