"""Coarse windows that grow out of stored finer ones: the tables are those of one run that read every row at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import days
import numpy as np
import pandas as pd
import pytest
from days import Growing
from pyspark.sql import SparkSession
from scipy import stats

from spark_monitor.states.covariance import CovarianceState

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

KEY = ["granularity", "start", "end", "model_version", "slice_key", "slice_value", "column_name"]
EXACT = ["data_type", "status", "message", "count", "num_nulls", "num_nan", "num_inf", "num_zeros", "num_empty", "min", "max"]
EXACT += ["min_length", "max_length", "avg_length", "percent_null", "percent_nan", "percent_zeros", "log_type", "monitor_version"]
MEAN, DISTINCT_WINDOW, DISTINCT_SLICE = 1e-12, 1024, 128


@dataclass(frozen=True)
class Scene:
    """A way to cut time, the local timestamps at which rows end and runs happen, and the coarse windows that must be merged."""

    zone: str
    windows: str
    first: str
    ends: tuple[str, ...]
    coarse: str
    merged: int

    def timestamp(self, text: str) -> datetime:
        """The first timestamp of a local day."""
        return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(self.zone)).astimezone(UTC)


SCENES = {
    # The last day of this week has 23 hours.
    "days in a week": Scene(
        zone="America/New_York",
        windows='every: 1 day, also: [1 week], zone: "America/New_York", lookback: 0 days',
        first="2024-03-04",
        ends=("2024-03-06", "2024-03-09", "2024-03-10", "2024-03-11"),
        coarse="1 week",
        merged=6,
    ),
    # The month ends with the last week, in which a day has 23 hours, and begins within a week: three days of that are read.
    "weeks in a month": Scene(
        zone="Europe/Berlin",
        windows='every: 1 week, also: [1 month], zone: "Europe/Berlin", lookback: 0 days',
        first="2024-02-26",
        ends=("2024-03-04", "2024-03-18", "2024-03-25", "2024-04-01"),
        coarse="1 month",
        merged=3,
    ),
}


@dataclass(frozen=True)
class Told:
    """A scene that has been played: incremental runs, one run over everything, and the rows."""

    scene: Scene
    table: Growing
    rows: pd.DataFrame
    baseline: pd.DataFrame


@pytest.fixture(scope="module", params=SCENES)
def told(request: pytest.FixtureRequest, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Told:
    scene = SCENES[request.param]
    directory = tmp_path_factory.mktemp("coarse")
    growing, whole = Growing(spark, directory), Growing(spark, directory, "whole")
    before = scene.timestamp("2024-01-01")
    baseline = days.rows_of(before, before + timedelta(days=20), rows=3_000, seed=0)
    growing.write_baseline(baseline)
    monitor = growing.monitor("merged", windows=scene.windows)
    start, parts = scene.timestamp(scene.first), []
    for number, text in enumerate(scene.ends):
        end = scene.timestamp(text)
        cut = start
        while cut < end:  # a file for every day, as a daily job writes them
            day = min(cut + timedelta(days=1), end)
            parts.append(days.rows_of(cut, day, rows=150, seed=100 * number + cut.day))
            growing.append(parts[-1])
            cut = day
        assert monitor.run(spark, as_of=end).status == "COMMITTED"
        if number == len(scene.ends) - 2:
            # Of what came so far only the days within the coarse window that no finer window within it holds are read again.
            days.spoil([path for path, last in growing.files().items() if not is_edge(scene, last)])
        start = end
    whole.append(days.pa.concat_tables(parts))
    assert whole.monitor("direct", windows=scene.windows).run(spark, as_of=start).status == "COMMITTED"
    return Told(scene, growing, frame_of(parts), frame_of([baseline]))


def is_edge(scene: Scene, last: pd.Timestamp) -> bool:
    """Whether a timestamp lies in the first days of March 2024, whose week began in February."""
    return pd.Timestamp(scene.timestamp("2024-03-01")) <= last < pd.Timestamp(scene.timestamp("2024-03-04"))


def frame_of(tables: list[days.pa.Table]) -> pd.DataFrame:
    """Rows in pandas, nulls and NaN told apart by masks."""
    table = days.pa.concat_tables(tables)
    frame = pd.DataFrame({"at": pd.to_datetime(table["at"].to_pandas(), utc=True), "version": table["version"].to_pandas()})
    for name in days.NUMERIC:
        column = table[name].combine_chunks()
        frame[f"{name}_null"] = np.asarray(column.is_null())
        frame[name] = [0.0 if value is None else float(value) for value in column.to_pylist()]
    for name in days.TEXTS:
        frame[name] = pd.Series(table[name].to_pylist(), dtype=object)
    frame["above"] = np.where(frame["x"] > 0, "true", "false")
    flags = np.where(frame["flag"] > 0, "true", "false")
    frame["crossing"] = [f"{'NULL' if text is None else text}, {flag}" for text, flag in zip(frame["text"], flags, strict=True)]
    return frame


def both(told: Told, table: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A table as incremental runs wrote it and as one run did, in the same order; the same keys stand in both."""
    key = [*KEY, *(["drift_type"] if table == "drift_metrics" else [])]
    frames = []
    for output in ("merged", "direct"):
        frame = told.table.read(output, table)
        frames.append(frame.fillna({"slice_key": "", "slice_value": "∅"}).sort_values(key).reset_index(drop=True))
    pd.testing.assert_frame_equal(frames[0][key], frames[1][key])
    assert (frames[0]["granularity"] == told.scene.coarse).any()
    return frames[0], frames[1]


