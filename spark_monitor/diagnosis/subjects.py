"""What a check is about: checks of one subject can be one incident, whatever their metric, slice, version and window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from spark_monitor.catalogue.dimensions import TABLE_ROW

VALUES: Final = "values"
MISSING: Final = "missing"
ROWS, DUPLICATES, SCHEMA, LATE, LABELS = "rows", "duplicates", "schema", "late", "labels"
VERSIONS: Final = "versions"
MODEL, FAIRNESS, SERVICE, PIPELINE, COST = "model", "fairness", "service", "pipeline", "cost"
LATENCY, FAILURES, LOAD, LOST = "latency", "failures", "load", "lost"
BUDGET: Final = "budget"
OF_SERVICE: Final = (SERVICE, LATENCY, FAILURES, LOAD, LOST)
"""What can be wrong with a service, each apart: what is asked of which machines, how slow, failing and busy it is."""

_TRACKS: Final = {
    MISSING: "percent_null percent_null_delta percent_nan percent_empty num_nulls num_nan num_empty",
    ROWS: "count count_delta row_count_ratio missing_hours largest_gap_hours freshness_hours",
    DUPLICATES: "percent_duplicate_ids percent_duplicate_rows percent_copied_rows duplicated_window percent_duplicated_values",
    SCHEMA: "columns_missing columns_added columns_retyped",
    LATE: "late_rows_percent",
    VERSIONS: "version_share",
    LATENCY: "latency_p50 latency_p90 latency_p95 latency_p99 latency_ks",
    FAILURES: "failed_requests failure_rate",
    LOAD: " ".join(
        f"{name}_{of}" for name in ("cpu_percent", "gpu_percent", "memory_bytes") for of in ("avg", "p95", "max", "ks")
    ),
    LOST: "lost_predictions_percent",
    BUDGET: "budget_used_percent budget_forecast_percent",
    LABELS: "label_coverage label_duplicates label_conflicts label_delay_p50 label_delay_p95",
}
TRACK_OF_METRIC: Final[Mapping[str, str]] = {metric: track for track, names in _TRACKS.items() for metric in names.split()}
"""The track of the metrics that do not follow their family."""

TRACK_OF_FAMILY: Final[Mapping[str, str]] = {
    "model": MODEL,
    "fairness": FAIRNESS,
    "system": SERVICE,
    "pipeline": PIPELINE,
    "cost": COST,
}
"""The track of a family's other metrics; every other family is about the values of a column."""

PER_METRIC: Final = (LABELS,)
"""Tracks in which every metric is a subject of its own; so are custom metrics, which belong to no column."""


def track_of(family: str, metric: str) -> str:
    """Which of a column's or a table's troubles a metric shows.

    >>> track_of("quality", "percent_null"), track_of("drift", "ks"), track_of("model", "roc_auc_score")
    ('missing', 'values', 'model')
    """
    return TRACK_OF_METRIC.get(metric) or TRACK_OF_FAMILY.get(family, VALUES)


def name_of(track: str, column: str | None, metric: str) -> str:
    """The subject's name within its track: the column, or the metric where it is about no column.

    >>> name_of("values", "wind_speed", "ks"), name_of("model", None, "log_loss"), name_of("labels", ":table", "label_coverage")
    ('wind_speed', ':table', 'label_coverage')
    """
    named = TABLE_ROW if column is None else column
    return metric if named == TABLE_ROW and (track in PER_METRIC or track == VALUES) else named
