"""Metrics x rules on real frames: which numbers are judged, by which rule, and what is said where numbers are absent."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from chispa import assert_df_equality

from spark_monitor.config.rules import RuleConfig
from spark_monitor.distances import compare_numeric
from spark_monitor.distances.chi_squared import chi_squared_test
from spark_monitor.stages.judge import checks
from spark_monitor.states.grid import Grid
from spark_monitor.states.numeric import profile_column
from spark_monitor.store.schemas import TABLES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row, SparkSession

MONITOR = "flights"
AS_OF = datetime(2024, 3, 1, 7, 30, 0, 250, tzinfo=UTC)
FIRST = datetime(2024, 1, 1, tzinfo=UTC)
Rows = list[dict[str, Any]]


def window(day: int = 0) -> tuple[datetime, datetime]:
    return FIRST + timedelta(days=day), FIRST + timedelta(days=day + 1)


def cut(day: int = 0, version: str | None = "1", slice_: tuple[str, str | None] | None = None) -> dict[str, Any]:
    key, value = slice_ or (None, None)
    names = {"monitor_id": MONITOR, "granularity": "1 day", "model_version": version, "slice_key": key, "slice_value": value}
    return {**names, "window": window(day)}


def table_row(count: int = 1000, *, where: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
    return {**(where or cut()), "column_name": ":table", "log_type": "INPUT", "count": count, "status": "OK", **values}


def numeric(column: str, count: int = 1000, *, where: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
    row = {"column_name": column, "log_type": "INPUT", "count": count, "num_nan": 0, "percent_null": 0.0, "status": "OK"}
    return {**(where or cut()), **row, **values}


def drift(column: str, *, where: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
    return {**(where or cut()), "column_name": column, "drift_type": "BASELINE", "status": "OK", **values}


def ks(statistic: float, margin: float = 0.0) -> dict[str, Any]:
    lower, upper = max(0.0, statistic - margin), min(1.0, statistic + margin)
    return {"ks_test": (statistic, 0.5), "ks_population_lower": lower, "ks_population_upper": upper}


def measured(metric: str, value: float | None, *, where: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
    row = {"metric": metric, "value": value, "count": 900, "basis": "REALISED", "status": "OK", "label_status": "FINAL"}
    return {**(where or cut()), **row, "lower": value, "upper": value, **values}


def frame(spark: SparkSession, table: str, rows: Iterable[dict[str, Any]]) -> DataFrame:
    schema = TABLES[table].schema
    return spark.createDataFrame([tuple(row.get(name) for name in schema.names) for row in rows], schema)


def judged(
    spark: SparkSession, rules: Sequence[RuleConfig], profile: Rows, drifts: Rows | None = None, model: Rows | None = None
) -> list[Row]:
    return judged_frame(spark, rules, profile, drifts, model).collect()


def judged_frame(
    spark: SparkSession, rules: Sequence[RuleConfig], profile: Rows, drifts: Rows | None = None, model: Rows | None = None
) -> DataFrame:
    frames = (
        frame(spark, name, rows or [])
        for name, rows in (("profile_metrics", profile), ("drift_metrics", drifts), ("model_metrics", model))
    )
    return checks(*frames, rules, monitor_id=MONITOR, as_of=AS_OF, run_id="r1")


def verdicts(found: Iterable[Row]) -> set[tuple[str, str, str]]:
    return {(row.metric, row.column_name, row.verdict) for row in found}


def only(rows: list[Row]) -> Row:
    assert len(rows) == 1, rows
    return rows[0]


def test_a_check_has_every_column_of_its_table(spark: SparkSession) -> None:
    rule = RuleConfig(metric="ks", fail=0.1, min_count=500, severity="high", owner="team", runbook="docs/ks.md")
    found = judged_frame(spark, [rule], [table_row(), numeric("wind speed")], [drift("wind speed", **ks(0.412, 0.01))])
    written = {field.name: field.dataType.simpleString() for field in TABLES["checks"].columns}
    assert {field.name: field.dataType.simpleString() for field in found.schema.fields} == written
    row = only(found.selectExpr("*", "unix_micros(window.start) AS start", "unix_micros(as_of) AS timestamp").collect())
    assert row.start == int(FIRST.timestamp()) * 1_000_000
    assert row.timestamp == int(AS_OF.timestamp()) * 1_000_000 + 250
    assert (row.monitor_id, row.granularity, row.model_version, row.slice_key, row.run_id) == (MONITOR, "1 day", "1", None, "r1")
    assert (row.family, row.metric, row.column_name, row["class"]) == ("drift", "ks", "wind speed", None)
    assert (row.value, row.lower, row.upper) == pytest.approx((0.412, 0.402, 0.422))
    assert (row.verdict, row.expected) == ("FAIL", "<= 0.1 (fail > 0.1)")
    assert (row.severity, row.owner, row.runbook) == ("high", "team", "docs/ks.md")
    assert row.reason == "ks of wind speed is 0.412 (95 % interval 0.402 to 0.422, 1,000 rows), above the fail limit 0.1."


def test_without_rules_there_are_no_checks(spark: SparkSession) -> None:
    found = judged_frame(spark, [], [table_row(), numeric("a")], [drift("a", **ks(0.9))])
    assert found.collect() == []
    assert set(found.columns) == set(TABLES["checks"].names)


def test_every_family_is_judged_by_its_own_columns(spark: SparkSession) -> None:
    rules = [
        RuleConfig(metric="ks", warn=0.05, fail=0.1),
        RuleConfig(metric="percent_null", columns=["a"], fail=5),
        RuleConfig(metric="psi", columns=["a"], fail=0.1),
        RuleConfig(metric="wasserstein", columns=["a"], fail=1),
        RuleConfig(metric="median", columns=["a"], fail=3),
        RuleConfig(metric="count", fail="< 5000"),
        RuleConfig(metric="roc_auc_score", fail="< 0.65"),
        RuleConfig(metric="bias", warn="> 0.5"),
    ]
    quantiles = [float(percent) / 10 for percent in range(101)]
    profile = [
        table_row(),
        numeric("a", percent_null=7.5, median=5.0, quantiles=quantiles, rank_error=0.021),
        numeric("b", percent_null=80.0),
    ]
    bounds = {"wasserstein_lower": 0.5, "wasserstein_upper": 3.0}
    psi = {"population_stability_index": 0.3, "population_stability_index_expected": 0.25}
    drifts = [drift("a", **ks(0.07, 0.01), wasserstein_distance=2.0, **bounds, **psi), drift("b", **ks(0.02, 0.01))]
    drifts.append({**drift("b", **ks(0.9)), "drift_type": "CONSECUTIVE"})
    model = [
        measured("roc_auc_score", 0.61, lower=0.58, upper=0.64),
        measured("mean_error", 0.4, lower=0.3, upper=0.7),
        measured("roc_auc_score", 0.9, basis="ESTIMATED"),
        measured("log_loss", 0.9),
    ]
    found = judged(spark, rules, profile, drifts, model)
    assert verdicts(found) == {
        ("ks", "a", "WARN"),
        ("ks", "b", "PASS"),
        ("percent_null", "a", "FAIL"),
        ("population_stability_index", "a", "FAIL"),
        ("wasserstein_distance", "a", "UNDECIDED"),
        ("median", "a", "FAIL"),
        ("count", ":table", "FAIL"),
        ("roc_auc_score", ":table", "FAIL"),
        ("roc_auc_score", ":table", "PASS"),
        ("mean_error", ":table", "UNDECIDED"),
    }
    assert {row.basis: row.verdict for row in found if row.metric == "roc_auc_score"} == {"REALISED": "FAIL", "ESTIMATED": "PASS"}
    by_metric = {row.metric: row for row in found if row.column_name != "b"}
    assert (by_metric["median"].lower, by_metric["median"].upper) == (4.7, 5.3)
    assert "without any drift 0.25 would be expected" in by_metric["population_stability_index"].reason


def test_the_most_specific_rule_judges_and_rules_do_not_multiply_rows(spark: SparkSession) -> None:
    rules = [
        RuleConfig(metric="ks", columns=["a"], fail=0.9, owner="listed"),
        RuleConfig(metric="ks", fail=0.1, owner="any, earlier"),
        RuleConfig(metric="ks", fail=0.2, owner="any, later"),
    ]
    profile = [table_row(), numeric("a"), numeric("b")]
    found = judged(spark, rules, profile, [drift("a", **ks(0.5)), drift("b", **ks(0.5))])
    assert {(row.column_name, row.verdict, row.owner) for row in found} == {
        ("a", "PASS", "listed"),
        ("b", "FAIL", "any, later"),
    }


def test_slices_and_a_null_version_are_judged_like_the_rest(spark: SparkSession) -> None:
    long = "x" * 5000
    places = [cut(0, None), cut(0, None, ("origin", "JFK")), cut(0, None, ("origin", None)), cut(0, "2", ("origin", long))]
    profile = [numeric("a", count, where=where) for count, where in zip((900, 300, 90, 800), places, strict=True)]
    found = judged(
        spark,
        [RuleConfig(metric="ks", fail=0.1, min_count=100)],
        [table_row(where=cut(0, None)), table_row(where=cut(0, "2")), numeric("a", 7, where=cut(0, "2")), *profile],
        [drift("a", where=where, **ks(0.5)) for where in [*places, cut(0, "2")]],
    )
    assert {(row.model_version, row.slice_key, row.slice_value): row.verdict for row in found} == {
        (None, None, None): "FAIL",
        (None, "origin", "JFK"): "FAIL",
        (None, ":slices", None): "NO_DATA",
        ("2", None, None): "NO_DATA",
        ("2", "origin", long): "FAIL",
    }
    reasons = {(row.slice_key, row.slice_value): row.reason for row in found}
    assert reasons[":slices", None] == "ks of 1 slice rests on at most 90 rows, the rule asks for 100: 1 not judged."
    assert len(reasons["origin", long]) < 400
    assert len({row.check_id for row in found}) == 5


def test_broken_columns_are_errors_and_never_pass(spark: SparkSession) -> None:
    rules = [RuleConfig(metric="ks", fail=0.1), RuleConfig(metric="percent_null", columns=["gone"], fail=5)]
    statuses = ["MISSING", "TYPE_CHANGED", "ERROR", "NO_BASELINE", "NEW", "EMPTY", "ALL_NULL"]
    profile = [table_row(), *(numeric(name.lower()) for name in statuses if name != "MISSING")]
    profile.append({**numeric("gone"), "status": "MISSING", "count": None, "num_nan": None, "percent_null": None})
    drifts = [drift(name.lower(), status=name, message=f"Because of {name}.") for name in statuses]
    found = judged(spark, rules, profile, drifts)
    assert verdicts(found) == {
        ("ks", "missing", "ERROR"),
        ("ks", "type_changed", "ERROR"),
        ("ks", "error", "ERROR"),
        ("ks", "no_baseline", "NO_DATA"),
        ("ks", "new", "NO_DATA"),
        ("ks", "empty", "NO_DATA"),
        ("ks", "all_null", "NO_DATA"),
        ("percent_null", "gone", "ERROR"),
    }
    for row in (row for row in found if row.metric == "ks"):
        assert row.reason == f"ks of {row.column_name} has no value: Because of {row.column_name.upper()}."


def test_a_rule_for_any_column_passes_over_columns_without_the_metric(spark: SparkSession) -> None:
    text = {**numeric("carrier"), "num_nan": None, "distinct_count": 3}
    rules = [RuleConfig(metric="ks", fail=0.1), RuleConfig(metric="avg", fail=10), RuleConfig(metric="js", fail=0.1)]
    drifts = [drift("a", **ks(0.0), js_distance=0.0), drift("carrier", js_distance=0.3)]
    found = judged(spark, rules, [table_row(), numeric("a", avg=1.0), text], drifts)
    assert verdicts(found) == {
        ("ks", "a", "PASS"),
        ("avg", "a", "PASS"),
        ("js_distance", "a", "PASS"),
        ("js_distance", "carrier", "FAIL"),
    }


def test_counts_are_judged_once_for_the_table_unless_columns_are_listed(spark: SparkSession) -> None:
    rules = [RuleConfig(metric="count", fail="< 5000"), RuleConfig(metric="count_delta", fail="< -500")]
    profile, drifts = [table_row(), numeric("a")], [drift(":table", count_delta=-900.0), drift("a", count_delta=-900.0)]
    assert verdicts(judged(spark, rules, profile, drifts)) == {("count", ":table", "FAIL"), ("count_delta", ":table", "FAIL")}
    listed = [RuleConfig(metric="count", columns=["a"], fail="< 5000")]
    assert verdicts(judged(spark, listed, profile, drifts)) == {("count", "a", "FAIL")}


def test_what_is_owed_and_absent_is_no_data_for_whole_windows(spark: SparkSession) -> None:
    rules = [
        RuleConfig(metric="percent_null", columns=["a", "ghost"], fail=5),
        RuleConfig(metric="ks", fail=0.1),
        RuleConfig(metric="ks", columns=["carrier"], fail=0.1),
        RuleConfig(metric="roc_auc_score", fail="< 0.6"),
        RuleConfig(metric="count", fail="< 1"),
    ]
    carrier = {**numeric("carrier"), "num_nan": None}
    sliced = table_row(where=cut(0, "1", ("origin", "JFK")))
    empty = table_row(0, where=cut(1, None), status="EMPTY", message="No rows in this window.")
    profile = [table_row(), numeric("a"), carrier, sliced, empty]
    found = judged(spark, rules, profile, [drift("carrier")], [measured("roc_auc_score", 0.9, where=cut(1, None))])
    whole = [row for row in found if row.slice_key is None]
    assert {(row.model_version, row.metric, row.column_name, row.verdict) for row in whole} == {
        ("1", "percent_null", "a", "PASS"),
        ("1", "percent_null", "ghost", "NO_DATA"),
        ("1", "ks", ":table", "NO_DATA"),
        ("1", "ks", "carrier", "NO_DATA"),
        ("1", "roc_auc_score", ":table", "NO_DATA"),
        ("1", "count", ":table", "PASS"),
        (None, "percent_null", "a", "NO_DATA"),
        (None, "percent_null", "ghost", "NO_DATA"),
        (None, "ks", ":table", "NO_DATA"),
        (None, "ks", "carrier", "NO_DATA"),
        (None, "roc_auc_score", ":table", "PASS"),
        (None, "count", ":table", "FAIL"),
    }
    assert [(row.metric, row.slice_value) for row in found if row.slice_key is not None] == [("count", "JFK")]
    reasons = {(row.model_version, row.metric, row.column_name): row.reason for row in whole}
    assert reasons["1", "ks", ":table"] == "ks has no value: no column has it in this window."
    assert reasons["1", "percent_null", "ghost"].endswith("the column has no such number in this window.")
    assert reasons["1", "roc_auc_score", ":table"] == "roc_auc_score has no value: it was not computed for this window."
    assert reasons[None, "percent_null", "a"] == "percent_null of a has no value: No rows in this window."


def test_metrics_without_labels_are_no_data_and_half_known_ones_say_so(spark: SparkSession) -> None:
    rules = [RuleConfig(metric=metric, fail="< 0.6") for metric in ("roc_auc_score", "f1_score", "precision")]
    model = [
        measured("roc_auc_score", None, status="UNDEFINED", label_status="NO_LABELS", message="None of 9 rows has a label yet."),
        measured("f1_score", 0.5, label_status="PROVISIONAL", label_coverage=0.25),
        measured("precision", 0.9, **{"class": "late"}),
        measured("precision", 0.5, **{"class": "early"}),
        measured("precision", 0.5, lower=None, upper=None, **{"class": "never"}),
    ]
    found = judged(spark, rules, [table_row()], None, model)
    assert {(row.metric, row["class"], row.verdict) for row in found} == {
        ("roc_auc_score", None, "NO_DATA"),
        ("f1_score", None, "FAIL"),
        ("precision", "late", "PASS"),
        ("precision", "early", "FAIL"),
        ("precision", "never", "UNDECIDED"),
    }
    reasons = {row.metric: row.reason for row in found}
    assert reasons["roc_auc_score"] == "roc_auc_score has no value: None of 9 rows has a label yet."
    assert reasons["f1_score"].endswith("; 25 % of the rows have a label so far.")
    assert len({row.check_id for row in found}) == 5


def test_chi_squared_is_judged_by_cramers_v_of_all_rows(spark: SparkSession) -> None:
    generator = np.random.default_rng(5)
    grid = Grid.of(np.linspace(-3, 3, 50))
    before, now = generator.normal(size=4000), generator.normal(0.4, size=900)
    baseline, current = profile_column(before, grid, nulls=100), profile_column(now, grid, nulls=250)
    compared = compare_numeric(baseline, current)
    row = drift("a", count_delta=float(current.count - baseline.count), status="OK")
    row["chi_squared_test"] = tuple(compared["chi_squared_test"].values())  # type: ignore[union-attr]
    found = only(judged(spark, [RuleConfig(metric="chi_squared_test", fail=0.1)], [table_row(), numeric("a", 1150)], [row]))
    statistic = compared["chi_squared_test"]["statistic"]  # type: ignore[index, call-overload]
    assert found.value == pytest.approx(np.sqrt(statistic / (4100 + 1150)), rel=1e-12)
    assert found.value < 1 < statistic
    counts = np.array([30, 20, 10]), np.array([10, 30, 5])
    plain = chi_squared_test(*counts)
    row |= {"chi_squared_test": (float(plain.statistic), float(plain.pvalue)), "count_delta": 45.0 - 60.0}
    found = only(judged(spark, [RuleConfig(metric="chi_squared_test", fail=0.1)], [table_row(), numeric("a", 45)], [row]))
    assert found.value == pytest.approx(plain.cramers_v, rel=1e-12)


def test_an_estimated_distinct_count_is_known_up_to_its_error(spark: SparkSession) -> None:
    slice_ = cut(0, "1", ("origin", "JFK"))
    profile = [
        table_row(),
        numeric("few", distinct_count=1024),
        numeric("many", distinct_count=10_000),
        numeric("few", distinct_count=128, where=slice_),
        numeric("many", distinct_count=1000, where=slice_),
    ]
    rows = judged(spark, [RuleConfig(metric="distinct_count", fail="< 900")], profile)
    found = {(row.slice_value, row.column_name): (row.lower, row.value, row.upper, row.verdict) for row in rows}
    assert found[None, "few"] == (1024.0, 1024.0, 1024.0, "PASS")
    assert found["JFK", "few"] == (128.0, 128.0, 128.0, "FAIL")
    error = 1.959963984540054 / np.sqrt(1022)
    assert found[None, "many"][:3] == pytest.approx((10_000 / (1 + error), 10_000, 10_000 / (1 - error)))
    assert found["JFK", "many"][3] == "UNDECIDED"


def test_other_monitors_and_the_baselines_own_rows_are_not_judged(spark: SparkSession) -> None:
    profile = [table_row(), numeric("a", percent_null=1.0)]
    strangers = [{**row, "monitor_id": "other", "percent_null": 90.0} for row in profile]
    baseline = {**numeric("a", percent_null=90.0), "log_type": "BASELINE"}
    found = judged(spark, [RuleConfig(metric="percent_null", fail=5)], [*profile, *strangers, baseline])
    assert [(row.monitor_id, row.verdict) for row in found] == [(MONITOR, "PASS")]


def test_many_rules_read_and_shuffle_the_tables_no_more_than_one(spark: SparkSession, capsys: pytest.CaptureFixture[str]) -> None:
    one = [RuleConfig(metric="ks", fail=0.1)]
    many = [
        RuleConfig(metric=metric, columns=columns, fail=0.5)
        for metric in ("ks", "psi", "js", "avg", "percent_null")
        for columns in ("*", *([f"c{number}"] for number in range(20)))
    ]
    plans = []
    for rules in (one, [*many, RuleConfig(metric="roc_auc_score", fail="< 0.6")]):
        judged_frame(spark, rules, [table_row()], [drift("a")], [measured("log_loss", 1.0)]).explain()
        plans.append(capsys.readouterr().out)
    assert [plan.count("Exchange") for plan in plans] == [1, 1]
    assert [plan.count("MapInArrow") for plan in plans] == [1, 1]


def test_hostile_names_are_only_names(spark: SparkSession) -> None:
    names = ["a`b", "it's", "a.b", 'say "x"', "größe", "back\\slash", "new\nline", "Case", "case"]
    rules = [RuleConfig(metric="percent_null", columns=[name], fail=5, owner=name) for name in names]
    found = judged(spark, rules, [table_row(), *(numeric(name, percent_null=9.0) for name in names)])
    assert {(row.column_name, row.owner, row.verdict) for row in found} == {(name, name, "FAIL") for name in names}
    assert all(row.reason.isprintable() for row in found)


def test_random_metrics_are_judged_as_a_plain_loop_judges_them(spark: SparkSession) -> None:
    dice = random.Random(20240301)
    limits = {"a": (0.3, 0.6), "b": (0.1, 0.2)}
    rules = [
        RuleConfig(metric="ks", warn=0.1, fail=0.2, min_count=300),
        RuleConfig(metric="ks", columns=["a"], warn=0.3, fail=0.6, min_count=300),
    ]
    profile, drifts, wanted, small = [], [], [], set()
    places = product(range(12), ("1", "2", None), (None, ("origin", "JFK"), ("origin", None)))
    for day, version, slice_ in places:
        where = cut(day, version, slice_)
        profile.append(table_row(where=where))
        seen = [column for column in ("a", "b", "c") if dice.random() < 0.8]
        for column in seen:
            count, statistic, margin = dice.choice([100, 299, 300, 5000]), dice.random(), dice.choice([0.0, 0.05, 0.2])
            row = drift(column, where=where, **ks(statistic, margin))
            row["status"] = dice.choice(["OK"] * 5 + ["MISSING", "NO_BASELINE"])
            drifts.append(row)
            profile.append(numeric(column, count, where=where))
            verdict = loop_verdict(row, count, *limits.get(column, limits["b"]))
            if slice_ is None or row["status"] != "OK" or count >= 300:
                wanted.append((where, column, verdict))
            else:
                small.add((day, version, column == "a"))
        if slice_ is None and "a" not in seen:
            wanted.append((where, "a", "NO_DATA"))
        if slice_ is None and not seen:
            wanted.append((where, ":table", "NO_DATA"))
    wanted += [(cut(day, version, (":slices", None)), ":table", "NO_DATA") for day, version, _ in small]
    names = ("monitor_id", "granularity", "model_version", "slice_key", "slice_value", "window")
    expected = spark.createDataFrame(
        [(*(where[name] for name in names), column, verdict) for where, column, verdict in wanted],
        "monitor_id string, granularity string, model_version string, slice_key string, slice_value string, "
        "window struct<start: timestamp, end: timestamp>, column_name string, verdict string",
    )
    dice.shuffle(drifts)
    found = judged_frame(spark, rules, profile, drifts).select(*expected.columns)
    assert {verdict for _, _, verdict in wanted} == {"PASS", "WARN", "FAIL", "UNDECIDED", "NO_DATA", "ERROR"}
    assert_df_equality(found, expected, ignore_row_order=True, ignore_nullable=True)


def loop_verdict(row: dict[str, Any], count: int, warn: float, fail: float) -> str:
    lower, upper = row["ks_population_lower"], row["ks_population_upper"]
    if row["status"] == "MISSING":
        return "ERROR"
    if row["status"] == "NO_BASELINE" or count < 300:
        return "NO_DATA"
    if lower > fail:
        return "FAIL"
    if lower > warn:
        return "WARN"
    return "PASS" if upper <= warn else "UNDECIDED"
