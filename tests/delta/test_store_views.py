"""The views show committed rows, by name in a schema and by bare name in a session."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession
from written import START, WEEKS, Writer

from spark_monitor.store import Store
from spark_monitor.store.place import Place
from spark_monitor.store.schemas import TABLES
from spark_monitor.store.view_sql import VIEWS

pytestmark = pytest.mark.slow

SCHEMA = "monitoring_views"
MONITOR = "viewed"
CUT = "window granularity model_version slice_key slice_value column_name"


def cut(
    week: int, slice_: tuple[str | None, str | None] = (None, None), column: str = "a", version: str | None = "1"
) -> tuple[Any, ...]:
    window = WEEKS[week].window
    return ((window.start, window.end), "1 week", version, *slice_, column)


def write(writer: Writer, store: Store) -> None:
    """One committed run over two weeks, and one that is not committed and says otherwise."""
    jfk = ("origin", "JFK")
    tables = {
        "profile_metrics": (
            [(*cut(week), "INPUT", 10 * week, float(week), None) for week in (0, 1)]
            + [(*cut(1, version=None), "INPUT", 4, None, None), (*cut(1), "BASELINE", 99, 9.9, None)]
            + [(*cut(1, jfk), "INPUT", 3, 0.5, 12.5)],
            CUT + " log_type count avg percent_null",
        ),
        "drift_metrics": (
            [(*cut(1), "BASELINE", (0.25, 0.01), 0.2, 0.3, 0.125), (*cut(1), "CONSECUTIVE", (0.5, 0.01), 0.4, 0.6, None)],
            CUT + " drift_type ks_test ks_lower ks_upper population_stability_index",
        ),
        "model_metrics": (
            [
                (*cut(1)[:-1], "roc_auc_score", None, "REALISED", 0.7, 0.6, 0.8, "PROVISIONAL", 0.75, START),
                (*cut(1, jfk)[:-1], "roc_auc_score", None, "REALISED", 0.65, 0.5, 0.7, "FINAL", 1.0, START),
            ],
            CUT.removesuffix(" column_name") + " metric class basis value lower upper label_status label_coverage as_of",
        ),
        "checks": (
            [(*cut(0), "c0", "FAIL")]
            + [(*cut(1), f"c{i}", verdict) for i, verdict in enumerate(["PASS", "UNDECIDED", "WARN", "PASS"])]
            + [(*cut(1, jfk), "c9", "FAIL")],
            CUT + " check_id verdict",
        ),
    }  # fmt: skip
    incidents = (
        [("i1", "drift", "a", ["1"], START, None, "OPEN"), ("i2", "drift", "b", ["1"], START, START, "RESOLVED")],
        "incident_id kind column_name model_versions opened resolved status",
    )
    for status in ("COMMITTED", "FAILED"):
        with store.run({**writer.row(MONITOR), "as_of": START + timedelta(weeks=2)}) as run_id:
            week = WEEKS[:2] if status == "COMMITTED" else WEEKS[2:3]
            for name, (rows, columns) in tables.items():
                kept = rows if status == "COMMITTED" else [((week[0].window.start, week[0].window.end), *rows[0][1:])]
                store.replace_windows(name, writer.of(name, kept, columns), monitor_id=MONITOR, windows=week)
            store.replace_monitor("incidents", writer.of("incidents", *incidents), monitor_id=MONITOR)
            store.finish_run(run_id, status=status)


@pytest.fixture(scope="module", params=["schema", "path"])
def place(request: pytest.FixtureRequest, writer: Writer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The prefix of the views' names, in a schema and in a session."""
    by_name = request.param == "schema"
    where = Place(schema=SCHEMA) if by_name else Place(path=str(tmp_path_factory.mktemp("it's views")))
    store = Store(writer.spark, where)
    store.ensure()
    write(writer, store)
    store.register()
    yield f"{SCHEMA}." if by_name else ""
    for name in [*TABLES, *(view.name for view in VIEWS)]:
        writer.spark.catalog.dropTempView(name)
    if by_name:
        writer.spark.sql(f"DROP SCHEMA {SCHEMA} CASCADE")


def rows(spark: SparkSession, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in spark.sql(query).collect()]