def rows_in(told: Told, row: pd.Series) -> pd.DataFrame:
    rows = told.rows
    rows = rows[(rows["at"] >= row["start"]) & (rows["at"] < row["end"]) & (rows["version"] == row["model_version"])]
    if row["slice_key"] == "":
        return rows
    values = rows[days.SLICES[row["slice_key"]]]
    return rows[values.isna()] if row["slice_value"] == "∅" else rows[values == row["slice_value"]]


def finite_values(rows: pd.DataFrame, column: str) -> np.ndarray:
    found = rows[column].to_numpy()[~rows[f"{column}_null"].to_numpy()]
    return found[np.isfinite(found)]


def test_the_last_run_merged_the_finer_windows_and_read_of_their_rows_only_times(told: Told) -> None:
    last = told.table.last_run("merged")
    assert last["status"] == "COMMITTED"
    merged = f"Stored states of {told.scene.merged} finer windows were merged; their rows were not read."
    assert last["reader_reason"].endswith(merged)
    assert last["reader"] == "files"
    new = told.rows["at"] >= pd.Timestamp(told.scene.timestamp(told.scene.ends[-2]))
    edge = told.rows["at"].map(lambda at: is_edge(told.scene, at))
    assert last["rows_in"] == (new | edge).sum()


def test_counts_extremes_and_lengths_are_those_of_one_run(told: Told) -> None:
    merged, direct = both(told, "profile_metrics")
    pd.testing.assert_frame_equal(merged[EXACT], direct[EXACT])
    # A slice value that a window lacks has a row without columns.
    tables = (merged["column_name"] == ":table") & (merged["status"] != "EMPTY")
    for names in (merged["non_null_columns"], direct["non_null_columns"]):
        assert names.map(lambda found: found is not None).tolist() == tables.tolist()
    assert merged["non_null_columns"].map(str).tolist() == direct["non_null_columns"].map(str).tolist()


def test_moments_agree_in_twelve_digits(told: Told) -> None:
    merged, direct = both(told, "profile_metrics")
    for name in ("avg", "stddev"):
        scale = np.abs(direct[["min", "max"]]).max(axis=1).fillna(0)
        apart = (merged[name] - direct[name]).abs() / np.maximum(direct[name].abs(), scale)
        assert (merged[name].isna() == direct[name].isna()).all()
        assert apart.fillna(0).max() <= MEAN


