"""A slice key with more values than a monitor tells apart."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from spark_monitor import Monitor

pytestmark = pytest.mark.slow

START = datetime(2024, 1, 1, tzinfo=UTC)
MOST = 4


def test_the_less_frequent_slice_values_are_counted_together_and_said_to_be(spark: SparkSession, tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    names = np.array([f"city {number}" for number in range(12)])
    city = np.repeat(names, np.arange(12, 0, -1) * 10)
    at = (
        np.datetime64(START.replace(tzinfo=None), "us") + random.integers(0, 86_400, city.size) * np.timedelta64(1, "s")
    ).astype("datetime64[us]")
    frame = pd.DataFrame({"city": city, "few": random.choice(["p", "q"], city.size), "x": random.normal(size=city.size)})
    table = {name: pa.array(frame[name]) for name in frame} | {"id": pa.array(np.arange(city.size))}
    (tmp_path / "predictions").mkdir()
    pq.write_table(
        pa.table({**table, "at": pa.array(at).cast(pa.timestamp("us", "UTC"))}), tmp_path / "predictions" / "part.parquet"
    )
    path = tmp_path / "cities.yaml"
    path.write_text(
        f"""
monitor: cities
model: {{name: cities, task: none}}
predictions:
  {{path: "{tmp_path}/predictions", format: parquet, id: id, time: at, model_version: {{literal: "1"}}}}
windows: {{every: 1 day}}
slices: [city, few]
max_slice_values: {MOST}
task_memory: 64 MiB
outputs: {{path: "{tmp_path}/out"}}
""",
        encoding="utf-8",
    )
    Monitor.load(path).run(spark, as_of=datetime(2024, 1, 2, tzinfo=UTC))
    found = DeltaTable(f"{tmp_path}/out/profile_metrics").to_pandas()
    expected = frame["city"].where(frame["city"].isin(names[:MOST]), "other")
    sliced = found[(found["slice_key"] == "city") & (found["column_name"] == "x")].set_index("slice_value")
    assert sliced["count"].to_dict() == frame.groupby(expected)["x"].size().to_dict()
    pd.testing.assert_series_equal(
        sliced["avg"].sort_index(), frame.groupby(expected)["x"].mean(), check_names=False, check_index_type=False
    )
    tables = found[(found["column_name"] == ":table") & found["slice_key"].notna()].set_index(["slice_key", "slice_value"])
    capped = tables[tables["status"] == "CAPPED"]
    assert capped.index.tolist() == [("city", "other")]
    assert f"more than {MOST} values" in capped["message"].iloc[0]
    assert set(found.loc[found["slice_key"] == "few", "slice_value"]) == {"p", "q"}
