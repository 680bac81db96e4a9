"""The SQL of `metrics:` against the tables it reads: columns that are not there, types that do not fit; no row is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from spark_monitor.config.aggregates import parse_aggregate, parse_derived
from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.preflight.columns import Finding
from spark_monitor.preflight.opened import attempt, no_column

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.config.metrics import CustomMetricConfig

Tables = tuple["DataFrame", "DataFrame | None", "DataFrame | None"]
"""The predictions, the labels and the baseline."""


def custom_findings(config: MonitorConfig, tables: Tables) -> Iterator[Finding]:
    """Custom metrics that cannot be computed of the predictions, or of the baseline where others are derived from its values."""
    predictions, labels, baseline = tables
    metrics = {metric.name: metric for metric in config.metrics}
    of_baseline: set[str] = set()
    for place, metric in enumerate(config.metrics):
        if metric.derived is not None:
            derived = parse_derived(metric.derived, metrics)
            of_baseline |= {name for root, name, _ in derived.columns if root == "baseline"}
            numbers = predictions.selectExpr(*(f"CAST(NULL AS DOUBLE) AS {column}" for _, _, column in derived.columns))
            reason = _reason(numbers, derived.sql) if derived.columns else None
            if reason is not None:
                yield Finding(f"metrics[{place}].derived", f'"{metric.derived}" cannot be computed of numbers: {reason}')
        elif metric.labels and config.labels is None:
            yield Finding(f"metrics[{place}].labels", "found true, and this monitor has no `labels`. Add them, or remove it.")
        else:
            yield from _of_table(config, metric, place, predictions, labels, config.predictions.text)
    source = config.baseline
    for place, metric in enumerate(config.metrics):
        if metric.name in of_baseline and metric.sql is not None and source is not None and baseline is not None:
            yield from _of_table(config, metric, place, baseline, labels, f"the baseline, {source.text},")


def _of_table(
    config: MonitorConfig, metric: CustomMetricConfig, place: int, frame: DataFrame, labels: DataFrame | None, text: str
) -> Iterator[Finding]:
    rows = frame
    if metric.labels:
        name = None if config.labels is None else config.labels.label
        if labels is None or name not in labels.columns:
            return  # among the findings about labels
        rows = frame.withColumn("label", F.lit(None).cast(labels.schema[name].dataType))
    reason = no_column(metric.sql or "", rows.columns) or _reason(rows, parse_aggregate(metric.sql or "").sql)
    if reason is not None:
        yield Finding(f"metrics[{place}].sql", f'"{metric.sql}" cannot be computed of {text}: {reason} Name columns it has.')


def _reason(frame: DataFrame, sql: str) -> str | None:
    _, reason = attempt(lambda: frame.selectExpr(f"CAST({sql} AS DOUBLE) AS value").schema)
    return reason