def test_cells_and_categories_are_exactly_those_of_one_run(told: Told) -> None:
    frozen = told.table.read("merged", "baselines")
    frozen = frozen[frozen["slice_key"].isna()].set_index("column_name")
    merged, direct = both(told, "profile_states")
    assert merged["grid_id"].fillna("").tolist() == direct["grid_id"].fillna("").tolist()
    seen = 0
    for one, other in zip(merged.to_dict("records"), direct.to_dict("records"), strict=True):
        if one["granularity"] != told.scene.coarse or one["column_name"] == ":table":
            continue
        seen += 1
        if one["column_name"].startswith(":"):  # counters, hours and repeated keys are exact whatever they were merged from
            assert one["sketch"] == other["sketch"] or are_same_sums(one["sketch"], other["sketch"])
            continue
        column = frozen.loc[one["column_name"]]
        if column["grid"] is not None:
            assert sum(cell["n"] for cell in one["cells"]) == one["count"] - one["num_nulls"] - one["num_nan"] - infinities(one)
        assert [*map(dict, one["cells"])] == [*map(dict, other["cells"])]
    assert seen > 100


def are_same_sums(one: bytes, other: bytes) -> bool:
    """Whether covariances count the same, and sum it but for the rounding of another order."""
    merged, direct = CovarianceState.from_bytes(one), CovarianceState.from_bytes(other)
    np.testing.assert_array_equal(merged.pair_counts, direct.pair_counts)
    spread = np.sqrt(np.outer(direct.powers[1], direct.powers[1]))
    np.testing.assert_array_less(np.abs(merged.products - direct.products), MEAN * spread + np.finfo(float).tiny)
    np.testing.assert_allclose(merged.powers[1], direct.powers[1], rtol=MEAN)
    return True


def infinities(row: dict) -> int:
    return row["num_positive_inf"] + row["num_negative_inf"]


def test_distinct_counts_are_exact_while_few_and_else_within_their_error(told: Told) -> None:
    merged, _ = both(told, "profile_metrics")
    coarse = merged[(merged["granularity"] == told.scene.coarse) & (merged["column_name"] != ":table")]
    assert not coarse.empty
    for _, row in coarse.iterrows():
        rows, name = rows_in(told, row), row["column_name"]
        found = rows[name].dropna().unique() if name in days.TEXTS else np.unique(finite_values(rows, name) + 0.0)
        kept = DISTINCT_WINDOW if row["slice_key"] == "" else DISTINCT_SLICE
        assert abs(row["distinct_count"] - found.size) <= (0 if found.size < kept else 5 * found.size / np.sqrt(kept))


def test_quantiles_keep_their_rank_error(told: Told) -> None:
    merged, _ = both(told, "profile_metrics")
    wanted = np.arange(101) / 100
    chosen = merged[(merged["granularity"] == told.scene.coarse) & merged["column_name"].isin(days.NUMERIC)]
    assert not chosen.empty
    for _, row in chosen.iterrows():
        ordered = np.sort(finite_values(rows_in(told, row), row["column_name"]))
        if not ordered.size:
            continue
        stored = np.array(row["quantiles"])
        below = np.searchsorted(ordered, stored, side="left") / ordered.size
        through = np.searchsorted(ordered, stored, side="right") / ordered.size
        assert np.maximum(below - wanted, wanted - through).max() <= row["rank_error"] + 1e-12


def test_the_exact_ks_distance_lies_in_the_interval_of_merged_states(told: Told) -> None:
    merged, direct = both(told, "drift_metrics")
    chosen = merged[(merged["granularity"] == told.scene.coarse) & (merged["drift_type"] == "BASELINE")]
    chosen = chosen[chosen["column_name"].isin(days.NUMERIC) & (chosen["slice_key"] == "") & (chosen["status"] == "OK")]
    assert len(chosen) >= 2 * len(days.NUMERIC)
    for _, row in chosen.iterrows():
        now = finite_values(rows_in(told, row), row["column_name"])
        before = finite_values(told.baseline, row["column_name"])
        exact = stats.ks_2samp(before, now, method="asymp").statistic
        assert row["ks_lower"] <= exact <= row["ks_upper"]
    counts = ["status", "count_delta", "population_stability_index", "tv_distance", "l_infinity_distance"]
    pd.testing.assert_frame_equal(merged[counts], direct[counts], rtol=1e-12)
