"""The views of what is monitored besides predictions: how the service stands, and how much of the budget is spent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pyspark.sql.types import StructField

from spark_monitor.store.described import NUMBER, TEXT, TIMESTAMP, column
from spark_monitor.store.shared_columns import GRANULARITY, MODEL_VERSION, MONITOR

Source = Callable[[str], str]

_VERDICTS = "array('PASS', 'UNDECIDED', 'NO_DATA', 'WARN', 'ERROR', 'FAIL')"
_START = column("window_start", TIMESTAMP, "first timestamp of the last window that was measured")
_END = column("window_end", TIMESTAMP, "first timestamp after it")
_VERDICT = column("verdict", TEXT, "the worst verdict of its checks; NULL where no rule applies")

_SERVICE: Final = {
    "requests": "requests in the window",
    "failed_requests": "requests that failed",
    "failure_rate": "failed requests over those whose outcome is known, 0 to 1",
    "latency_p50": "median latency in milliseconds",
    "latency_p95": "latency in milliseconds that 95 % of the requests keep below",
    "latency_p99": "latency in milliseconds that 99 % of the requests keep below",
    "latency_ks": "KS distance of the latencies from those of the windows before",
    "cpu_percent_p95": "processor use in percent that 95 % of the reports keep below",
    "gpu_percent_p95": "accelerator use in percent that 95 % of the reports keep below",
    "memory_bytes_max": "greatest memory in use, in bytes",
    "active_hosts": "machines that answered or reported",
    "active_clusters": "clusters that answered or reported",
    "requests_per_second_max": "the most requests of one second",
    "lost_predictions_percent": "requests that did not fail and have no prediction, in percent",
}
SERVICE_COLUMNS: Final[tuple[StructField, ...]] = (
    MONITOR,
    GRANULARITY,
    column("endpoint", TEXT, "the endpoint; :table for all together"),
    MODEL_VERSION,
    _START,
    _END,
    *(column(name, NUMBER, comment) for name, comment in _SERVICE.items()),
    column("failure_rate_lower", NUMBER, "lower end of the failure rate's 95 % interval"),
    column("failure_rate_upper", NUMBER, "upper end of it"),
    column("latency_p95_lower", NUMBER, "lower end of the 95 % interval of latency_p95"),
    column("latency_p95_upper", NUMBER, "upper end of it; NULL where nothing bounds it"),
    column("slowest_hosts", TEXT, "the machines with the greatest mean latency"),
    column("status", TEXT, "OK, or EMPTY where nothing was asked"),
    column("message", TEXT, "one sentence about the requests, where there is one"),
    _VERDICT,
)

_BUDGET: Final = {
    "cost": "what the window cost; NULL in several currencies",
    "cost_per_1000_predictions": "the same for each 1,000 predictions",
    "budget_used_percent": "what the budget's period has cost so far, in percent of the budget",
    "budget_forecast_percent": "what it will have cost at its end, in percent of the budget",
}
BUDGET_COLUMNS: Final[tuple[StructField, ...]] = (
    MONITOR,
    GRANULARITY,
    _START,
    _END,
    *(column(name, NUMBER, comment) for name, comment in _BUDGET.items()),
    column("budget_forecast_lower", NUMBER, "lower end of the forecast's 95 % interval"),
    column("budget_forecast_upper", NUMBER, "upper end of it"),
    column("currency", TEXT, "the currency of cost"),
    column("budget", TEXT, "the budget in words"),
    column("status", TEXT, "OK, PARTIAL where days are missing, MIXED_CURRENCIES, or EMPTY"),
    column("message", TEXT, "one sentence that explains a status other than OK"),
    _VERDICT,
)


def service_status(source: Source) -> str:
    """How every endpoint and version stood in its last window."""
    more = (
        _bound("failure_rate", "lower", "failure_rate_lower"),
        _bound("failure_rate", "upper", "failure_rate_upper"),
        _bound("latency_p95", "lower", "latency_p95_lower"),
        _bound("latency_p95", "upper", "latency_p95_upper"),
        "max(try_element_at(details, 'slowest_hosts')) FILTER (WHERE metric = 'latency_p95') AS slowest_hosts",
        _of_requests("status"),
        _of_requests("message"),
    )
    measured = ", ".join((*(_bound(name, "value", name) for name in _SERVICE), *more))
    key = "monitor_id, granularity, column_name, model_version"
    shown = ", ".join(f"m.{field.name}" for field in SERVICE_COLUMNS[6:-1])
    return _last(
        source,
        dataset="operations",
        family="system",
        key=key,
        measured=measured,
        shown=f"m.monitor_id, m.granularity, m.column_name AS endpoint, m.model_version, m.window_start, m.window_end, {shown}",
    )


def budget_status(source: Source) -> str:
    """How much every monitor's last window cost, and how its budget stands."""
    more = (
        _bound("budget_forecast_percent", "lower", "budget_forecast_lower"),
        _bound("budget_forecast_percent", "upper", "budget_forecast_upper"),
        _bound("cost", "unit", "currency"),
        "max(try_element_at(details, 'budget')) AS budget",
        _bound("cost", "status", "status"),
        _bound("cost", "message", "message"),
    )
    measured = ", ".join((*(_bound(name, "value", name) for name in _BUDGET), *more))
    shown = ", ".join(f"m.{field.name}" for field in BUDGET_COLUMNS[:-1])
    key = "monitor_id, granularity, column_name, model_version"
    return _last(source, dataset="costs", family="cost", key=key, measured=measured, shown=shown, together=True)


def _bound(metric: str, what: str, name: str) -> str:
    return f"max({what}) FILTER (WHERE metric = '{metric}' AND class IS NULL) AS {name}"


def _of_requests(what: str) -> str:
    """The message about the requests; of a window that finer ones make up, that about the predictions that are lost."""
    of = {metric: f"max({what}) FILTER (WHERE metric = '{metric}')" for metric in ("requests", "lost_predictions_percent")}
    counted = "count(*) FILTER (WHERE metric = 'requests') > 0"
    return f"CASE WHEN {counted} THEN {of['requests']} ELSE {of['lost_predictions_percent']} END AS {what}"


def _last(source: Source, *, dataset: str, family: str, key: str, measured: str, shown: str, together: bool = False) -> str:
    """The last window of each key, one row with its metrics beside each other, and the worst verdict of its checks."""
    names = key.split(", ")
    same = " AND ".join(f"m.{name} <=> c.{name}" for name in names)
    joined = " AND ".join(f"a.{name} <=> l.{name}" for name in names)
    selected_keys = ", ".join(f"a.{name}" for name in names)
    only = " AND column_name = ':table' AND model_version IS NULL" if together else ""
    rows = f"SELECT * FROM {source('metrics')} WHERE dataset = '{dataset}' AND slice_key IS NULL{only}"
    return f"""
WITH rows AS ({rows}),
last AS (SELECT {key}, max(`window`) AS `window` FROM rows GROUP BY {key}),
measured AS (
  SELECT {selected_keys}, a.`window`.`start` AS window_start, a.`window`.`end` AS window_end, {measured}
  FROM rows a JOIN last l ON {joined} AND a.`window` = l.`window` GROUP BY {selected_keys}, a.`window`),
judged AS (
  SELECT {key}, `window`.`start` AS window_start,
    element_at({_VERDICTS}, CAST(max(array_position({_VERDICTS}, verdict)) AS int)) AS verdict
  FROM {source("checks")} WHERE family = '{family}' GROUP BY {key}, `window`)
SELECT {shown}, c.verdict
FROM measured m LEFT JOIN judged c ON {same} AND m.window_start = c.window_start"""
