"""What custom metrics are computed from, so that an incident of a column takes up the metrics that read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING

from spark_monitor.config.aggregates import parse_derived
from spark_monitor.config.expressions import columns_read
from spark_monitor.diagnosis.kpis import Ingredients

if TYPE_CHECKING:
    from spark_monitor.config.metrics import CustomMetricConfig


def ingredients_of(metrics: Sequence[CustomMetricConfig]) -> dict[str, Ingredients]:
    """The columns, and whether the labels, that each custom metric is computed from; of derived ones those of their metrics.

    >>> from spark_monitor.config.metrics import CustomMetricConfig as Metric
    >>> made = ingredients_of([Metric(name="per_row", sql="sum(Amount) / count(*)"), Metric(name="gap", derived="per_row - 1")])
    >>> made["gap"] == made["per_row"], sorted(made["gap"].columns)
    (True, ['amount'])
    """
    read = {one.name: _of_sql(one) for one in metrics if one.sql is not None}
    names = [one.name for one in metrics]
    parts = {one.name: {name for _, name, _ in parse_derived(one.derived, names).columns} for one in metrics if one.derived}
    for name in parts:
        read[name] = reduce(_both, (read.get(part, Ingredients()) for part in _leaves(name, parts)), Ingredients())
    return read


def _of_sql(metric: CustomMetricConfig) -> Ingredients:
    columns = {name.lower() for name in columns_read(metric.sql or "")}
    return Ingredients(frozenset(columns - {"label"} if metric.labels else columns), labels=metric.labels and "label" in columns)


def _leaves(name: str, parts: Mapping[str, set[str]]) -> set[str]:
    """The metrics with SQL of their own that one is derived from, by whatever way."""
    leaves: set[str] = set()
    open_names, seen = [name], {name}
    while open_names:
        for part in parts.get(open_names.pop(), set()) - seen:
            seen.add(part)
            open_names.append(part)
            if part not in parts:
                leaves.add(part)
    return leaves


def _both(one: Ingredients, other: Ingredients) -> Ingredients:
    return Ingredients(one.columns | other.columns, one.labels or other.labels)
