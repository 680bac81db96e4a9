"""The views of a service and a budget, by DuckDB over rows made by hand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from spark_monitor.store.local_views import translated
from spark_monitor.store.view_sql import VIEWS

WINDOW = pa.struct([("start", pa.timestamp("us")), ("end", pa.timestamp("us"))])
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("monitor_id", "granularity", "model_version", "slice_key", "dataset", "column_name")),
        *((name, pa.string()) for name in ("metric", "class", "unit", "status", "message")),
        *((name, pa.float64()) for name in ("value", "lower", "upper")),
        ("window", WINDOW),
        ("details", pa.map_(pa.string(), pa.string())),
    ]
)
CHECKS = pa.schema(
    [
        *((name, pa.string()) for name in ("monitor_id", "granularity", "model_version", "column_name", "family", "verdict")),
        ("window", WINDOW),
    ]
)


def day(number: int) -> dict[str, datetime]:
    return {"start": datetime(2024, 1, number), "end": datetime(2024, 1, number + 1)}


def row(number: int, dataset: str, metric: str, value: float | None, column: str = ":table", **more: Any) -> dict[str, Any]:
    told = {"monitor_id": "m", "granularity": "1 day", "dataset": dataset, "column_name": column, "metric": metric}
    return {**told, "value": value, "status": "OK", "window": day(number), **more}


def asked(name: str, rows: list[dict[str, Any]], checks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    connection = duckdb.connect()
    connection.register("metrics", pa.Table.from_pylist(rows, schema=SCHEMA))
    connection.register("checks", pa.Table.from_pylist(checks, schema=CHECKS))
    [view] = [view for view in VIEWS if view.name == name]
    table = connection.sql(translated(view.select(lambda table: f"(SELECT * FROM {table})"))).to_arrow_table()
    assert table.column_names == [field.name for field in view.columns]
    found: list[dict[str, Any]] = table.to_pylist()
    return found


def test_a_service_is_shown_by_the_last_window_of_each_endpoint() -> None:
    rows = [row(1, "operations", "requests", 5.0), row(2, "operations", "requests", 7.0), row(2, "costs", "cost", 1.0)]
    rows += [row(2, "operations", "failure_rate", 0.1, lower=0.05, upper=0.2)]
    rows += [row(2, "operations", "latency_p95", 80.0, details=[("slowest_hosts", "a 9 ms")])]
    rows += [row(1, "operations", "requests", 0.0, "predict", status="EMPTY", message="No request in this window.")]
    known = {"monitor_id": "m", "granularity": "1 day", "family": "system", "column_name": ":table", "window": day(2)}
    found = {
        one["endpoint"]: one
        for one in asked("service_status", rows, [{**known, "verdict": "FAIL"}, {**known, "verdict": "PASS"}])
    }
    whole = found[":table"]
    assert (whole["requests"], whole["failure_rate"], whole["failure_rate_upper"], whole["verdict"]) == (7.0, 0.1, 0.2, "FAIL")
    assert whole["slowest_hosts"] == "a 9 ms"
    assert (found["predict"]["status"], found["predict"]["verdict"]) == ("EMPTY", None)


def test_predictions_that_are_lost_are_shown_where_the_log_has_windows_of_its_own() -> None:
    rows = [row(1, "operations", "requests", 5.0, granularity="1 hour")]
    rows += [row(1, "operations", "lost_predictions_percent", None, status="UNDEFINED", message="3 of 24 are not known.")]
    rows += [row(1, "operations", "lost_predictions_percent", 4.0, model_version="1")]
    found = {(one["granularity"], one["model_version"]): one for one in asked("service_status", rows, [])}
    assert (found["1 hour", None]["requests"], found["1 hour", None]["status"]) == (5.0, "OK")
    assert (found["1 day", None]["status"], found["1 day", None]["message"]) == ("UNDEFINED", "3 of 24 are not known.")
    assert (found["1 day", "1"]["lost_predictions_percent"], found["1 day", "1"]["status"]) == (4.0, "OK")


def test_a_budget_is_shown_in_one_row_whatever_the_services_and_currencies() -> None:
    rows = [row(1, "costs", "cost", 4.0, unit="EUR"), row(1, "costs", "cost", 3.0, "search", unit="EUR")]
    rows += [row(1, "costs", "cost", 9.0, unit="USD", **{"class": "USD"})]
    rows += [row(1, "costs", "budget_used_percent", 40.0, details=[("budget", "10 EUR per month")])]
    [found] = asked("budget_status", rows, [])
    assert (found["cost"], found["currency"], found["budget"]) == (4.0, "EUR", "10 EUR per month")
    assert found["budget_used_percent"] == 40.0
