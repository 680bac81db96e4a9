"""SQL for pictures: the heat map of columns and windows, what each of its columns holds, and the table ``metrics``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.insight.rows import VERDICTS, ColumnRow, HeatRow, MeasureRow
from spark_monitor.insight.scope import (
    HISTORY_WINDOWS,
    MOST_HEAT_COLUMNS,
    MOST_HEAT_WINDOWS,
    MOST_MEASURED_POINTS,
    MOST_MEASURES,
    Scope,
    against_baseline,
    column_in,
    in_windows,
    one_of,
    window_in,
)
from spark_monitor.insight.tables import Tables

CUT = "model_version, window_start, window_end"
MOST_HEAT_ROWS = MOST_HEAT_COLUMNS * MOST_HEAT_WINDOWS * 20
SMALL_FAMILIES = ("system", "pipeline", "cost", "custom")
MEASURE_COLUMNS = (
    f"{CUT}, granularity, dataset, family, metric, class, value, lower, upper, column_name, slice_key, slice_value, unit, basis, "
    "status, message"
)


def heat(tables: Tables, scope: Scope, also: Iterable[str]) -> list[HeatRow]:
    """Distances of the columns that moved farthest, or broke a rule, in every window; numbers by KS, strings by JS."""
    drift = (
        f"SELECT {CUT}, column_name, coalesce(ks_test_statistic, js_distance) AS distance, "
        "CASE WHEN ks_test_statistic IS NULL THEN 'js_distance' ELSE 'ks' END AS metric, "
        "CASE WHEN ks_test_statistic IS NULL THEN NULL ELSE ks_population_lower END AS lower, "
        "CASE WHEN ks_test_statistic IS NULL THEN NULL ELSE ks_population_upper END AS upper, "
        f"max(coalesce(ks_test_statistic, js_distance)) OVER (PARTITION BY column_name) AS ever "
        f"FROM {tables.relation('drift_metrics')} WHERE {in_windows(tables, scope)} AND {against_baseline(tables)} "
        f"AND slice_key IS NULL AND column_name <> '{TABLE_ROW}'"
    )
    broken = one_of(tables, "column_name", also)
    place = f"dense_rank() OVER (ORDER BY CASE WHEN {broken} THEN 0 ELSE 1 END, ever DESC NULLS LAST, column_name)"
    chosen = f"SELECT * FROM (SELECT d.*, {place} AS place FROM ({drift}) d) q WHERE place <= {MOST_HEAT_COLUMNS}"
    worst = {
        (row["model_version"], row["window_start"], row["column_name"]): VERDICTS[row["worst"]] for row in _judged(tables, scope)
    }
    rows = tables.ask(f"{chosen} ORDER BY place, window_start LIMIT {MOST_HEAT_ROWS}")
    return [
        HeatRow(
            row["model_version"],
            window_in(row),
            row["column_name"],
            row["metric"],
            row["distance"],
            row["lower"],
            row["upper"],
            worst.get((row["model_version"], row["window_start"], row["column_name"])),
        )
        for row in rows
    ]


def _judged(tables: Tables, scope: Scope) -> list[dict[str, Any]]:
    """The worst verdict on each column and window: only those worth a colour leave the tables."""
    cases = " ".join(f"WHEN '{verdict}' THEN {place}" for place, verdict in enumerate(VERDICTS))
    return tables.ask(
        f"SELECT model_version, window_start, column_name, min(CASE verdict {cases} END) AS worst "
        f"FROM {tables.relation('checks')} WHERE {in_windows(tables, scope)} AND slice_key IS NULL "
        f"AND verdict IN ('FAIL', 'ERROR', 'WARN', 'UNDECIDED') GROUP BY model_version, window_start, column_name "
        f"LIMIT {MOST_HEAT_ROWS * 5}"
    )


def column_series(tables: Tables, scope: Scope, columns: Sequence[str]) -> list[ColumnRow]:
    """The missing rate and the mean of a few columns in every window."""
    rows = tables.ask(
        f"SELECT {CUT}, column_name, count AS rows_counted, percent_null, avg, distinct_count "
        f"FROM {tables.relation('profile_metrics')} WHERE {in_windows(tables, scope)} AND slice_key IS NULL "
        f"AND log_type = 'INPUT' AND {one_of(tables, 'column_name', columns)} ORDER BY window_start LIMIT {MOST_HEAT_ROWS * 2}"
    )
    return [
        ColumnRow(
            row["model_version"],
            window_in(row),
            row["column_name"],
            row["rows_counted"],
            row["percent_null"],
            row["avg"],
            row["distinct_count"],
        )
        for row in rows
    ]


def distributions(tables: Tables, scope: Scope, columns: Sequence[str]) -> list[ColumnRow]:
    """What a few columns hold in the windows of the scope: quantiles of numbers, frequent values of strings."""
    rows = tables.ask(
        f"SELECT {CUT}, column_name, count AS rows_counted, percent_null, quantiles, frequent_items "
        f"FROM {tables.relation('profile_metrics')} WHERE {in_windows(tables, scope)} AND slice_key IS NULL "
        f"AND log_type = 'INPUT' AND {one_of(tables, 'column_name', columns)} LIMIT {MOST_HEAT_COLUMNS * 20}"
    )
    return [_distribution(row, window_in(row)) for row in rows]


def baseline_distributions(tables: Tables, monitor_id: str, columns: Sequence[str]) -> list[ColumnRow]:
    """What the same columns held in the baseline: quantiles from its sketch."""
    condition = f"monitor_id = {tables.literal(monitor_id)} AND slice_key IS NULL AND {one_of(tables, 'column_name', columns)}"
    latest = "row_number() OVER (PARTITION BY column_name ORDER BY baseline_version DESC) AS age"
    inner = f"SELECT column_name, sketch, {latest} FROM {tables.relation('baselines')} WHERE {condition}"
    rows = tables.ask(f"SELECT column_name, sketch FROM ({inner}) q WHERE age = 1 LIMIT {MOST_HEAT_COLUMNS}")
    return [ColumnRow(None, None, row["column_name"], quantiles=_sketched(row["sketch"])) for row in rows]


def measures(tables: Tables, scope: Scope) -> list[MeasureRow]:
    """The latest number of every small series of ``metrics``, and of the large families those that say most."""
    if not tables.has("metrics"):
        return []
    key = "model_version, granularity, dataset, family, metric, class, column_name, slice_key, slice_value, basis"
    condition = f"monitor_id = {tables.literal(scope.monitor_id)}"
    whole = f"slice_key IS NULL AND column_name = '{TABLE_ROW}'"
    shown = f"family IN ('system', 'pipeline', 'cost', 'custom', 'fairness') OR ({whole}) OR value > 0"
    latest = (
        f"SELECT {MEASURE_COLUMNS}, row_number() OVER (PARTITION BY {key} ORDER BY window_start DESC) AS age "
        f"FROM {tables.relation('metrics')} WHERE {condition} AND ({shown})"
    )
    first = f"CASE WHEN {whole} THEN 0 WHEN slice_key IS NULL THEN 1 ELSE 2 END"
    ranked = (
        f"SELECT q.*, row_number() OVER (PARTITION BY family ORDER BY window_start DESC, {first}, abs(value) DESC NULLS LAST, "
        f"metric, column_name, class) AS place FROM ({latest}) q WHERE age = 1"
    )
    rows = tables.ask(
        f"SELECT * FROM ({ranked}) r WHERE place <= {MOST_MEASURES // 4} ORDER BY family, metric, column_name, class, "
        f"model_version LIMIT {MOST_MEASURES}"
    )
    return [_measure_row(row) for row in rows]


def measured_series(tables: Tables, scope: Scope) -> list[MeasureRow]:
    """Series of whole datasets: system, pipelines, cost, custom metrics and the quality of the table."""
    if not tables.has("metrics"):
        return []
    key = "model_version, granularity, dataset, family, metric, class, column_name, basis"
    inner = (
        f"SELECT {MEASURE_COLUMNS}, row_number() OVER (PARTITION BY {key} ORDER BY window_start DESC) AS age "
        f"FROM {tables.relation('metrics')} WHERE monitor_id = {tables.literal(scope.monitor_id)} AND slice_key IS NULL "
        f"AND (column_name = '{TABLE_ROW}' OR {one_of(tables, 'family', SMALL_FAMILIES)})"
    )
    rows = tables.ask(
        f"SELECT * FROM ({inner}) q WHERE age <= {HISTORY_WINDOWS} ORDER BY age, family, metric LIMIT {MOST_MEASURED_POINTS}"
    )
    return sorted((_measure_row(row) for row in rows), key=lambda row: row.window)


def _distribution(row: Mapping[str, Any], window: Any) -> ColumnRow:
    items = tuple((str(item["item"]), int(item["count"])) for item in row["frequent_items"] or ())
    return ColumnRow(
        row["model_version"],
        window,
        row["column_name"],
        row["rows_counted"],
        row["percent_null"],
        quantiles=tuple(row["quantiles"] or ()),
        items=items,
    )


def _sketched(image: bytes | None) -> tuple[float, ...]:
    """101 quantiles of a KLL image; none where there is no sketch or it cannot be read."""
    import datasketches
    import numpy as np

    if image is None:
        return ()
    try:
        sketch = datasketches.kll_doubles_sketch.deserialize(bytes(image))
        if sketch.is_empty():
            return ()
        return tuple(float(value) for value in sketch.get_quantiles(np.linspace(0.0, 1.0, 101)))
    except (RuntimeError, ValueError):
        return ()


def _measure_row(row: Mapping[str, Any]) -> MeasureRow:
    same = ("dataset", "family", "metric", "value", "lower", "upper", "slice_key", "slice_value", "unit", "basis", "status")
    return MeasureRow(
        row["model_version"],
        window_in(row),
        **{name: row[name] for name in same},
        column=column_in(row),
        name=row["class"],
        message=row["message"],
    )
