"""What is shown to whom: each panel a query over the views, in SQL that every engine reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["table", "line", "bar", "counter"]


@dataclass(frozen=True)
class Panel:
    """One picture: its query, with ``{name}`` for each view, and which columns it draws.

    ``series`` is the column whose values are lines of their own; ``wide`` takes a whole row of the page.
    """

    name: str
    title: str
    kind: Kind
    sql: str
    x: str = "time"
    y: str = "value"
    series: str | None = None
    columns: tuple[str, ...] = ()
    wide: bool = False


@dataclass(frozen=True)
class Page:
    """The panels of one role."""

    name: str
    title: str
    panels: tuple[Panel, ...]


MOST_LINES: Final = 20
"""Lines of one picture at most: those whose greatest value is greatest."""

_VERSION = "monitor_id, ' ', coalesce(model_version, '-')"
_LABEL = f"concat({_VERSION}, ' ', metric, ', ', granularity)"
_COLUMN = f"concat({_VERSION}, ' ', coalesce(column_name, ':table'), ' ', metric, ', ', granularity)"


def _series(where: str, label: str = _LABEL) -> str:
    """The whole windows' numbers that satisfy a condition, a line per monitor, version, metric and column: the greatest ones."""
    return (
        "SELECT time, monitor_id, series, value, lower, upper FROM (SELECT n.*, dense_rank() OVER (ORDER BY greatest_value DESC, "
        "series) AS place FROM (SELECT time, monitor_id, value, lower, upper, series, max(value) OVER (PARTITION BY series) AS "
        f"greatest_value FROM (SELECT s.*, {label} AS series FROM {{metric_series}} s WHERE slice IS NULL AND {where}) f) n) r "
        f"WHERE place <= {MOST_LINES} ORDER BY time"
    )


OPEN: Final = Panel(
    "open_incidents",
    "Open incidents",
    "table",
    "SELECT monitor_id, severity, title, opened, last_seen, occurrences, owner, runbook FROM {open_incidents} ORDER BY opened",
    columns=("monitor_id", "severity", "title", "opened", "last_seen", "occurrences", "owner", "runbook"),
    wide=True,
)
STATUS: Final = Panel(
    "latest_status",
    "Status of every model version",
    "table",
    "SELECT monitor_id, model_version, granularity, window_start, verdict, slice_verdict, open_incidents, label_status, "
    "label_coverage, as_of FROM {latest_status} ORDER BY open_incidents DESC, monitor_id",
    columns=(
        *("monitor_id", "model_version", "granularity", "window_start", "verdict", "slice_verdict", "open_incidents"),
        *("label_status", "label_coverage", "as_of"),
    ),
    wide=True,
)
COUNTED: Final = Panel(
    "open_count",
    "Open incidents",
    "counter",
    "SELECT monitor_id, count(*) AS value FROM {open_incidents} GROUP BY monitor_id",
)
PERFORMANCE: Final = Panel(
    "performance",
    "Model performance (with labels)",
    "line",
    _series(
        "family = 'model' AND basis = 'REALISED' AND class IS NULL AND metric IN "
        "('roc_auc_score', 'f1_score', 'f1_score_macro', 'root_mean_squared_error')"
    ),
    series="series",
)
ESTIMATED: Final = Panel(
    "estimated",
    "Model performance, estimated before labels arrive",
    "line",
    _series("family = 'model' AND basis = 'ESTIMATED' AND class IS NULL AND metric IN ('roc_auc_score', 'f1_score')"),
    series="series",
)
MATURITY: Final = Panel(
    "label_maturity",
    "Label coverage",
    "line",
    f"SELECT window_start AS time, monitor_id, concat({_VERSION}, ', ', granularity) AS series, "
    "label_coverage AS value FROM {label_maturity} WHERE slice_key IS NULL ORDER BY window_start",
    series="series",
)
DRIFT: Final = Panel(
    "drift",
    "Columns with the largest drift (KS)",
    "line",
    _series("family = 'drift' AND metric = 'ks' AND drift_type = 'BASELINE'", _COLUMN),
    series="series",
)
MISSING: Final = Panel(
    "missing",
    "Percent missing",
    "line",
    _series("family = 'profile' AND metric = 'percent_null' AND value > 0 AND column_name <> ':table'", _COLUMN),
    series="series",
)
ROWS: Final = Panel(
    "rows",
    "Predictions",
    "bar",
    _series("family = 'profile' AND metric = 'count' AND column_name = ':table'"),
    series="series",
)
SLICES: Final = Panel(
    "slices",
    "Slices with the lowest ROC AUC",
    "table",
    "SELECT monitor_id, model_version, slice, value, lower, upper, time FROM {metric_series} WHERE family = 'model' "
    "AND metric = 'roc_auc_score' AND basis = 'REALISED' AND class IS NULL AND slice IS NOT NULL ORDER BY value LIMIT 50",
    columns=("monitor_id", "model_version", "slice", "value", "lower", "upper", "time"),
    wide=True,
)


def _of_family(name: str, title: str, family: str, *metrics: str, kind: Kind = "line", whole: bool = False) -> Panel:
    """A family's numbers that have one unit; ``whole`` leaves out its parts (endpoints, services, columns)."""
    conditions = [f"family = '{family}'"]
    if metrics:
        conditions.append(f"metric IN ({', '.join(repr(metric) for metric in metrics)})")
    if whole:
        conditions.append("column_name = ':table'")
    return Panel(name, title, kind, _series(" AND ".join(conditions), _COLUMN), series="series")


FAULTS: Final = Panel(
    "quality",
    "Data quality (percent of rows)",
    "line",
    _series("family = 'quality' AND metric LIKE 'percent%' AND value > 0", _COLUMN),
    series="series",
)
COST: Final = _of_family("cost", "Cost", "cost", "cost")

PAGES: Final = (
    Page("on_call", "On call", (COUNTED, ROWS, OPEN, STATUS)),
    Page(
        "data_scientist",
        "Data scientist",
        (PERFORMANCE, ESTIMATED, MATURITY, DRIFT, SLICES, _of_family("fair", "Fairness", "fairness")),
    ),
    Page(
        "engineer",
        "Engineer",
        (
            MISSING,
            FAULTS,
            _of_family("freshness", "Age of the newest row (hours)", "quality", "freshness_hours"),
            _of_family("requests", "Requests", "system", "requests", kind="bar", whole=True),
            _of_family("latency", "Latency, 95th percentile (ms)", "system", "latency_p95", whole=True),
            _of_family("failures", "Failed requests (fraction)", "system", "failure_rate", whole=True),
            _of_family("steps", "Step duration (seconds)", "pipeline", "step_seconds"),
            _of_family("broken_steps", "Failed and missed runs", "pipeline", "step_failures", "step_missed_runs"),
        ),
    ),
    Page(
        "executive",
        "Product and executive",
        (
            COST,
            _of_family("unit_cost", "Cost of 1,000 predictions", "cost", "cost_per_1000_predictions"),
            _of_family("budget", "Budget used and forecast (percent)", "cost", "budget_used_percent", "budget_forecast_percent"),
            _of_family("custom", "Custom metrics", "custom"),
            PERFORMANCE,
            STATUS,
        ),
    ),
)
"""Pages per role; a panel may stand on several."""


def panels() -> dict[str, Panel]:
    """Every panel once, by name."""
    return {panel.name: panel for page in PAGES for panel in page.panels}
