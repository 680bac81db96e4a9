"""A session's own settings change no number: ANSI, the time zone, case-sensitive names, in both readers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from spark_monitor import Monitor
from spark_monitor.session import setting

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROWS = 1_500
START = np.datetime64("2024-03-01", "us")
AS_OF = dt.datetime(2024, 3, 22, tzinfo=dt.UTC)
ANSI, ZONE, CASE = "spark.sql.ansi.enabled", "spark.sql.session.timeZone", "spark.sql.caseSensitive"
USUAL = {ANSI: "true", ZONE: "UTC", CASE: "false"}
CASES: Mapping[str, Mapping[str, str]] = {
    "ANSI off": {ANSI: "false"},
    "half an hour ahead": {ZONE: "Asia/Kolkata"},
    "half an hour behind": {ZONE: "America/St_Johns"},
    "case-sensitive": {CASE: "true"},
    "all": {ANSI: "false", ZONE: "America/St_Johns", CASE: "true"},
}
TABLES = ("profile_states", "profile_metrics", "drift_metrics", "model_metrics", "metrics", "checks", "incidents", "baselines")
CLOCKS = ["run_id", "notified_at"]
Read = Callable[[str], Mapping[str, pd.DataFrame]]


def made(directory: Path) -> Path:
    """Three weeks whose columns are of every type that has to do with time, with names in both cases."""
    random = np.random.default_rng(29)
    at = START + np.sort(random.integers(0, 21 * 86_400 * 10**6, ROWS)).astype("timedelta64[us]")
    utc = pa.timestamp("us", "UTC")
    signed_up = START - random.integers(0, 400 * 86_400 * 10**6, ROWS).astype("timedelta64[us]")
    columns = {
        "id": pa.array(np.arange(ROWS)),
        "At": pa.array(at).cast(utc),
        "Version": pa.array(random.choice(["1", "2"], ROWS)),
        "Score": pa.array(random.random(ROWS)),
        "Amount": pa.array([Decimal(int(cents)) / 100 for cents in random.integers(0, 99_999, ROWS)], pa.decimal128(12, 2)),
        "Signed Up": pa.array(signed_up).cast(utc),
        "Local": pa.array(signed_up),
        "Day": pa.array(signed_up.astype("datetime64[D]")),
        "Code": pa.array(random.choice(["12", "7.5", "n/a", "", None], ROWS)),
        "Country": pa.array(random.choice(["de", "DE", "fr"], ROWS)),
    }
    for name in ("rows", "labels"):
        (directory / name).mkdir()
    pq.write_table(pa.table(columns), directory / "rows" / "part.parquet")
    labels = {"id": columns["id"], "Truth": pa.array(random.random(ROWS) < 0.4), "Known": pa.array(at + np.timedelta64(1, "D"))}
    pq.write_table(pa.table(labels), directory / "labels" / "part.parquet")
    return directory


def monitor(directory: Path, out: str) -> Monitor:
    path = directory / f"{out}.yaml"
    path.write_text(
        f"""
monitor: settings
model: {{name: settings, task: binary}}
predictions: {{path: "{directory}/rows", format: parquet, id: id, time: At, model_version: Version, score: Score}}
labels: {{path: "{directory}/labels", format: parquet, id: id, label: Truth, time: Known, horizon: 3 days}}
baseline: {{path: "{directory}/rows", format: parquet, where: "At < '2024-03-08 00:00:00+00:00'", labels: true}}
windows: {{every: 1 week, lookback: 30 days}}
slices: [Country, "hour(At) >= 12", "`Signed Up` < TIMESTAMP '2023-09-01 03:00:00'", "Day < '2023-07-01'", "Amount > 500"]
metrics:
  - {{name: mean_amount, sql: "avg(Amount)"}}
  - {{name: evenings, sql: "count_if(hour(At) >= 18) / count(*)"}}
  - {{name: codes, sql: "avg(try_cast(Code AS DOUBLE))"}}
rules:
  - {{metric: ks, columns: "*", fail: 0.05}}
outputs: {{path: "{directory}/{out}"}}
""",
        encoding="utf-8",
    )
    return Monitor.load(path)


@pytest.fixture(scope="module", params=["files", "spark"])
def written(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Read:
    """The tables that a run writes under some settings."""
    directory = made(tmp_path_factory.mktemp(request.param))

    @cache
    def run(case: str) -> Mapping[str, pd.DataFrame]:
        out = case.replace(" ", "-")
        with ExitStack() as settings:
            for name, value in {**USUAL, **CASES.get(case, {})}.items():
                settings.enter_context(setting(spark, name, value))
            result = monitor(directory, out).run(spark, as_of=AS_OF, reader=request.param)
        assert result.status == "COMMITTED"
        return {table: in_order(DeltaTable(str(directory / out / table)).to_pandas()) for table in TABLES}

    return run


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Every value in full, without what a clock or a draw decides."""
    plain = frame.drop(columns=CLOCKS, errors="ignore").map(
        lambda value: repr(value.tolist() if isinstance(value, np.ndarray) else value)
    )
    return plain.sort_values(list(plain.columns)).reset_index(drop=True)


@pytest.mark.parametrize("case", CASES)
def test_the_tables_are_those_of_a_session_in_utc_with_ansi(written: Read, case: str) -> None:
    usual, other = written("usual"), written(case)
    assert min(len(usual[table]) for table in TABLES if table != "incidents") > 0
    for table in TABLES:
        pd.testing.assert_frame_equal(usual[table], other[table], obj=table)
