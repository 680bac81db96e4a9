"""A table with everything that real tables hold by mistake: each column has a defined outcome, and none costs another."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from spark_monitor import ConfigError, Monitor
from spark_monitor.session import SUBSTITUTION, setting

pytestmark = pytest.mark.slow

ROWS = 400
START = dt.datetime(2024, 3, 25, tzinfo=dt.UTC)
AS_OF = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
VARIABLE = "${env:PATH}"
"""In its place Spark puts what every process knows, unless told not to."""
MEGABYTE = "x" * (1 << 20)
ODD = {
    "with space": "spaced",
    "dotted.name": "dotted",
    "back`tick": "ticked",
    "quo'te\"s": "quoted",
    "größe 温度": "foreign",
    VARIABLE: "substituted",
}


def table() -> pa.Table:
    """Two versions and a NULL one, four weeks around the change to summer time, of which the third is empty."""
    random = np.random.default_rng(3)
    week = np.repeat([0, 1, 3], ROWS // 3 + 1)[:ROWS]
    seconds = week * 7 * 86_400 + random.integers(0, 7 * 86_400, ROWS)
    times = [START + dt.timedelta(seconds=int(second)) for second in seconds]
    times[0] = None
    ids = [f"00{number}" for number in range(ROWS)]
    ids[1] = None
    normal = random.normal(size=ROWS)
    columns = {
        "id": pa.array(ids),
        "at": pa.array(times, pa.timestamp("us", "UTC")),
        "version": pa.array([None if number % 50 == 2 else str(number % 2) for number in range(ROWS)]),
        "prediction": pa.array(normal),
        **{name: pa.array(normal + 1) for name in ODD},
        "all null": pa.array([None] * ROWS, pa.float64()),
        "all nan": pa.array([float("nan")] * ROWS),
        "constant": pa.array([5.0] * ROWS),
        "infinite": pa.array(random.choice([np.inf, -np.inf, 1.0], ROWS)),
        "zeros": pa.array(random.choice([0.0, -0.0], ROWS)),
        "subnormal": pa.array(random.choice([5e-324, -5e-324, 1e-310], ROWS)),
        "enormous": pa.array(random.choice([1.7e308, -1.7e308], ROWS)),
        "beyond 2^53": pa.array(2**60 + random.integers(0, 1000, ROWS)),
        "decimal": pa.array([Decimal(int(number)) / 100 for number in random.integers(0, 999, ROWS)], pa.decimal128(20, 2)),
        "boolean": pa.array(random.random(ROWS) < 0.5),
        "date": pa.array([dt.date(2024, 1, 1) + dt.timedelta(days=int(day)) for day in random.integers(0, 99, ROWS)]),
        "local": pa.array((random.integers(0, 10**15, ROWS)), pa.timestamp("us")),
        "bytes": pa.array([bytes([number % 7]) * 200 for number in range(ROWS)]),
        "a megabyte": pa.array([MEGABYTE if number % 100 == 0 else "small" for number in range(ROWS)]),
        "variable": pa.array(random.choice([VARIABLE, "plain"], ROWS)),
        "many": pa.array([f"category {number}" for number in range(ROWS)]),
        "list": pa.array([None if number % 10 == 0 else [1] * (number % 4) for number in range(ROWS)], pa.list_(pa.int64())),
        "map": pa.array([[("k", 1)]] * ROWS, pa.map_(pa.string(), pa.int64())),
        "struct": pa.array([{"a": 1, "b": "x"}] * ROWS),
    }
    return pa.table(columns)


def monitor_file(directory: Path, *, zone: str = "Europe/Berlin", extra: str = "") -> Path:
    path = directory / "hostile.yaml"
    path.write_text(
        f"""
monitor: hostile
model: {{name: hostile, task: regression}}
predictions:
  {{path: "{directory}/rows", format: parquet, id: id, time: at, model_version: version, prediction: prediction}}
