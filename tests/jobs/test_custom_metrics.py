"""Custom metrics against pandas: values by window, version and slice, their intervals, and what is derived of them."""

from __future__ import annotations

import made
import numpy as np
import pandas as pd
import pytest
from finished_run import Finished

SQL = {
    "mean_holes": lambda rows: float(np.mean(made.values(rows, "holes"))),
    "skewed_per_hole": lambda rows: rows["whole"].sum() / float(np.sum(made.values(rows, "holes"))),
    "flagged": lambda rows: float(rows["flag"].mean()),
}


def custom(finished: Finished) -> pd.DataFrame:
    rows = finished.table("metrics")
    return rows[rows["family"] == "custom"]


def rows_of(finished: Finished, row: pd.Series) -> pd.DataFrame:
    where = {"version": row["model_version"], "key": row["slice_key"], "value": row["slice_value"]}
    return made.of(finished.made, start=row["start"], end=row["end"], **where)


@pytest.mark.parametrize("name", SQL)
def test_an_aggregate_is_pandas_in_every_window_version_and_slice(finished: Finished, name: str) -> None:
    rows = custom(finished)
    rows = rows[rows["metric"] == name]
    assert len(rows) > 20
    for _, row in rows.iterrows():
        expected = SQL[name](rows_of(finished, row))
        assert row["value"] == pytest.approx(expected, rel=1e-9)
        assert row["lower"] <= row["value"] <= row["upper"]
        assert row["count"] == len(rows_of(finished, row))


def test_the_interval_of_a_mean_is_students(finished: Finished) -> None:
    from scipy import stats

    rows = custom(finished)
    row = rows[(rows["metric"] == "mean_holes") & rows["slice_key"].isna()].iloc[0]
    values = made.values(rows_of(finished, row), "holes")
    low, high = stats.t.interval(0.95, values.size - 1, loc=values.mean(), scale=stats.sem(values))
    assert (row["lower"], row["upper"]) == pytest.approx((low, high), rel=1e-6)


def test_a_metric_of_labels_counts_labelled_rows_alone(finished: Finished) -> None:
    rows = custom(finished)
    rates = rows[rows["metric"] == "truth_rate"]
    assert not rates.empty
    for _, row in rates.iterrows():
        own = rows_of(finished, row)
        labelled = own[own["labelled"]]
        assert row["value"] == pytest.approx(labelled["truth"].mean(), rel=1e-12)
        assert row["count"] == len(labelled)


@pytest.mark.parametrize("name", ["nothing", "broken_cast"])
def test_what_sql_cannot_give_is_a_row_with_a_sentence(finished: Finished, name: str) -> None:
    rows = custom(finished)
    rows = rows[rows["metric"] == name]
    assert len(rows) > 20
    assert rows["value"].isna().all()
    assert set(rows["status"]) == {"UNDEFINED"}
    assert rows["message"].str.contains("no rows, only NULL, or a division by zero; or").all()


def test_derived_metrics_follow_from_the_baseline_and_the_window_before(finished: Finished) -> None:
    rows = custom(finished)
    whole = rows[rows["slice_key"].isna() & (rows["granularity"] == "1 week")]
    table = whole.pivot_table(index="model_version", columns=["metric", "start"], values="value")
    source = finished.made.rows
    first = source[source["at"] < pd.Timestamp("2024-01-08", tz="UTC")]
    expected = float(np.mean(made.values(first, "holes")))
    assert not table.empty
    for version in table.index:
        means, gaps, steps = (table.loc[version, name].dropna() for name in ("mean_holes", "holes_gap", "holes_step"))
        assert gaps.to_numpy() == pytest.approx((means / expected - 1).to_numpy(), abs=1e-12)
        assert steps.to_numpy() == pytest.approx(means.diff().dropna().to_numpy(), abs=1e-12)
        assert len(steps) == len(means) - 1


def test_the_interval_of_a_derived_metric_follows_from_those_of_what_it_is_derived_from(finished: Finished) -> None:
    """Limits of a difference and of a ratio of independent means by Zou and Donner's method (2008)."""
    from scipy import stats

    rows = custom(finished)
    whole = rows[rows["slice_key"].isna() & (rows["granularity"] == "1 week")].sort_values("start")
    source = finished.made.rows
    first = np.asarray(made.values(source[source["at"] < pd.Timestamp("2024-01-08", tz="UTC")], "holes"))
    b, half = float(first.mean()), float(stats.t.ppf(0.975, first.size - 1) * stats.sem(first))
    looked = 0
    for _, of_version in whole.groupby("model_version"):
        means, gaps, steps = (of_version[of_version["metric"] == one] for one in ("mean_holes", "holes_gap", "holes_step"))
        lists = [[row for _, row in one.iterrows()] for one in (means, gaps, steps)]
        for before, mean, gap, step in zip([None, *lists[0][:-1]], *lists, strict=True):
            m, low, high = mean["value"], mean["lower"], mean["upper"]
            down = np.hypot((m - low) / b, m / b - m / (b + half))
            up = np.hypot((high - m) / b, m / (b - half) - m / b)
            assert (gap["lower"], gap["upper"]) == pytest.approx((gap["value"] - down, gap["value"] + up), rel=1e-6)
            assert gap["count"] == mean["count"]
            if before is not None and not np.isnan(step["value"]):
                down, up = (
                    np.hypot(m - low, before["upper"] - before["value"]),
                    np.hypot(high - m, before["value"] - before["lower"]),
                )
                assert (step["lower"], step["upper"]) == pytest.approx((step["value"] - down, step["value"] + up), rel=1e-6)
                looked += 1
    assert looked > 2
