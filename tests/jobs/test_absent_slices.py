"""Slice values that the baseline has and a window has not: rows with a status, held against pandas."""

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

START = datetime(2024, 1, 1, tzinfo=UTC)
ROWS = 300
DAYS = 4


def made() -> pd.DataFrame:
    """Four days: on the second no `us` of version 2, on the third no version 2, on the fourth only `us`."""
    random = np.random.default_rng(11)
    day = np.repeat(np.arange(DAYS), ROWS)
    rows = pd.DataFrame(
        {
            "id": np.arange(day.size),
            "day": day,
            "at": pd.Timestamp(START) + pd.to_timedelta(day * 86_400 + random.integers(0, 86_400, day.size), unit="s"),
            "version": random.choice(["1", "2"], day.size),
            "region": random.choice(["eu", "us", "it's", None], day.size),
            "kind": random.choice(["a", "other"], day.size),
            "late": np.where(day == 0, random.choice(["p", "q"], day.size), random.choice(["p", "other"], day.size)),
            "city": [f"city {number}" for number in random.integers(0, 9, day.size)],
            "x": random.normal(size=day.size),
        }
    )
    gone = (rows["day"] == 1) & (rows["version"] == "2") & (rows["region"] == "us")
    gone |= (rows["day"] == 2) & (rows["version"] == "2")
    gone |= (rows["day"] == 3) & ((rows["region"] != "us") | (rows["x"] > 1) | (rows["kind"] != "a"))
    return rows[~gone]


@pytest.mark.slow
def test_a_slice_of_the_baseline_without_rows_is_said_to_be_empty_and_judged(spark: SparkSession, tmp_path: Path) -> None:
    rows = made()
    (tmp_path / "rows").mkdir()
    table = pa.Table.from_pandas(rows.drop(columns="day"), preserve_index=False)
    pq.write_table(table, tmp_path / "rows" / "part.parquet", coerce_timestamps="us")
    path = tmp_path / "absent.yaml"
    path.write_text(
        f"""
monitor: absent
model: {{name: absent, task: none}}
predictions: {{path: "{tmp_path}/rows", format: parquet, id: id, time: at, model_version: version}}
windows: {{every: 1 day}}
slices: [region, city, kind, late, x > 1]
max_slice_values: 8
rules: [{{metric: count, columns: [":table"], fail: "< 1"}}]
outputs: {{path: "{tmp_path}/out"}}
""",
        encoding="utf-8",
    )
    Monitor.load(path).run(spark, as_of=datetime(2024, 1, 1 + DAYS, tzinfo=UTC))

    rows["x > 1"] = (rows["x"] > 1).map({True: "true", False: "false"})
    expected = set()
    for (day, version), window in rows.groupby(["day", "version"]):
        for key in ("region", "x > 1"):
            frozen, now = (set(part[key].dropna()) for part in (rows[rows["day"] == 0], window))
            # Of cities there are too many; `other` stands for several of the baseline's kinds, and of a window's late ones.
            expected |= {(day, version, key, value) for value in frozen - now}
    assert len(expected) > 5
    profile = at_days(DeltaTable(f"{tmp_path}/out/profile_metrics").to_pandas())
    absent = profile[(profile["status"] == "EMPTY") & profile["slice_key"].notna()]
    assert slices(absent) == expected
    assert (absent["count"] == 0).all()
    assert (absent["column_name"] == ":table").all()
    assert set(absent["message"]) == {"No rows of this slice in this window; baseline 1 has some."}
    checks = at_days(DeltaTable(f"{tmp_path}/out/checks").to_pandas())
    assert slices(checks[(checks["verdict"] == "FAIL") & checks["slice_key"].notna()]) == expected


def at_days(frame: pd.DataFrame) -> pd.DataFrame:
    starts = pd.to_datetime([window["start"] for window in frame["window"]], utc=True)
    return frame.assign(day=(starts - pd.Timestamp(START)).days)


def slices(frame: pd.DataFrame) -> set[tuple[object, ...]]:
    named = frame.assign(slice_value=frame["slice_value"].fillna("NULL"))
    return set(named[["day", "model_version", "slice_key", "slice_value"]].itertuples(index=False, name=None))
