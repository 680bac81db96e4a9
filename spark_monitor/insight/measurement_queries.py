"""SQL over what was measured: predictions, drift and model metrics. Every answer is bounded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.insight.rows import CountRow, DriftRow, ModelRow
from spark_monitor.insight.scope import (
    HISTORY_WINDOWS,
    MOST_CHECKS,
    MOST_VERSIONS,
    MOST_WINDOWS,
    MOVERS,
    SHIFTS,
    WORST_SLICES,
    Scope,
    against_baseline,
    at_latest,
    in_windows,
    is_in_windows,
    most_rows,
    of_monitor,
    one_of,
    same,
    window_in,
)
from spark_monitor.insight.tables import Tables

CUT = "model_version, window_start, window_end"
MODEL_COLUMNS = (
    f"{CUT}, slice_key, slice_value, metric, value, lower, upper, count, label_coverage, label_status, status, message, basis"
)
DRIFT_COLUMNS = f"{CUT}, slice_key, slice_value, column_name, ks_test_statistic, ks_population_lower, ks_population_upper"
MOST_RANKS = 5
BY_WINDOW = "PARTITION BY model_version, window_start"


def recent_counts(tables: Tables, scope: Scope) -> list[CountRow]:
    """Predictions per version in its latest windows, and in the windows of the scope; latest first."""
    inner = (
        f"SELECT {CUT}, count AS rows_counted, row_number() OVER (PARTITION BY model_version ORDER BY window_start DESC) AS age "
        f"FROM {tables.relation('profile_metrics')} WHERE {of_monitor(tables, scope)} AND slice_key IS NULL "
        f"AND column_name = '{TABLE_ROW}' AND log_type = 'INPUT'"
    )
    most = MOST_VERSIONS * (HISTORY_WINDOWS + MOST_WINDOWS)
    rows = tables.ask(
        f"SELECT * FROM ({inner}) q WHERE age <= {HISTORY_WINDOWS} OR {is_in_windows(scope)} "
        f"ORDER BY window_start DESC, model_version LIMIT {most}"
    )
    return [CountRow(row["model_version"], window_in(row), int(row["rows_counted"] or 0)) for row in rows]


def model_series(tables: Tables, scope: Scope, metrics: Sequence[str], *, basis: str = "REALISED") -> list[ModelRow]:
    """Metrics of all rows, by their names: at most one row per metric, version and window."""
    rows = tables.ask(
        f"SELECT {MODEL_COLUMNS} FROM {tables.relation('model_metrics')} WHERE {in_windows(tables, scope)} "
        f"AND {_of_basis(basis)} AND slice_key IS NULL AND {one_of(tables, 'metric', metrics)} LIMIT {most_rows(len(metrics))}"
    )
    return [_model_row(row) for row in rows]


def worst_slices(
    tables: Tables, scope: Scope, metric: str, *, higher_is_better: bool, most: int = WORST_SLICES
) -> list[ModelRow]:
    """The slices that are surely worst: per version and window those whose interval's better end is worst."""
    order = "upper ASC NULLS LAST" if higher_is_better else "lower DESC NULLS LAST"
    ranked = (
        f"SELECT {MODEL_COLUMNS}, row_number() OVER ({BY_WINDOW} ORDER BY {order}, slice_key, slice_value) AS place "
        f"FROM {tables.relation('model_metrics')} WHERE {in_windows(tables, scope)} AND {_of_basis('REALISED')} "
        f"AND metric = {tables.literal(metric)} AND slice_key IS NOT NULL AND value IS NOT NULL"
    )
    rows = tables.ask(f"SELECT * FROM ({ranked}) q WHERE place <= {most} ORDER BY place LIMIT {most_rows(most)}")
    return [_model_row(row) for row in rows]


def searched_slices(tables: Tables, scope: Scope) -> list[ModelRow]:
    """The slices that the search for the worst ones named, the worst first, each with the metric by which it was found."""
    rows = tables.ask(
        f"SELECT {CUT}, class, value, lower, upper, count, message, details FROM {tables.relation('metrics')} "
        f"WHERE {in_windows(tables, scope)} AND metric = 'worst_slice' AND value IS NOT NULL "
        f"ORDER BY class LIMIT {most_rows(MOST_RANKS)}"
    )
    return [_searched_row(row, dict(row["details"] or {})) for row in rows]


def _searched_row(row: Mapping[str, Any], details: Mapping[str, str]) -> ModelRow:
    measured = {name: row[name] for name in ("lower", "upper", "count", "message")}
    where, metric, key = (row["model_version"], window_in(row)), details.get("metric", ""), details.get("slice_key")
    return ModelRow(*where, metric, row["value"], slice_key=key, slice_value=details.get("slice_value"), **measured)


