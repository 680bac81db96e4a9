"""From summaries of windows in time order to measurements: each series of an endpoint and version with its windows before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import numpy as np

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.catalogue.measurement import measurements
from spark_monitor.catalogue.metric import Metric
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.kernel.requests import NUMBERS
from spark_monitor.kernel.serving import EMPTY, FRESH, PREDICTIONS, STORED, WINDOWS_BEFORE, Series, ServingPlan, instant_text
from spark_monitor.kernel.serving_messages import explained
from spark_monitor.operations.latency_shift import STEPS, LatencyBlock, Quantiles
from spark_monitor.operations.serving import ServingBlock
from spark_monitor.states.samples import Samples

UNDEFINED: Final = "UNDEFINED"
UNIT_RATIO: Final = (500.0, 2000.0)
"""Medians that differ by a factor in this range from the windows before look like another unit, which is a factor of 1,000."""


def series_measurements(rows: Iterable[Mapping[str, Any]], plan: ServingPlan) -> Iterator[dict[str, Any]]:
    """The measurements of one granularity, endpoint and version after the other, of rows sorted by these and by start."""
    for (granularity, column, version), of_series in groupby(rows, key=itemgetter("granularity", "column_name", "model_version")):
        yield from _measured(granularity, (column, version), list(of_series), plan)


def _measured(granularity: str, series: Series, rows: list[Mapping[str, Any]], plan: ServingPlan) -> Iterator[dict[str, Any]]:
    """What is known of a series' windows: fresh summaries, empty windows, and what came before each."""
    predictions = {row["start"]: row["predictions"] for row in rows if row["kind"] == PREDICTIONS}
    fresh = {row["start"]: row for row in rows if row["kind"] == FRESH}
    due = [window for window in plan.windows if window.granularity == granularity]
    stored = [row for row in rows if row["kind"] == STORED and row["start"] not in {window.start for window in due}]
    told = sorted([*stored, *fresh.values()], key=itemgetter("start"))
    present: list[Mapping[str, Any]] = []
    before: list[list[Quantiles]] = []
    for window in due:
        row = fresh.get(window.start)
        earlier = [one for one in told if one["start"] < window.start and one["requests"]]
        if row is not None:
            present.append({**row, "predictions": predictions.get(window.start)})
            before.append([known for one in earlier[-WINDOWS_BEFORE:] if (known := _quantiles(one)) is not None])
            continue
        last = earlier[-1]["end"] if earlier else None
        missed = last is not None and last > window.start - plan.lookback
        if missed or series == (TABLE_ROW, None):
            yield from _empty(window, series, last, plan)
    if present:
        yield from _present(series, present, before, plan)


def _quantiles(row: Mapping[str, Any]) -> Quantiles | None:
    if not row["quantiles"]:
        return None
    return Quantiles.read(row["quantiles"], max(1, int(row["rows"] or row["requests"] or 1)), row["rank_error"] or 0.0)


def _wanted(plan: ServingPlan, series: Series) -> Iterator[Metric]:
    """The metrics that the log's columns allow; predictions are counted for all endpoints together."""
    has = plan.has if series[0] == TABLE_ROW else plan.has - {"predictions"}
    for metric in catalogue().of(dataset="operations"):
        if set(metric.needs) <= has:
            yield metric


def _where(window: Mapping[str, Any] | WindowKey, series: Series) -> dict[str, Any]:
    edges = vars(window) if isinstance(window, WindowKey) else window
    known = {name: edges[name] for name in ("granularity", "start", "end")}
    return {**known, "model_version": series[1], "slice_key": None, "slice_value": None}


def _empty(window: WindowKey, series: Series, last: int | None, plan: ServingPlan) -> Iterator[dict[str, Any]]:
    """The rows of a window in which nothing was asked: no request is a number, and every other number is missing."""
    since = f"; the last window with requests ended {instant_text(last)}" if last is not None else ""
    message = f"No request in this window{since}."
    for metric in _wanted(plan, series):
        known = 0.0 if metric.name == "requests" else np.nan
        rows = measurements([_where(window, series)], metric, np.array([known]), count=[0], column_name=series[0])
        yield from ({**row, "status": EMPTY, "message": message} for row in rows)


def _present(
    series: Series, rows: Sequence[Mapping[str, Any]], before: Sequence[Sequence[Quantiles]], plan: ServingPlan
) -> Iterator[dict[str, Any]]:
    block, where = _block(rows, plan), [_where(row, series) for row in rows]
    count = [int(row["rows"]) for row in rows]
    shifted = LatencyBlock([_quantiles(row) for row in rows], before)
    factors = [_unit_factor(row, earlier) for row, earlier in zip(rows, before, strict=True)]
    for metric in _wanted(plan, series):
        moved = metric.name == "latency_ks"
        result = metric.compute(shifted if moved else block)
        basis = {"basis": "PREVIOUS"} if moved else {}
        made = measurements(where, metric, result, count=count, column_name=series[0], **basis)
        for number, measured in enumerate(made):
            yield explained(measured, metric, rows[number], factors[number], plan.unit)


def _block(rows: Sequence[Mapping[str, Any]], plan: ServingPlan) -> ServingBlock:
    samples = [{one["name"]: Samples.from_columns(one) for one in row["samples"]} for row in rows]
    numbers: dict[str, Any] = {name: [one.get(name, Samples.empty()) for one in samples] for name in NUMBERS if name in plan.has}
    columns = {
        name: np.array([np.nan if row[name] is None else row[name] for row in rows], dtype=np.float64)
        for name in ("requests", "failed", "known", "hosts", "clusters", "per_second", "predictions")
    }
    block: dict[str, Any] = {**columns, **numbers}
    return ServingBlock(**block)


def _unit_factor(row: Mapping[str, Any], before: Sequence[Quantiles]) -> float | None:
    """How many times the median before the median is, where this looks like a change between seconds and milliseconds."""
    now = _quantiles(row)
    medians = sorted(one.values[STEPS // 2] for one in before)
    if now is None or not medians or not medians[len(medians) // 2]:
        return None
    ratio = float(now.values[STEPS // 2] / medians[len(medians) // 2])
    return ratio if any(low <= high_or_low <= high for low, high in [UNIT_RATIO] for high_or_low in _both(ratio)) else None


def _both(ratio: float) -> tuple[float, ...]:
    return (ratio, 1 / ratio) if ratio > 0 else (ratio,)
