"""The demo's prediction and label tables as Delta, written once by Spark."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from spark_monitor.demo.data import FEATURES, NUMERIC, TEXT

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

WHOLE_NUMBERS = ("distance", "dep_hour", "day_of_week", "seats", "plane_year")
TIMESTAMP = pa.timestamp("us", tz="UTC")
PREDICTION_SCHEMA = pa.schema(
    [
        ("flight_id", pa.string()),
        ("predicted_at", TIMESTAMP),
        ("model_version", pa.string()),
        ("predicted", pa.int32()),
        ("probability", pa.float64()),
        *((name, pa.string()) for name in TEXT),
        *((name, pa.int32() if name in WHOLE_NUMBERS else pa.float64()) for name in NUMERIC),
    ]
)
LABEL_SCHEMA = pa.schema([("flight_id", pa.string()), ("arrived_late", pa.int32()), ("labelled_at", TIMESTAMP)])


def predictions(scored: Iterable[pd.DataFrame]) -> pa.Table:
    """The scored flights of all versions in the order they were predicted in."""
    rows = pd.concat([part[PREDICTION_SCHEMA.names] for part in scored])
    rows = rows.sort_values(["predicted_at", "flight_id", "model_version"], kind="stable")
    assert set(FEATURES) < set(rows.columns)
    return _arrow(rows, PREDICTION_SCHEMA)


def labels(rows: pd.DataFrame) -> pa.Table:
    """The label rows as Arrow."""
    return _arrow(rows, LABEL_SCHEMA)


def _arrow(rows: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """Missing values, NaN among them, become NULL: the source's NA is no number."""
    return pa.Table.from_pandas(rows, schema=schema, preserve_index=False).replace_schema_metadata(None)


def write_delta(spark: SparkSession, rows: pa.Table, path: Path) -> None:
    """Write a Delta table at ``path``, in place of what was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="staging-", dir=path.parent) as folder:
        staged = Path(folder, "rows.parquet")
        pq.write_table(rows, staged)
        spark.read.parquet(str(staged)).write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(str(path))
