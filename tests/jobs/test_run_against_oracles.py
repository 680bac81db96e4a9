"""Every number of a run against numpy, pandas, scipy and scikit-learn on the same rows."""

from __future__ import annotations

import made
import numpy as np
import pandas as pd
import pytest
from finished_run import Finished
from scipy import stats
from sklearn import metrics

RELATIVE = 1e-9
SAMPLED_ERRORS = 5


def rows_of(finished: Finished, row: pd.Series) -> pd.DataFrame:
    return made.of(
        finished.made,
        start=row["start"],
        end=row["end"],
        version=row["model_version"],
        key=row["slice_key"],
        value=row["slice_value"],
    )


def test_the_run_is_committed_with_every_window_version_and_slice(finished: Finished) -> None:
    profile = finished.table("profile_metrics")
    assert finished.result.status == "COMMITTED"
    rows = finished.made.rows
    for granularity, starts in (("1 week", 3), ("1 month", 1)):
        own = profile[(profile["granularity"] == granularity) & (profile["column_name"] == "group")]
        assert own["start"].nunique() == starts
        slices = sum(rows[column].nunique() for column in made.SLICES.values())
        assert len(own) == starts * 2 * (1 + slices)
    ledger = finished.table("runs")
    assert (ledger["rows_in"] == len(rows)).all()
    files = (finished.made.directory / "predictions").rglob("*.parquet")
    assert (ledger["bytes_in"] == sum(file.stat().st_size for file in files)).all()
    baseline = finished.table("baselines")
    assert (baseline.loc[baseline["slice_key"].isna(), "rows"] == (rows["at"] < made.START + made.WEEK).sum()).all()
    (written,) = map(dict, ledger["rows_out"])
    assert written == {name: len(finished.table(name)) for name in written}
    (sizes,) = map(dict, ledger["bytes_out"])
    tables = {name: (finished.made.output / name).rglob("*.parquet") for name in sizes}
    assert sizes.keys() == written.keys()
    assert all(0 < sizes[name] <= sum(file.stat().st_size for file in files) for name, files in tables.items())
    assert {*written} >= {"baselines", "profile_metrics", "profile_states", "drift_metrics", "checks", "incidents"}


def test_counts_are_exact(finished: Finished) -> None:
    profile = finished.table("profile_metrics")
    for _, row in profile[profile["column_name"].isin([*made.NUMERIC, ":table"])].iterrows():
        rows = rows_of(finished, row)
        assert row["count"] == len(rows)
        if row["column_name"] == ":table":
            continue
        present = made.values(rows, row["column_name"])
        finite = present[np.isfinite(present)]
        assert row["num_nulls"] == len(rows) - len(present)
        assert row["num_nan"] == np.isnan(present).sum()
        assert row["num_inf"] == np.isinf(present).sum()
        assert row["num_zeros"] == (finite == 0).sum()
        assert row["percent_null"] == pytest.approx(100 * (len(rows) - len(present)) / len(rows), rel=RELATIVE)


def test_moments_and_extremes_are_those_of_numpy(finished: Finished) -> None:
    profile = finished.table("profile_metrics")
    for _, row in profile[profile["column_name"].isin(made.NUMERIC)].iterrows():
        present = made.values(rows_of(finished, row), row["column_name"])
        finite = present[np.isfinite(present)]
        scale = np.abs(finite).mean() or 1.0
        assert row["avg"] == pytest.approx(finite.mean(), rel=RELATIVE, abs=1e-12 * scale)
        assert row["stddev"] == pytest.approx(finite.std(ddof=1), rel=RELATIVE)
        assert (row["min"], row["max"]) == (finite.min(), finite.max())


def test_quantiles_keep_their_rank_error(finished: Finished) -> None:
    profile = finished.table("profile_metrics")
    wanted = np.arange(101) / 100
    for _, row in profile[profile["column_name"].isin(made.NUMERIC)].iterrows():
        present = made.values(rows_of(finished, row), row["column_name"])
        ordered = np.sort(present[np.isfinite(present)])
        stored = np.array(row["quantiles"])
        below = np.searchsorted(ordered, stored, side="left") / ordered.size
        through = np.searchsorted(ordered, stored, side="right") / ordered.size
        error = np.maximum(below - wanted, wanted - through).max()
        assert error <= row["rank_error"] + 1e-12
        if row["rank_error"] == 0:
            place = np.maximum(np.ceil(np.arange(101) * ordered.size / 100 - 1e-9).astype(int), 1) - 1
            assert (stored == ordered[place]).all()
        assert row["median"] == stored[50]