def test_latest_status_is_one_row_per_version_with_the_worst_of_its_last_window(spark: SparkSession, place: str) -> None:
    columns = (
        "model_version, unix_seconds(window_start), verdict, slice_verdict, checks_pass, checks_undecided, checks_warn, "
        "checks_fail, label_status, label_coverage, open_incidents, unix_seconds(as_of), last_run_status"
    )
    found = rows(spark, f"SELECT {columns} FROM {place}latest_status WHERE monitor_id = '{MONITOR}' ORDER BY model_version")
    week, as_of = int(WEEKS[1].window.start.timestamp()), int((START + timedelta(weeks=2)).timestamp())
    assert found == [
        (None, week, None, None, 0, 0, 0, 0, None, None, 0, as_of, "FAILED"),
        ("1", week, "WARN", "FAIL", 2, 1, 1, 1, "PROVISIONAL", 0.75, 1, as_of, "FAILED"),
    ]


def test_metric_series_has_every_number_with_its_interval_and_slice(spark: SparkSession, place: str) -> None:
    columns = "metric, column_name, slice, value, lower, upper, model_version, drift_type, family"
    week = f"unix_seconds(time) = {int(WEEKS[1].window.start.timestamp())}"
    found = rows(spark, f"SELECT {columns} FROM {place}metric_series WHERE monitor_id = '{MONITOR}' AND {week}")
    assert sorted(found, key=repr) == sorted(
        [
            ("count", "a", None, 10.0, None, None, "1", None, "profile"),
            ("avg", "a", None, 1.0, None, None, "1", None, "profile"),
            ("count", "a", None, 4.0, None, None, None, None, "profile"),
            ("count", "a", "origin = JFK", 3.0, None, None, "1", None, "profile"),
            ("avg", "a", "origin = JFK", 0.5, None, None, "1", None, "profile"),
            ("percent_null", "a", "origin = JFK", 12.5, None, None, "1", None, "profile"),
            ("ks", "a", None, 0.25, 0.2, 0.3, "1", "BASELINE", "drift"),
            ("population_stability_index", "a", None, 0.125, None, None, "1", "BASELINE", "drift"),
            ("ks", "a", None, 0.5, 0.4, 0.6, "1", "CONSECUTIVE", "drift"),
            ("roc_auc_score", None, None, 0.7, 0.6, 0.8, "1", None, "model"),
            ("roc_auc_score", None, "origin = JFK", 0.65, 0.5, 0.7, "1", None, "model"),
        ],
        key=repr,
    )


def test_open_incidents_are_those_of_the_last_committed_run_that_are_not_resolved(spark: SparkSession, place: str) -> None:
    assert rows(spark, f"SELECT incident_id, column_name FROM {place}open_incidents WHERE monitor_id = '{MONITOR}'") == [
        ("i1", "a")
    ]


def test_label_maturity_is_one_row_per_window_version_and_slice(spark: SparkSession, place: str) -> None:
    columns = "slice_value, label_status, label_coverage"
    found = rows(spark, f"SELECT {columns} FROM {place}label_maturity WHERE monitor_id = '{MONITOR}' ORDER BY slice_value")
    assert found == [(None, "PROVISIONAL", 0.75), ("JFK", "FINAL", 1.0)]


def test_bare_names_are_the_committed_rows_and_the_ledger_shows_all_runs(spark: SparkSession, place: str) -> None:
    assert rows(spark, f"SELECT count(*) FROM profile_metrics WHERE monitor_id = '{MONITOR}'") == [(5,)]
    assert rows(spark, f"SELECT count(*) FROM checks WHERE monitor_id = '{MONITOR}'") == [(6,)]
    assert rows(spark, f"SELECT status, count(*) FROM runs WHERE monitor_id = '{MONITOR}' GROUP BY status ORDER BY status") == [
        ("COMMITTED", 1), ("FAILED", 1),
    ]  # fmt: skip


def test_views_have_the_described_columns_types_and_comments(spark: SparkSession, place: str) -> None:
    for view in VIEWS:
        found = spark.table(f"{place}{view.name}").schema
        assert [(field.name, field.dataType) for field in found] == [(field.name, field.dataType) for field in view.columns]
        if place:
            assert [field.metadata["comment"] for field in found] == [field.metadata["comment"] for field in view.columns]


def test_ensuring_again_leaves_views_alone_and_replaces_those_of_another_version(spark: SparkSession, place: str) -> None:
    if not place:
        return
    Store(spark, Place(schema=SCHEMA)).ensure()
    spark.sql(f"CREATE OR REPLACE VIEW {SCHEMA}.open_incidents AS SELECT 1 AS old")
    Store(spark, Place(schema=SCHEMA)).ensure()
    expected = next(view for view in VIEWS if view.name == "open_incidents")
    assert spark.table(f"{SCHEMA}.open_incidents").columns == [field.name for field in expected.columns]
