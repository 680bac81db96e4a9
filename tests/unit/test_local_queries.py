"""A query that is answered without Spark gives Spark's answer, or is left to Spark."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from tables_written import write_tables
from test_insight_queries import example_rows

from spark_monitor.errors import ConfigError
from spark_monitor.store.local_views import asked, translated
from spark_monitor.store.view_sql import label_maturity

TABLE = "(SELECT [10, 20, 30] AS a, 1 AS i, 1.7 AS x, -7 AS y)"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT a[i] FROM t",
        "SELECT a[i + 0] FROM t",
        "SELECT a[-1] FROM t",
        "SELECT slice(a, 2, 2) FROM t",
        "SELECT CAST(x AS INT) FROM t",
        "SELECT x::bigint FROM t",
        "SELECT CAST(x AS STRING) FROM t",
        "SELECT y DIV 2 FROM t",
        "SELECT y % 2 FROM t",
        "SELECT max_by(a, x) FROM t",
        "SELECT round(x, 1) FROM t",
    ],
)
def test_what_the_engines_could_answer_differently_is_left_to_spark(query: str) -> None:
    with pytest.raises(ConfigError, match="is left to Spark"):
        asked(query)


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("SELECT a[0] FROM t", 10),
        ("SELECT a[2] FROM t WHERE x > 1 AND i IN (1, 2)", 30),
        ("SELECT count(*) FILTER (WHERE y < 0) FROM t", 1),
        ("SELECT coalesce(NULLIF(i, 1), size(a)) FROM t", 3),
    ],
)
def test_what_means_the_same_is_answered_at_once(query: str, value: int) -> None:
    assert duckdb.sql(asked(query).replace("FROM t", f"FROM {TABLE} t")).fetchall() == [(value,)]


@pytest.mark.parametrize("place", ["CAST(i AS int)", "CAST(i + 1 AS int)", "1"])
def test_views_count_members_from_nought_in_both_engines(place: str) -> None:
    [[found]] = duckdb.sql(translated(f"SELECT a[{place}] FROM t").replace("FROM t", f"FROM {TABLE} t")).fetchall()
    assert found == [10, 20, 30][2 if "+" in place else 1]


@pytest.mark.parametrize("zone", ["UTC", "America/St_Johns", "Asia/Kolkata"])
def test_timestamps_of_a_query_are_those_of_utc_on_a_machine_of_any_zone(tmp_path: Path, zone: str) -> None:
    write_tables(tmp_path, example_rows())
    program = f"""
from spark_monitor.store import local_views
from spark_monitor.store.local import LocalTables
tables = LocalTables({str(tmp_path)!r})
[[first]] = tables.connection.execute('SELECT min("window".start) FROM profile_metrics').fetchall()
for literal in (f"TIMESTAMP '{{first}}Z'", f"TIMESTAMP '{{first}}+00:00'", f"TIMESTAMP '{{first}}'"):
    query = local_views.asked(f"SELECT count(*) FROM profile_metrics WHERE window.start = {{literal}}")
    print(*tables.connection.execute(query).fetchall()[0])
"""
    path = os.pathsep.join(sys.path)
    own = {**os.environ, "TZ": zone, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=own, timeout=120, check=False)
    assert not done.returncode, done.stderr
    counts = [int(line) for line in done.stdout.split()]
    assert counts[0] > 0
    assert counts == counts[:1] * 3


def test_the_newest_run_tells_a_windows_labels_where_what_it_tells_is_null() -> None:
    """Spark's max_by gives the value beside the greatest timestamp; DuckDB's passes over one that is NULL."""
    edges = "{'start': TIMESTAMP '2024-01-01', 'end': TIMESTAMP '2024-01-08'} AS \"window\""
    where = "'REALISED' AS basis, 'INPUT' AS log_type, 'm' AS monitor_id, '1 week' AS granularity, '1' AS model_version"
    known = "NULL AS slice_key, NULL AS slice_value"
    rows = [("2024-02-01", "'FINAL'", "0.5"), ("2024-02-02", "'NO_LABELS'", "NULL::DOUBLE")]
    selects = [
        f"SELECT {edges}, {where}, {known}, TIMESTAMP '{as_of}' AS as_of, {status} AS label_status, {coverage} AS label_coverage"
        for as_of, status, coverage in rows
    ]
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE model_metrics AS {' UNION ALL '.join(selects)}")
        view = translated(label_maturity(lambda table: table))
        found = connection.execute(f"SELECT label_status, label_coverage, window_start, as_of FROM ({view})").fetchall()
    assert found == [("NO_LABELS", None, datetime(2024, 1, 1), datetime(2024, 2, 2))]
