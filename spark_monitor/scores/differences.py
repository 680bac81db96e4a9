"""Champion and challenger: how much better or worse each version does than the one with most labelled rows of the window."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from spark_monitor.catalogue.metric import DECORATED, Metric, model_metric
from spark_monitor.scores import (  # noqa: F401  (a difference is defined for every headline metric that they define)
    class_scores,
    classification,
    multiclass,
    probability,
    ranking,
    regression,
)

SUFFIX = "_difference"
Row = Mapping[str, Any]


def unpaired(one: Row, other: Row) -> tuple[float, float, float] | None:
    """one - other and its 95 % interval, recovered from both intervals (Zou and Donner 2008), as of independent rows.

    >>> unpaired({"value": 0.8, "lower": 0.77, "upper": 0.84}, {"value": 0.7, "lower": 0.67, "upper": 0.74})[0] > 0.09
    True
    """
    numbers = [row[name] for row in (one, other) for name in ("value", "lower", "upper")]
    if any(number is None for number in numbers):
        return None
    value, low, high, base, least, most = numbers
    return (
        value - base,
        value - base - math.hypot(value - low, most - base),
        value - base + math.hypot(high - value, base - least),
    )


def _define(metric: Metric) -> None:
    """``<name>_difference`` of a headline metric, in its unit; which side is worse is the metric's own."""
    width = metric.range[1] - metric.range[0]

    def compute(one: Row, other: Row) -> tuple[float, float, float] | None:
        return unpaired(one, other)

    compute.__doc__ = f"{metric.name} of a version minus that of the version with most labelled rows (its class)."
    compute.__module__, compute.__qualname__ = __name__, f"{metric.name}{SUFFIX}"
    compute.of_product = True  # type: ignore[attr-defined]
    about: dict[str, Any] = {"range": (-width, width), "worse": metric.worse, "tasks": metric.tasks, "needs": metric.needs}
    model_metric(f"{metric.name}{SUFFIX}", **about)(compute)


def define_differences() -> Callable[[], tuple[str, ...]]:
    """Define a difference for every headline metric there is."""
    headlines = tuple(metric for metric in DECORATED.values() if metric.headline is not None)
    for metric in headlines:
        _define(metric)
    return lambda: tuple(metric.name for metric in headlines)


def difference_rows(versions: Sequence[Sequence[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Rows of model_metrics for every version but the champion, from the realised rows of a window and slice."""
    if len(versions) < 2:
        return
    own = [{row["metric"]: row for row in rows if row["class"] is None and row["basis"] == "REALISED"} for rows in versions]
    counts = [max((row["count"] or 0 for row in metrics.values() if row["value"] is not None), default=0) for metrics in own]
    champion = counts.index(max(counts))
    for place, metrics in enumerate(own):
        if place != champion:
            yield from _against(metrics, own[champion])


def _against(metrics: Mapping[str, Row], champion: Mapping[str, Row]) -> Iterator[dict[str, Any]]:
    for name, row in metrics.items():
        other = champion.get(name)
        if other is None or f"{name}{SUFFIX}" not in DECORATED:
            continue
        found, version = unpaired(row, other), other["model_version"]
        given = dict(zip(("value", "lower", "upper"), found or (None, None, None), strict=True))
        status = "OK" if found else "UNDEFINED"
        known = {"metric": f"{name}{SUFFIX}", "class": version, "status": status, "value_error": 0.0 if found else None}
        yield {**row, **given, **known, "message": _sentence(name, row["model_version"], version, found)}


def _sentence(name: str, version: str | None, champion: str | None, found: tuple[float, float, float] | None) -> str:
    if found is None:
        return f"{name} is not known of both version {version} and version {champion}."
    value, low, high = found
    better = low > 0 or high < 0
    up = DECORATED[name].worse == "lower"
    word = ("better" if (value > 0) == up else "worse") if better and DECORATED[name].worse != "both" else "different"
    verb = f"is {word} than" if better else "is not surely different from"
    return (
        f"Version {version} {verb} version {champion} in {name}: by {abs(value):.4g}, the difference lies between {low:.4g} and "
        f"{high:.4g} (rows of the two are taken as independent)."
    )


headline_names = define_differences()
