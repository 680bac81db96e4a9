"""The views: flat and typed, for dashboards and for people; each is one SELECT over committed rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pyspark.sql.types import StructField

from spark_monitor.store.dataset_views import BUDGET_COLUMNS, SERVICE_COLUMNS, budget_status, service_status
from spark_monitor.store.described import COUNT, NUMBER, TEXT, TIMESTAMP, column, list_of
from spark_monitor.store.image_sql import BELOW, VALUES
from spark_monitor.store.series_sql import Source, metric_series
from spark_monitor.store.shared_columns import (
    GRANULARITY,
    MODEL_VERSION,
    MONITOR,
    OWNER,
    RUNBOOK,
    SEVERITY,
    SLICE_KEY,
    SLICE_VALUE,
)

VERDICTS: Final = ("PASS", "UNDECIDED", "NO_DATA", "WARN", "ERROR", "FAIL")
"""From the best to the worst."""

WINDOW_START = column("window_start", TIMESTAMP, "first timestamp of the window")
WINDOW_END = column("window_end", TIMESTAMP, "first timestamp after the window")
AS_OF = column("as_of", TIMESTAMP, "as-of of the monitor's last run that ended well, whether it found anything new or not")


@dataclass(frozen=True)
class View:
    """A view: what a row is, its columns, and the SELECT that makes it from the tables."""

    name: str
    one_row_per: str
    columns: tuple[StructField, ...]
    select: Callable[[Source], str]


def open_incidents(source: Source) -> str:
    """The incidents that are not resolved."""
    return (
        "SELECT monitor_id, incident_id, kind, title, diagnosis, severity, status, dataset, column_name, slice_key, slice_value, "
        "model_versions, opened, last_seen, occurrences, checks, "
        "CASE WHEN size(causes) > 0 THEN causes[0].sentence END AS first_cause, owner, runbook, "
        f"acknowledged_by, muted_until, notified_at FROM {source('incidents')} WHERE resolved IS NULL"
    )


def label_maturity(source: Source) -> str:
    """How complete each window's labels are, as of the newest run: of both values together, for DuckDB passes over a NULL."""
    key = "monitor_id, granularity, `window`, model_version, slice_key, slice_value"
    newest = (
        f"SELECT {key}, max_by(struct(label_status, label_coverage), as_of) AS labels, max(as_of) AS as_of "
        f"FROM {source('model_metrics')} WHERE (basis = 'REALISED' OR basis IS NULL) "
        f"AND log_type IS DISTINCT FROM 'BASELINE' GROUP BY {key}"
    )
    return (
        "SELECT monitor_id, granularity, `window`.`start` AS window_start, `window`.`end` AS window_end, model_version, "
        "slice_key, slice_value, labels.label_status AS label_status, labels.label_coverage AS label_coverage, as_of "
        f"FROM ({newest})"
    )


def histograms(source: Source) -> str:
    """The cells of every stored state between their edges: an edge of the grid is a bar without width.

    Strings that are none of the categories have no cell: they are what a state's cells lack of its values. Small states are
    stored without cells, which follow from their sketches' values.
    """
    one = "monitor_id, grid_id, column_name"
    frames = (
        f"SELECT {one}, any_value(grid) AS grid, any_value(categories) AS categories FROM {source('baselines')} "
        f"WHERE slice_key IS NULL AND name IS NULL AND grid_id IS NOT NULL GROUP BY {one}"
    )
    alike = "s.monitor_id = f.monitor_id AND s.grid_id = f.grid_id AND s.column_name = f.column_name"
    flat = "time, monitor_id, model_version, granularity, slice_key, slice_value, column_name"
    dimensions = "time, s.monitor_id, model_version, granularity, slice_key, slice_value, s.column_name"
    state = "`window`.`start` AS time, monitor_id, model_version, granularity, slice_key, slice_value, column_name, grid_id"
    present = "count - num_nulls AS present"
    states = f"FROM {source('profile_states')} WHERE log_type = 'INPUT'"
    finite = "count - num_nulls - num_nan - num_positive_inf - num_negative_inf"
    small = "AND cells IS NULL AND sketch IS NOT NULL AND grid_id IS NOT NULL"
    exploded = f"SELECT {state}, {present}, min, max, explode(cells) AS one {states}"
    # The casts tell sqlglot that these are numbers: DuckDB counts members from 1.
    below, above = "CAST((one.cell + 1) DIV 2 AS int) - 1", "CAST(one.cell DIV 2 AS int)"
    lower = f"CASE WHEN grid IS NULL THEN NULL WHEN one.cell > 0 THEN grid[{below}] ELSE min END"
    upper = f"CASE WHEN grid IS NULL THEN NULL WHEN one.cell < 2 * size(grid) THEN grid[{above}] ELSE max END"
    category = "CASE WHEN categories IS NOT NULL THEN categories[CAST(one.cell AS int)] END"
    counted = (
        f"SELECT time, monitor_id, model_version, granularity, slice_key, slice_value, column_name, grid_id, present, "
        f"one.n AS n FROM ({exploded}) UNION ALL SELECT {state}, {present}, CAST(0 AS bigint) AS n {states}"
    )
    of_values = f"SELECT {state}, min, max, explode({VALUES}) AS value FROM (SELECT *, {finite} AS finite {states} {small})"
    edge = "CASE WHEN below < size(grid) THEN grid[CAST(below AS int)] END"
    counted_below = (
        f"SELECT {dimensions}, min, max, grid, value, {BELOW} AS below FROM ({of_values}) s JOIN ({frames}) f ON {alike}"
    )
    beside = f"SELECT *, {edge} AS above FROM ({counted_below})"
    under = "CASE WHEN above = value THEN value WHEN below > 0 THEN grid[CAST(below AS int) - 1] ELSE min END"
    placed = f"SELECT {flat}, {under} AS lower_edge, coalesce(above, max) AS upper_edge FROM ({beside})"
    return (
        f"SELECT {dimensions}, {lower} AS lower_edge, {upper} AS upper_edge, {category} AS category, one.n AS n "
        f"FROM ({exploded}) s JOIN ({frames}) f ON {alike} "
        f"UNION ALL SELECT {flat}, lower_edge, upper_edge, CAST(NULL AS string), count(*) AS n FROM ({placed}) "
        f"GROUP BY {flat}, lower_edge, upper_edge "
        f"UNION ALL SELECT {dimensions}, CAST(NULL AS double), CAST(NULL AS double), CAST(NULL AS string), present - sum(n) AS n "
        f"FROM ({counted}) s JOIN ({frames}) f ON {alike} WHERE categories IS NOT NULL "
        f"GROUP BY {dimensions}, present HAVING present - sum(n) > 0"
    )