labels: {{path: "{directory}/labels", format: parquet, id: id, label: truth, time: known, horizon: 1 days}}
baseline: {{path: "{directory}/rows", format: parquet, where: "at < TIMESTAMP '2024-04-01 00:00:00Z'"}}
windows: {{every: 1 week, zone: {zone}}}
slices: ["with space", boolean, variable, "`dotted.name` > 1"]
rules:
  - {{metric: ks, fail: 0.5}}
{extra}
outputs: {{path: "{directory}/out 'put"}}
""",
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="module")
def profile(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    directory = tmp_path_factory.mktemp("hostile")
    rows = table()
    (directory / "rows").mkdir()
    pq.write_table(rows, directory / "rows" / "part.parquet")
    (directory / "labels").mkdir()
    ids = rows.column("id").to_pylist()
    truths = [Decimal(f"{value:.6f}") for value in rows.column("prediction").to_pylist()]
    known = pa.array([START] * ROWS, pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"id": ids, "truth": truths, "known": known}), directory / "labels" / "part.parquet")
    with setting(spark, SUBSTITUTION, "true"):  # as a session that somebody else began has it
        result = Monitor.load(monitor_file(directory)).run(spark, as_of=AS_OF)
        assert spark.conf.get(SUBSTITUTION) == "true"
    assert result.status == "COMMITTED"
    frame = DeltaTable(f"{directory}/out 'put/profile_metrics").to_pandas()
    frame["start"] = pd.to_datetime([edges["start"] for edges in frame.pop("window")], utc=True)
    frame.attrs["model_metrics"] = DeltaTable(f"{directory}/out 'put/model_metrics").to_pandas()
    frame.attrs["runs"] = DeltaTable(f"{directory}/out 'put/runs").to_pandas()
    frame.attrs["drift"] = DeltaTable(f"{directory}/out 'put/drift_metrics").to_pandas()
    return frame


def whole(profile: pd.DataFrame, column: str) -> pd.DataFrame:
    found = profile[(profile["column_name"] == column) & profile["slice_key"].isna() & (profile["status"] != "EMPTY")]
    assert len(found)
    return found


def test_every_column_is_profiled_in_every_window_and_version(profile: pd.DataFrame) -> None:
    names = [name for name in table().column_names if name not in ("id", "at", "version")]
    for name in names:
        counted = whole(profile, name)["count"].sum()
        assert counted == ROWS - 1, name


@pytest.mark.parametrize("column", ODD)
def test_names_of_any_kind_are_only_names(profile: pd.DataFrame, column: str) -> None:
    found = whole(profile, column)
    plain = whole(profile, "prediction")
    np.testing.assert_allclose(np.sort(found["avg"]), np.sort(plain["avg"]) + 1, rtol=1e-9)


def test_values_that_look_like_variables_are_only_values(profile: pd.DataFrame) -> None:
    expected = table().column("variable").to_pylist().count(VARIABLE)
    rows = profile[(profile["slice_key"] == "variable") & (profile["column_name"] == "constant") & (profile["status"] != "EMPTY")]
    counts = rows.groupby("slice_value")["count"].sum()
    assert set(counts.index) == {VARIABLE, "plain"}
    assert counts[VARIABLE] in (expected, expected - 1), "the first row has no time"


def test_rows_without_version_are_a_version_of_their_own(profile: pd.DataFrame) -> None:
    found = whole(profile, "constant")
    assert found["model_version"].isna().any()
    assert set(found["model_version"].dropna()) == {"0", "1"}


def test_rows_without_time_or_id_are_counted_in_the_ledger(profile: pd.DataFrame) -> None:
    run = profile.attrs["runs"].iloc[0]
    assert (run["null_time_rows"], run["null_id_rows"], run["rows_in"]) == (1, 1, ROWS - 1)
    assert run["null_version_rows"] > 0


def test_an_empty_window_is_a_row_with_a_sentence(profile: pd.DataFrame) -> None:
    empty = profile[profile["status"] == "EMPTY"]
    assert set(empty["column_name"]) == {":table"}
    assert (empty["count"] == 0).all()
    whole, sliced = empty[empty["slice_key"].isna()], empty[empty["slice_key"].notna()]
    assert whole["message"].str.startswith("No rows in this window").all()
    assert sliced["message"].str.startswith("No rows of this slice in this window").all()
    # Monday midnight in Berlin after the clocks went forward; where a window is empty, its slices are not told one by one.
    assert pd.Timestamp("2024-04-07 22:00", tz="UTC") in set(whole["start"])
    assert pd.Timestamp("2024-04-07 22:00", tz="UTC") not in set(sliced["start"])


def test_what_is_undefined_is_null_with_a_status(profile: pd.DataFrame) -> None:
    for column, status in (("all null", "ALL_NULL"), ("all nan", "NO_FINITE")):
        found = whole(profile, column)
        assert (found["status"] == status).all()
        assert found[["avg", "stddev", "min", "max", "median"]].isna().all().all()
        assert found["message"].str.len().min() > 10
    numbers = profile.select_dtypes("number")
    assert np.isfinite(numbers.to_numpy()[~numbers.isna().to_numpy()]).all()


def test_extreme_numbers_keep_their_extremes(profile: pd.DataFrame) -> None:
    assert (whole(profile, "constant")["stddev"].dropna() == 0).all()
    assert (whole(profile, "enormous")["max"] == 1.7e308).all()
    assert whole(profile, "subnormal")["min"].min() == -5e-324
    assert (whole(profile, "zeros")["num_zeros"] == whole(profile, "zeros")["count"]).all()
    assert (whole(profile, "zeros")["distinct_count"] == 1).all()
    large = whole(profile, "beyond 2^53")
    assert large[large["count"] > 1]["message"].str.contains("beyond 15 digits").all()
    assert (large["min"] >= 2.0**60).all()


def test_dates_and_local_times_are_epoch_seconds(profile: pd.DataFrame) -> None:
    day = whole(profile, "date")
    assert (day["min"] >= pd.Timestamp("2024-01-01", tz="UTC").timestamp()).all()
    assert (day["min"] % 86_400 == 0).all()
    assert (whole(profile, "local")["max"] < 1e9).all()


def test_sizes_of_arrays_maps_and_structs_are_profiled(profile: pd.DataFrame) -> None:
    lists = whole(profile, "list")
    assert lists["num_nulls"].sum() == pytest.approx(ROWS // 10, abs=1)
    assert (lists["min"].min(), lists["max"].max()) == (0, 3)
    assert (lists["num_empty"] == lists["num_zeros"]).all()
    assert (whole(profile, "map")["avg"] == 1).all()
    assert (whole(profile, "struct")["avg"] == 2).all()


def test_a_category_of_a_megabyte_costs_no_more_than_a_name(profile: pd.DataFrame) -> None:
    found = whole(profile, "a megabyte")
    assert found["max_length"].max() == len(MEGABYTE)
    texts = [item["item"] for items in found["frequent_items"] for item in items]
    assert max(map(len, texts)) < 200
    assert any(f"{len(MEGABYTE)} characters" in text for text in texts)


def test_labels_of_another_numeric_type_are_measured_as_numbers(profile: pd.DataFrame) -> None:
    measured = profile.attrs["model_metrics"]
    errors = measured[(measured["metric"] == "mean_absolute_error") & measured["slice_key"].isna()]
    assert (errors["value"] <= 1e-6).all()
    assert (errors["label_status"] == "FINAL").all()


def test_columns_that_differ_only_in_case_are_an_error_with_the_next_step(spark: SparkSession, tmp_path: Path) -> None:
    rows = table().select(["id", "at", "version", "prediction"]).append_column("Amount", pa.array([1.0] * ROWS))
    (tmp_path / "rows").mkdir()
    pq.write_table(rows.append_column("amount", pa.array([2.0] * ROWS)), tmp_path / "rows" / "part.parquet")
    with pytest.raises(ConfigError, match="caseSensitive"):
        Monitor.load(monitor_file(tmp_path)).run(spark, as_of=AS_OF)