def test_distinct_counts_of_few_values_are_exact_and_others_within_their_error(finished: Finished) -> None:
    profile = finished.table("profile_metrics")
    for _, row in profile[profile["column_name"].isin([*made.NUMERIC, "group", "many"])].iterrows():
        rows = rows_of(finished, row)
        present = rows[row["column_name"]].dropna() if row["column_name"] in ("group", "many") else None
        finite = made.values(rows, row["column_name"]) if present is None else present.to_numpy()
        truth = len(np.unique(finite[np.isfinite(finite)] if present is None else finite))
        kept = 1024 if row["slice_key"] is None else 128
        tolerance = 0 if truth < kept else SAMPLED_ERRORS * truth / np.sqrt(kept)
        assert abs(row["distinct_count"] - truth) <= tolerance


def test_the_exact_ks_distance_lies_in_its_interval(finished: Finished) -> None:
    drift = finished.table("drift_metrics")
    compared = drift[drift["column_name"].isin(made.NUMERIC) & (drift["status"] == "OK")]
    assert len(compared) > 500
    for _, row in compared.iterrows():
        now, before = rows_of(finished, row), reference_of(finished, row)
        first, second = (finite(made.values(rows, row["column_name"])) for rows in (before, now))
        exact = stats.ks_2samp(first, second, method="asymp").statistic
        assert row["ks_lower"] <= exact <= row["ks_upper"]
        assert row["wasserstein_lower"] <= stats.wasserstein_distance(first, second) * (1 + 1e-12) + 1e-12
        assert row["wasserstein_upper"] >= stats.wasserstein_distance(first, second) * (1 - 1e-12) - 1e-12
        assert row["count_delta"] == len(now) - len(before)
        if row["slice_key"] is None and row["drift_type"] == "BASELINE":
            assert row["ks_upper"] - row["ks_lower"] <= 0.002


def finite(found: np.ndarray) -> np.ndarray:
    return found[np.isfinite(found)]


def reference_of(finished: Finished, row: pd.Series) -> pd.DataFrame:
    start, end, version = made.START, made.START + made.WEEK, None
    if row.get("drift_type") == "CONSECUTIVE":
        start, end = (pd.Timestamp(row["window_cmp"][edge]) for edge in ("start", "end"))
        version = row["model_version"]
    return made.of(finished.made, start=start, end=end, version=version, key=row["slice_key"], value=row["slice_value"])


def test_categorical_distances_are_those_of_exact_counts(finished: Finished) -> None:
    drift = finished.table("drift_metrics")
    chosen = drift[(drift["column_name"] == "group") & (drift["drift_type"] == "BASELINE") & drift["slice_key"].isna()]
    assert not chosen.empty
    for _, row in chosen.iterrows():
        now, before = rows_of(finished, row), reference_of(finished, row)
        first, second = (rows["group"].value_counts(normalize=True).reindex(["a", "b", "c"]) for rows in (before, now))
        assert row["tv_distance"] == pytest.approx(0.5 * np.abs(first - second).sum(), abs=RELATIVE)
        assert row["l_infinity_distance"] == pytest.approx(np.abs(first - second).max(), abs=RELATIVE)
        counts = np.array([rows["group"].value_counts().reindex(["a", "b", "c"]) for rows in (before, now)])
        expected = stats.chi2_contingency(counts, correction=False)
        assert row["chi_squared_test"]["statistic"] == pytest.approx(expected.statistic, rel=RELATIVE)


def test_shifts_of_labels_and_answers_are_those_of_the_rows(finished: Finished) -> None:
    measured = finished.table("metrics")
    labels = measured[(measured["metric"] == "label_shift") & (measured["status"] == "OK")]
    answers = measured[(measured["metric"] == "prediction_shift") & (measured["status"] == "OK")]
    assert len(labels) > 20
    assert set(answers["column_name"]) == {"score", "predicted"}
    for _, row in labels.iterrows():
        now, before = (rows[rows["labelled"]]["truth"].mean() for rows in (rows_of(finished, row), reference_of(finished, row)))
        assert row["value"] == pytest.approx(abs(now - before), abs=RELATIVE)
        assert row["lower"] <= row["value"] <= row["upper"]
    for _, row in answers.iterrows():
        column = row["column_name"]
        now, before = (rows[column].to_numpy(dtype=np.float64) for rows in (rows_of(finished, row), reference_of(finished, row)))
        assert abs(row["value"] - stats.ks_2samp(before, now).statistic) <= row["value_error"] + RELATIVE


