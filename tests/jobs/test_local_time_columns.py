"""A prediction table whose times are dates or local times: what is frozen, read and counted are the rows of the windows alone."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession
from scipy.stats import ks_2samp

from spark_monitor import Monitor

FIRST = dt.datetime(2024, 3, 29)
"""A Friday; that Sunday Berlin's clocks skip an hour."""

DAYS, DUE = 7, 4
AS_OF = dt.datetime(2024, 4, 1, 22, tzinfo=dt.UTC)
"""The end of the fourth local day."""


def made(kind: str) -> tuple[pd.DataFrame, pa.Table]:
    """Each row's local day and number, and the table that is monitored."""
    random = np.random.default_rng(17)
    seconds = np.sort(random.integers(0, DAYS * 86_400, 3_000))
    at = np.datetime64(FIRST, "us") + seconds * np.timedelta64(1, "s")
    day = at.astype("datetime64[D]")
    table = pd.DataFrame({"id": np.arange(at.size), "day": day.astype("datetime64[us]"), "x": random.normal(seconds / 86_400)})
    columns = {name: pa.array(table[name]) for name in ("id", "x")}
    times = pa.array(day, pa.date32()) if kind == "date" else pa.array(at, pa.timestamp("us"))
    return table, pa.table({**columns, "at": times})


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["date", "local time"])
def test_rows_of_other_days_are_neither_frozen_nor_read(spark: SparkSession, tmp_path: Path, kind: str) -> None:
    table, stored = made(kind)
    (tmp_path / "rows").mkdir()
    pq.write_table(stored, tmp_path / "rows" / "part.parquet", row_group_size=500)
    path = tmp_path / "local.yaml"
    path.write_text(
        f"""
monitor: local
model: {{name: local, task: none}}
predictions: {{path: "{tmp_path}/rows", format: parquet, id: id, time: at, model_version: {{literal: "1"}}}}
windows: {{every: 1 day, zone: Europe/Berlin}}
outputs: {{path: "{tmp_path}/out"}}
""",
        encoding="utf-8",
    )
    Monitor.load(path).run(spark, as_of=AS_OF)
    days = [np.datetime64(FIRST, "us") + np.timedelta64(day, "D") for day in range(DUE)]
    own = {day: table.loc[table["day"] == day, "x"] for day in days}
    many = [values.size for values in own.values()]

    frozen = DeltaTable(f"{tmp_path}/out/baselines").to_pandas()
    assert frozen["rows"].unique().tolist() == [many[0]]
    run = DeltaTable(f"{tmp_path}/out/runs").to_pandas().iloc[0]
    assert (run["status"], run["rows_in"], run["reader"]) == ("COMMITTED", sum(many), "files")
    profile = DeltaTable(f"{tmp_path}/out/profile_metrics").to_pandas()
    found = in_order(profile[profile["column_name"] == "x"])
    assert found["count"].tolist() == many
    np.testing.assert_allclose(found["avg"], [values.mean() for values in own.values()], rtol=1e-12)
    drift = DeltaTable(f"{tmp_path}/out/drift_metrics").to_pandas()
    compared = in_order(drift[(drift["drift_type"] == "BASELINE") & (drift["column_name"] == "x")])
    exact = [ks_2samp(own[days[0]], values).statistic for values in own.values()]
    assert exact[0] == 0 < min(exact[1:])
    assert (compared["ks_lower"] <= np.add(exact, 1e-12)).all()
    assert (compared["ks_upper"] >= np.subtract(exact, 1e-12)).all()
    assert compared["ks_test"].iloc[0]["statistic"] == 0


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values("window", key=lambda ranges: ranges.map(lambda one: one["start"]))