def latest_status(source: Source) -> str:
    """How every model version stood in its last window."""
    key = "monitor_id, granularity, model_version"
    same = "AND ".join(f"{{0}}.{name} <=> {{1}}.{name} " for name in key.split(", "))
    rank = f"array_position(array({', '.join(map(repr, VERDICTS))}), verdict)"
    worst = f"element_at(array({', '.join(map(repr, VERDICTS))}), CAST(max({rank}) FILTER (WHERE {{0}}) AS int))"
    counts = ", ".join(f"count_if(verdict = '{verdict}') AS {_count_name(verdict)}" for verdict in VERDICTS)
    filled = ", ".join(f"coalesce(c.{_count_name(verdict)}, 0) AS {_count_name(verdict)}" for verdict in VERDICTS)
    return f"""
WITH last AS (SELECT {key}, max(`window`) AS `window` FROM {source("profile_metrics")} WHERE log_type = 'INPUT' GROUP BY {key}),
judged AS (
  SELECT {key}, `window`, {worst.format("slice_key IS NULL")} AS verdict,
    {worst.format("slice_key IS NOT NULL")} AS slice_verdict,
    {counts} FROM {source("checks")} GROUP BY {key}, `window`),
labelled AS (
  SELECT {key}, window_start, label_status, label_coverage FROM ({label_maturity(source)}) WHERE slice_key IS NULL),
opened AS (
  SELECT monitor_id, model_version, count(*) AS incidents FROM ({open_incidents(source)})
    LATERAL VIEW OUTER explode(model_versions) v AS model_version GROUP BY monitor_id, model_version),
ran AS (
  SELECT monitor_id, max(as_of) FILTER (WHERE status IN ('COMMITTED', 'NOTHING_NEW')) AS as_of,
    max_by(status, struct(started, run_id)) AS last_run_status FROM {source("runs")} GROUP BY monitor_id)
SELECT l.monitor_id, l.granularity, l.model_version, l.`window`.`start` AS window_start, l.`window`.`end` AS window_end,
  c.verdict, c.slice_verdict, {filled}, m.label_status, m.label_coverage, coalesce(o.incidents, 0) AS open_incidents,
  r.as_of, r.last_run_status
FROM last l
LEFT JOIN judged c ON {same.format("l", "c")} AND l.`window` = c.`window`
LEFT JOIN labelled m ON {same.format("l", "m")} AND l.`window`.`start` = m.window_start
LEFT JOIN opened o ON l.monitor_id = o.monitor_id AND l.model_version <=> o.model_version
LEFT JOIN ran r ON l.monitor_id = r.monitor_id"""


def _count_name(verdict: str) -> str:
    return f"checks_{verdict.lower()}"


