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


_LABEL = "concat(monitor_id, ' ', coalesce(model_version, '-'), ' ', metric)"
_COLUMN = "concat(monitor_id, ' ', coalesce(model_version, '-'), ' ', coalesce(column_name, ':table'), ' ', metric)"


def _series(where: str, label: str = _LABEL) -> str:
    return (
        f"SELECT time, monitor_id, {label} AS series, value, lower, upper FROM {{metric_series}} "
        f"WHERE slice IS NULL AND {where} ORDER BY time"
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
    "How every model version stands",
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
    "How well the models do (with labels)",
    "line",
    _series(
        "family = 'model' AND basis = 'REALISED' AND class IS NULL AND metric IN "
        "('roc_auc_score', 'f1_score', 'f1_score_macro', 'root_mean_squared_error')"
    ),
    series="series",
)
ESTIMATED: Final = Panel(
    "estimated",
    "How well they do, estimated before labels come",
    "line",
    _series("family = 'model' AND basis = 'ESTIMATED' AND class IS NULL AND metric IN ('roc_auc_score', 'f1_score')"),
    series="series",
)
MATURITY: Final = Panel(
    "label_maturity",
    "Labels that have come",
    "line",
    "SELECT window_start AS time, monitor_id, concat(monitor_id, ' ', coalesce(model_version, '-')) AS series, "
    "label_coverage AS value FROM {label_maturity} WHERE slice_key IS NULL ORDER BY window_start",
    series="series",
)
DRIFT: Final = Panel(
    "drift",
    "Columns that moved farthest (KS)",
    "line",
    "SELECT time, monitor_id, series, value, lower, upper FROM (SELECT time, monitor_id, "
    f"{_COLUMN} AS series, value, lower, upper, dense_rank() OVER (ORDER BY farthest DESC, {_COLUMN}) AS place FROM ("
    "SELECT s.*, max(value) OVER (PARTITION BY monitor_id, model_version, column_name) AS farthest FROM {metric_series} s "
    "WHERE family = 'drift' AND metric = 'ks' AND drift_type = 'BASELINE' AND slice IS NULL) f) r "
    "WHERE place <= 20 ORDER BY time",
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


def _family(name: str, title: str, family: str) -> Panel:
    return Panel(name, title, "line", _series(f"family = '{family}'", _COLUMN), series="series")


PAGES: Final = (
    Page("on_call", "On call", (COUNTED, ROWS, OPEN, STATUS)),
    Page(
        "data_scientist",
        "Data scientist",
        (PERFORMANCE, ESTIMATED, MATURITY, DRIFT, SLICES, _family("fair", "Fairness", "fairness")),
    ),
    Page(
        "engineer",
        "Engineer",
        (
            MISSING,
            _family("quality", "Quality of the data", "quality"),
            _family("system", "Serving system", "system"),
            _family("pipeline", "Pipelines", "pipeline"),
        ),
    ),
    Page(
        "executive",
        "Product and executive",
        (_family("cost", "Cost", "cost"), _family("custom", "Metrics of your own", "custom"), PERFORMANCE, STATUS),
    ),
)
"""Pages per role; a panel may stand on several."""


def panels() -> dict[str, Panel]:
    """Every panel once, by name."""
    return {panel.name: panel for page in PAGES for panel in page.panels}
