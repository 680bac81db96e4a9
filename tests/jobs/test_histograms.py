"""The view `histograms` against numpy on the rows: every bar, of every column, window, version and slice, in both engines."""

from __future__ import annotations

import made
import numpy as np
import pandas as pd
import pytest
from finished_run import Finished
from pyspark.sql import SparkSession

from spark_monitor.store import local_views
from spark_monitor.store.local import LocalTables
from spark_monitor.store.view_sql import histograms

NUMBERS = [name for name in made.NUMERIC if name != "special"]
CATEGORIES = ("group", "many")
KEPT = 1024
"""So many of the baseline's most frequent values are categories."""

PARTS = ["time", "model_version", "granularity", "slice_key", "slice_value", "column_name"]


@pytest.fixture(scope="module", params=[pytest.param("spark", marks=pytest.mark.slow), "duckdb"])
def bars(request: pytest.FixtureRequest, finished: Finished, spark: SparkSession) -> pd.DataFrame:
    out = finished.made.output
    if request.param == "spark":
        found = spark.sql(histograms(lambda table: f"delta.`{out}/{table}`"))
        frame = found.selectExpr("unix_micros(time) AS micros", *found.columns[1:]).toPandas()
        frame["time"] = pd.to_datetime(frame.pop("micros"), unit="us", utc=True)
        return frame
    tables = LocalTables(str(out))
    local_views.register(tables)
    frame = pd.DataFrame(tables.ask("SELECT * FROM histograms"))
    return frame.assign(time=pd.to_datetime(frame["time"], utc=True)).replace({np.nan: None})


def rows_of(finished: Finished, key: tuple[object, ...]) -> pd.DataFrame:
    start, version, granularity, slice_key, slice_value, _ = key
    end = start + (made.WEEK if granularity == "1 week" else pd.DateOffset(months=1))
    of = {"version": version, "key": slice_key or None, "value": slice_value or None}
    return made.of(finished.made, start=start, end=end, **of)


def groups(bars: pd.DataFrame, names: object) -> list[tuple[tuple[object, ...], pd.DataFrame]]:
    chosen = bars[bars["column_name"].isin(names)].fillna({"slice_key": "", "slice_value": ""})
    return list(chosen.groupby(PARTS))


def test_a_bar_holds_the_values_between_its_edges_and_an_edge_those_that_equal_it(bars: pd.DataFrame, finished: Finished) -> None:
    compared = groups(bars, NUMBERS)
    slices = 1 + sum(finished.made.rows[column].nunique() for column in made.SLICES.values())
    assert len(compared) == len(NUMBERS) * 4 * 2 * slices
    for key, own in compared:
        values = made.values(rows_of(finished, key), str(key[-1]))
        lower, upper = (own[f"{edge}_edge"].to_numpy(dtype=np.float64) for edge in ("lower", "upper"))
        assert own["n"].sum() == values.size, key
        ordered = np.sort(values)
        inside = np.searchsorted(ordered, upper, side="left") - np.searchsorted(ordered, lower, side="right")
        at_edge = np.searchsorted(ordered, upper, side="right") - np.searchsorted(ordered, upper, side="left")
        # Below the first edge and above the last one a bar reaches to the least and the greatest value: they are in it, unless
        # they are an edge themselves.
        edges = lower[lower == upper]
        inside += np.where((lower == ordered[0]) & ~np.isin(lower, edges), np.searchsorted(ordered, lower, side="right"), 0)
        inside += np.where((upper == ordered[-1]) & ~np.isin(upper, edges), at_edge, 0)
        expected = np.where(lower == upper, at_edge, inside)
        np.testing.assert_array_equal(own["n"].to_numpy(dtype=np.int64), expected, err_msg=str(key))
        assert own["category"].isna().all()


def test_a_category_has_its_count_and_all_that_are_none_have_theirs(bars: pd.DataFrame, finished: Finished) -> None:
    first = finished.made.rows[finished.made.rows["at"] < made.START + made.WEEK]
    compared = groups(bars, CATEGORIES)
    assert compared
    for key, own in compared:
        values = rows_of(finished, key)[str(key[-1])].value_counts()
        named = own[own["category"].notna()].set_index("category")["n"]
        assert own["category"].isna().sum() <= 1, key
        assert len(named) <= KEPT
        assert named.to_dict() == values.loc[named.index].to_dict(), key
        assert own["n"].sum() == values.sum(), key
        known = first[str(key[-1])].unique()
        if known.size <= KEPT:
            assert set(named.index) == set(values.index) & set(known)


def test_infinities_and_nans_are_in_no_bar(bars: pd.DataFrame, finished: Finished) -> None:
    compared = groups(bars, ["special"])
    assert compared
    for key, own in compared:
        values = made.values(rows_of(finished, key), "special")
        finite = values[np.isfinite(values)]
        assert own["n"].sum() == finite.size, key