VIEWS: Final = (
    View(
        "latest_status",
        "monitor x granularity x model_version: its last window",
        (
            MONITOR,
            GRANULARITY,
            MODEL_VERSION,
            WINDOW_START,
            WINDOW_END,
            column("verdict", TEXT, "the worst verdict of the checks of all rows; NULL where no rule applies"),
            column("slice_verdict", TEXT, "the worst verdict of the checks of slices"),
            *(column(_count_name(verdict), COUNT, f"checks of the window with verdict {verdict}") for verdict in VERDICTS),
            column("label_status", TEXT, "NO_LABELS, PROVISIONAL or FINAL"),
            column("label_coverage", NUMBER, "fraction of the window's rows that have a label, 0 to 1"),
            column("open_incidents", COUNT, "incidents of this version that are not resolved"),
            AS_OF,
            column("last_run_status", TEXT, "how the monitor's last run ended: COMMITTED, NOTHING_NEW, FAILED, or RUNNING"),
        ),
        latest_status,
    ),
    View(
        "metric_series",
        "number: every metric of every window below each other, for charts",
        (
            column("time", TIMESTAMP, "first timestamp of the window"),
            MONITOR,
            MODEL_VERSION,
            column("metric", TEXT, "the metric, as rules name it"),
            column("column_name", TEXT, "the monitored column; :table for all together; NULL for model metrics"),
            column("slice", TEXT, "the slice as key = value; NULL: all rows"),
            column("value", NUMBER, "the metric's value"),
            column("lower", NUMBER, "lower end of its interval, where it has one"),
            column("upper", NUMBER, "upper end of its interval, where it has one"),
            GRANULARITY,
            column("family", TEXT, "profile, drift, model, or the family of a row of metrics"),
            column("class", TEXT, "the class a model metric is about; NULL: all"),
            column("drift_type", TEXT, "what drift is measured from: BASELINE, CONSECUTIVE, SEASONAL or ROLLING"),
            column("basis", TEXT, "what a model metric is computed from: REALISED (from labels) or ESTIMATED (before they come)"),
        ),
        metric_series,
    ),
    View(
        "histograms",
        "cell of a state that holds rows, for charts of distributions",
        (
            column("time", TIMESTAMP, "first timestamp of the window"),
            MONITOR,
            MODEL_VERSION,
            GRANULARITY,
            SLICE_KEY,
            SLICE_VALUE,
            column("column_name", TEXT, "the monitored column"),
            column("lower_edge", NUMBER, "the edge below the cell, the least value where there is none; NULL for strings"),
            column(
                "upper_edge", NUMBER, "the edge above, the greatest value where there is none; the edge itself where it is one"
            ),
            column("category", TEXT, "the category of a column of strings; NULL for numbers, and for all values that are none"),
            column("n", COUNT, "values in it; NaN and infinities are in none"),
        ),
        histograms,
    ),
    View(
        "open_incidents",
        "incident that is not resolved",
        (
            MONITOR,
            column("incident_id", TEXT, "the incident"),
            column("kind", TEXT, "what it is"),
            column("title", TEXT, "what, and where, in a few words"),
            column("diagnosis", TEXT, "what, where, since when, how much, in one sentence"),
            SEVERITY,
            column("status", TEXT, "OPEN, ACKNOWLEDGED or MUTED"),
            column("dataset", TEXT, "predictions, operations, pipelines or costs"),
            column("column_name", TEXT, "the column, endpoint, step or service; NULL where it is about several or none"),
            SLICE_KEY,
            SLICE_VALUE,
            column("model_versions", list_of(TEXT), "the model versions in which checks failed"),
            column("opened", TIMESTAMP, "start of the first window that shows it"),
            column("last_seen", TIMESTAMP, "end of the last window that failed"),
            column("occurrences", COUNT, "windows that failed"),
            column("checks", COUNT, "checks that failed"),
            column("first_cause", TEXT, "the first cause to look at, in one sentence; NULL: none is known"),
            OWNER,
            RUNBOOK,
            column("acknowledged_by", TEXT, "who has acknowledged it"),
            column("muted_until", TIMESTAMP, "until when nobody is notified of it"),
            column("notified_at", TIMESTAMP, "when somebody was notified; NULL: nobody yet"),
        ),
        open_incidents,
    ),
    View(
        "label_maturity",
        "window x granularity x model_version x slice with model metrics",
        (
            MONITOR,
            GRANULARITY,
            WINDOW_START,
            WINDOW_END,
            MODEL_VERSION,
            SLICE_KEY,
            SLICE_VALUE,
            column("label_status", TEXT, "NO_LABELS, PROVISIONAL (labels may still come) or FINAL"),
            column("label_coverage", NUMBER, "fraction of the rows that have a label, 0 to 1"),
            column("as_of", TIMESTAMP, "as-of of the run that measured it last"),
        ),
        label_maturity,
    ),
    View("service_status", "monitor x granularity x endpoint x model_version: its last window", SERVICE_COLUMNS, service_status),
    View(
        "budget_status", "monitor x granularity: its last window's cost, and how the budget stands", BUDGET_COLUMNS, budget_status
    ),
)