SCORES = {
    "accuracy_score": lambda rows: metrics.accuracy_score(rows["truth"], rows["predicted"]),
    "balanced_accuracy_score": lambda rows: metrics.balanced_accuracy_score(rows["truth"], rows["predicted"]),
    "precision": lambda rows: metrics.precision_score(rows["truth"], rows["predicted"]),
    "recall": lambda rows: metrics.recall_score(rows["truth"], rows["predicted"]),
    "f1_score": lambda rows: metrics.f1_score(rows["truth"], rows["predicted"]),
    "log_loss": lambda rows: metrics.log_loss(rows["truth"], rows["score"]),
    "brier_score": lambda rows: metrics.brier_score_loss(rows["truth"], rows["score"]),
    "base_rate": lambda rows: rows["truth"].mean(),
    "roc_auc_score": lambda rows: metrics.roc_auc_score(rows["truth"], rows["score"]),
}


@pytest.mark.parametrize("metric", SCORES)
def test_model_metrics_are_those_of_scikit_learn(finished: Finished, metric: str) -> None:
    measured = finished.table("model_metrics")
    measured = measured[(measured["log_type"] == "INPUT") & (measured["basis"] == "REALISED") & (measured["metric"] == metric)]
    assert len(measured) > 20
    for _, row in measured[measured["value"].notna()].iterrows():
        rows = rows_of(finished, row)
        labelled = rows[rows["labelled"]]
        assert row["value"] == pytest.approx(SCORES[metric](labelled), abs=row["value_error"] + RELATIVE)
        assert row["value_error"] <= 0.001
        assert row["lower"] <= row["value"] <= row["upper"]
        assert row["label_coverage"] == pytest.approx(len(labelled) / len(rows), rel=RELATIVE)
        assert row["label_status"] == (
            "FINAL" if row["end"] + made.WEEK <= pd.Timestamp("2024-02-10", tz="UTC") else "PROVISIONAL"
        )


def test_a_rule_fails_where_its_interval_is_beyond_and_passes_where_it_is_within(finished: Finished) -> None:
    checks = finished.table("checks")
    ks = checks[(checks["metric"] == "ks") & checks["value"].notna() & (checks["verdict"] != "NO_DATA")]
    assert set(ks["verdict"]) >= {"FAIL", "PASS", "UNDECIDED"}
    for _, row in ks.iterrows():
        if row["lower"] > 0.10:
            assert row["verdict"] == "FAIL"
        elif row["lower"] > 0.05:
            assert row["verdict"] == "WARN"
        else:
            assert row["verdict"] == ("PASS" if row["upper"] <= 0.05 else "UNDECIDED")
    holes = checks[checks["metric"] == "percent_null"]
    judged = holes[holes["verdict"] != "NO_DATA"]
    assert (judged["verdict"] == "FAIL").sum() > 20
    assert (judged["verdict"] == np.where(judged["lower"] > 5, "FAIL", "UNDECIDED")).all()
    assert checks["reason"].str.endswith(".").all()


def test_tables_need_no_reader_features(finished: Finished) -> None:
    from deltalake import DeltaTable

    for table in finished.made.output.iterdir():
        protocol = DeltaTable(str(table)).protocol()
        assert protocol.min_reader_version == 1
        assert protocol.reader_features is None


def test_duckdb_reads_what_delta_rs_lists(finished: Finished) -> None:
    import duckdb
    from deltalake import DeltaTable

    checks = DeltaTable(str(finished.made.output / "checks")).to_pyarrow_dataset()
    with duckdb.connect() as connection:
        connection.register("checks", checks)
        found = connection.execute("SELECT verdict, count(*) FROM checks GROUP BY verdict").fetchall()
    assert dict(found) == finished.table("checks")["verdict"].value_counts().to_dict()


def test_every_failing_check_names_an_incident_that_names_it(finished: Finished) -> None:
    checks, incidents = finished.table("checks"), finished.table("incidents").set_index("incident_id")
    failing = checks[checks["verdict"] == "FAIL"]
    assert len(failing)
    assert failing["incident_id"].isin(incidents.index).all()
    assert checks.loc[checks["verdict"].isin(["PASS", "WARN", "UNDECIDED", "NO_DATA"]), "incident_id"].isna().all()
    for incident_id, several in failing.groupby("incident_id"):
        named = {member["check_id"] for member in incidents.at[incident_id, "members"]}
        assert named == set(several["check_id"]) or len(named) == 200