def slice_series(tables: Tables, scope: Scope, metric: str, slices: Iterable[tuple[str, str | None]]) -> list[ModelRow]:
    """A metric of a few slices in all windows of the scope."""
    wanted = sorted(set(slices), key=repr)
    if not wanted:
        return []
    named = " OR ".join(f"(slice_key = {tables.literal(key)} AND {same(tables, 'slice_value', value)})" for key, value in wanted)
    rows = tables.ask(
        f"SELECT {MODEL_COLUMNS} FROM {tables.relation('model_metrics')} WHERE {in_windows(tables, scope)} "
        f"AND {_of_basis('REALISED')} AND metric = {tables.literal(metric)} AND ({named}) LIMIT {most_rows(len(wanted))}"
    )
    return [_model_row(row) for row in rows]


def moved_columns(
    tables: Tables, scope: Scope, latest: Mapping[str | None, datetime], also: Iterable[str], *, most: int = MOVERS
) -> list[DriftRow]:
    """KS in all windows of the scope, of the columns that moved farthest in any of them or in the latest, and of some more."""
    of_column = "PARTITION BY model_version, column_name"
    farthest = (
        f"SELECT {DRIFT_COLUMNS}, max(ks_test_statistic) OVER ({of_column}) AS ever, "
        f"max(CASE WHEN {at_latest(tables, latest)} THEN ks_test_statistic END) OVER ({of_column}) AS now, "
        f"max(ks_test_statistic) OVER ({BY_WINDOW}) AS greatest FROM {tables.relation('drift_metrics')} "
        f"WHERE {in_windows(tables, scope)} AND {_numeric_drift(tables)} AND slice_key IS NULL"
    )
    ranks = ", ".join(
        f"dense_rank() OVER (PARTITION BY model_version ORDER BY {name} DESC NULLS LAST, column_name) AS {name}_place"
        for name in ("ever", "now")
    )
    chosen = f"ever_place <= {most} OR (now IS NOT NULL AND now_place <= {SHIFTS}) OR {one_of(tables, 'column_name', also)}"
    rows = tables.ask(
        f"SELECT * FROM (SELECT f.*, {ranks} FROM ({farthest}) f) q WHERE {chosen} "
        f"ORDER BY ever_place, column_name, window_start LIMIT {most_rows(most + SHIFTS + MOST_CHECKS)}"
    )
    return [replace(_drift_row(row), greatest=row["greatest"]) for row in rows]


def drifted_slices(tables: Tables, scope: Scope, *, most: int = WORST_SLICES) -> list[DriftRow]:
    """The slices and columns whose distance is surely greatest: by the interval's lower end, per version and window."""
    order = "coalesce(ks_population_lower, 0.0) DESC, ks_test_statistic DESC, column_name"
    ranked = (
        f"SELECT {DRIFT_COLUMNS}, row_number() OVER ({BY_WINDOW} ORDER BY {order}) AS place "
        f"FROM {tables.relation('drift_metrics')} WHERE {in_windows(tables, scope)} AND {_numeric_drift(tables)} "
        "AND slice_key IS NOT NULL"
    )
    rows = tables.ask(f"SELECT * FROM ({ranked}) q WHERE place <= {most} ORDER BY place LIMIT {most_rows(most)}")
    return [_drift_row(row) for row in rows]


def _numeric_drift(tables: Tables) -> str:
    return f"{against_baseline(tables)} AND ks_test_statistic IS NOT NULL"


def _of_basis(basis: str) -> str:
    """Metrics of a basis, of all classes together."""
    return f"basis = '{basis}' AND class IS NULL"


def _model_row(row: Mapping[str, Any]) -> ModelRow:
    same_names = ("lower", "upper", "count", "label_coverage", "label_status", "status", "message", "slice_key", "slice_value")
    return ModelRow(
        row["model_version"],
        window_in(row),
        row["metric"],
        row["value"],
        basis=row["basis"] or "REALISED",
        **{name: row[name] for name in same_names},
    )


def _drift_row(row: Mapping[str, Any]) -> DriftRow:
    return DriftRow(
        row["model_version"],
        window_in(row),
        row["column_name"],
        row["ks_test_statistic"],
        lower=row["ks_population_lower"],
        upper=row["ks_population_upper"],
        slice_key=row["slice_key"],
        slice_value=row["slice_value"],
    )
