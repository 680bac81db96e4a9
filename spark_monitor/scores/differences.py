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
from spark_monitor.scores.metric import Settings
from spark_monitor.scores.paired import SUFFIX, Difference, paired_differences
from spark_monitor.states.paired import PairedState

Row = Mapping[str, Any]


Gap = tuple[float, float | None, float | None]
"""A difference and its bounds; None where it has no bound."""


def unpaired(one: Row, other: Row) -> Gap | None:
    """one - other and its 95 % interval, recovered from both intervals (Zou and Donner 2008), as of independent rows.

    A bound that rests on one that is not known is not known either.

    >>> unpaired({"value": 0.8, "lower": 0.77, "upper": 0.84}, {"value": 0.7, "lower": 0.67, "upper": 0.74})[0] > 0.09
    True
    >>> unpaired({"value": 2.0, "lower": 1.0, "upper": None}, {"value": 1.0, "lower": 0.5, "upper": 1.5})[2] is None
    True
    """
    value, base = one["value"], other["value"]
    if value is None or base is None:
        return None
    low, high, least, most = one["lower"], one["upper"], other["lower"], other["upper"]
    lower = None if low is None or most is None else value - base - math.hypot(value - low, most - base)
    upper = None if high is None or least is None else value - base + math.hypot(high - value, base - least)
    return value - base, lower, upper


def _define(metric: Metric) -> None:
    """``<name>_difference`` of a headline metric, in its unit; which side is worse is the metric's own."""
    width = metric.range[1] - metric.range[0]

    def compute(one: Row, other: Row) -> Gap | None:
        return unpaired(one, other)

    compute.__doc__ = f"{metric.name} of a version minus that of the version with most labelled rows (its class)."
    compute.__module__, compute.__qualname__ = __name__, f"{metric.name}{SUFFIX}"
    about: dict[str, Any] = {"range": (-width, width), "worse": metric.worse, "tasks": metric.tasks, "needs": metric.needs}
    model_metric(f"{metric.name}{SUFFIX}", by_stage=True, **about)(compute)


def define_differences() -> Callable[[], tuple[str, ...]]:
    """Define a difference for every headline metric there is."""
    headlines = tuple(metric for metric in DECORATED.values() if metric.family == "model" and metric.headline is not None)
    for metric in headlines:
        _define(metric)
    return lambda: tuple(metric.name for metric in headlines)


def difference_rows(
    versions: Sequence[Sequence[dict[str, Any]]],
    paired: Sequence[PairedState | None] = (),
    *,
    task: str = "binary",
    settings: Settings | None = None,
) -> Iterator[dict[str, Any]]:
    """Rows of model_metrics for every version but the champion, from the realised rows of a window and slice.

    ``paired`` are the states of rows that several versions scored: where two versions share enough, their difference is of these.
    """
    if len(versions) < 2:
        return
    states = [*paired, *[None] * (len(versions) - len(paired))]
    measured = [{row["metric"]: row for row in rows if row["class"] is None and row["basis"] == "REALISED"} for rows in versions]
    counts = [max((row["count"] or 0 for row in metrics.values() if row["value"] is not None), default=0) for metrics in measured]
    champion = counts.index(max(counts))
    for place, metrics in enumerate(measured):
        if place == champion:
            continue
        names, one, other = (_version(measured[champion]), _version(metrics)), states[place], states[champion]
        shared: Mapping[str, Difference] = {}
        if one is not None and other is not None and None not in names:
            shared = paired_differences(one, other, (str(names[0]), str(names[1])), task, settings)
        yield from _against(metrics, measured[champion], shared)


def _version(metrics: Mapping[str, Row]) -> str | None:
    return next((row["model_version"] for row in metrics.values()), None)


def _against(
    metrics: Mapping[str, Row], champion: Mapping[str, Row], shared: Mapping[str, Difference]
) -> Iterator[dict[str, Any]]:
    for name, row in metrics.items():
        other = champion.get(name)
        if other is None or f"{name}{SUFFIX}" not in DECORATED:
            continue
        both, version = shared.get(name), other["model_version"]
        difference = unpaired(row, other) if both is None else (both.value, both.lower, both.upper)
        given = dict(zip(("value", "lower", "upper"), difference or (None, None, None), strict=True))
        status = "OK" if difference else "UNDEFINED"
        error = (row.get("value_error") or 0.0) + (other.get("value_error") or 0.0) if both is None else both.error
        about = {"metric": f"{name}{SUFFIX}", "class": version, "status": status, "value_error": error if difference else None}
        counted = {} if both is None else {"count": both.rows}
        yield {**row, **given, **about, **counted, "message": _sentence(name, row["model_version"], version, difference, both)}


def _sentence(name: str, version: str | None, champion: str | None, difference: Gap | None, both: Difference | None) -> str:
    """The verdict: better or worse by how much, between which bounds, and of which rows."""
    if difference is None:
        return f"{name} is not known of both version {version} and version {champion}."
    value, low, high = difference
    rows = "rows of the two taken as independent" if both is None else f"on {both.rows:,} labelled rows that both scored"
    worse, up = DECORATED[name].worse, DECORATED[name].worse == "lower"
    if low is None or high is None:
        return (
            f"Challenger {version} cannot be distinguished from champion {champion} in {name}: the difference is {value:.4g}, "
            f"and how far it may be off is not known ({rows})."
        )
    if low <= 0 <= high:
        verb = "cannot be distinguished from" if worse != "both" else "is not surely different from"
        return (
            f"Challenger {version} {verb} champion {champion} in {name}: the difference is {value:.4g}, {low:.4g} to {high:.4g} "
            f"({rows})."
        )
    if worse == "both":
        return (
            f"Challenger {version} differs from champion {champion} in {name} by {value:.4g}, {low:.4g} to {high:.4g} ({rows})."
        )
    word = "better" if (value > 0) == up else "worse"
    least, most = sorted((abs(low), abs(high)))
    by = f"by {abs(value):.4g}, {least:.4g} to {most:.4g}"
    return f"Challenger {version} is {word} than champion {champion} in {name} {by} ({rows})."


headline_names = define_differences()
