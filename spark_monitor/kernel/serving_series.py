"""From summaries of windows in time order to measurements: each series of an endpoint and version with its windows before."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import numpy as np

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.catalogue.measurement import measurements
from spark_monitor.catalogue.metric import Metric
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.kernel.lost_versions import all_lost, surely_lost
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.kernel.requests import BUCKETS, NUMBERS
from spark_monitor.kernel.serving import EMPTY, FRESH, PREDICTIONS, STORED, WINDOWS_BEFORE, Series, ServingPlan, timestamp_text
from spark_monitor.kernel.serving_messages import GAP, SAMPLED, explained
from spark_monitor.operations.latency_shift import SHIFTS, Pooled, Quantiles, ShiftBlock
from spark_monitor.operations.serving import ServingBlock
from spark_monitor.states.buckets import Buckets
from spark_monitor.states.samples import Samples

UNDEFINED: Final = "UNDEFINED"
LOST: Final = "lost_predictions_percent"
DISTRIBUTIONS: Final = "distributions"
"""The quantiles of a row as numbers, beside the texts that are kept of them."""
NONE_IS_A_NUMBER: Final = frozenset({"requests", "active_hosts", "active_clusters"})
"""Counts that a window without requests has: no machine reported in it."""

UNIT_RATIO: Final = (500.0, 2000.0)
"""Medians that differ by a factor in this range from the windows before look like another unit, which is a factor of 1,000."""


def series_measurements(rows: Iterable[Mapping[str, Any]], plan: ServingPlan) -> Iterator[dict[str, Any]]:
    """The measurements of one granularity, endpoint and version after the other, of rows sorted by these and by start."""
    for (granularity, column, version), of_series in groupby(rows, key=itemgetter("granularity", "column_name", "model_version")):
        yield from _measured(granularity, (column, version), list(of_series), plan)


def _measured(granularity: str, series: Series, rows: list[Mapping[str, Any]], plan: ServingPlan) -> Iterator[dict[str, Any]]:
    """What is known of a series' windows: fresh summaries, empty windows, and what came before each."""
    rows = [{**row, DISTRIBUTIONS: _read(row)} for row in rows]
    predictions = {row["start"]: row["predictions"] for row in rows if row["kind"] == PREDICTIONS}
    why_not = {window.start: why for window, why in plan.without_predictions.items() if window.granularity == granularity}
    fresh = {row["start"]: row for row in rows if row["kind"] == FRESH}
    due = [window for window in plan.windows if window.granularity == granularity]
    due_starts = {window.start for window in due}
    stored = [row for row in rows if row["kind"] == STORED and row["start"] not in due_starts]
    counted = sorted((row for row in [*stored, *fresh.values()] if row["requests"]), key=itemgetter("start"))
    starts = [row["start"] for row in counted]
    present: list[Mapping[str, Any]] = []
    before: list[Sequence[Mapping[str, Any]]] = []
    period = [one for one in counted if _is_within(one, plan.baseline)]
    for window in due:
        row = fresh.get(window.start)
        place = bisect_left(starts, window.start)
        if row is not None:
            counted_predictions = {"predictions": predictions.get(window.start), "why_no_predictions": why_not.get(window.start)}
            if row["unlogged"]:
                counted_predictions = {"predictions": None, "total": None, "why_no_predictions": SAMPLED}
            before.append(counted[max(0, place - WINDOWS_BEFORE) : place])
            gaps_before = [gap for one in before[-1] if (gap := _gap(one)) is not None]
            present.append({**row, **counted_predictions, "gap": _gap(row), "gap_before": max(gaps_before, default=None)})
            continue
        last = counted[place - 1]["end"] if place else None
        missed = last is not None and last > window.start - plan.lookback
        if missed or series == (TABLE_ROW, None):
            yield from _empty(window, series, last, plan)
    if present:
        yield from _present(series, present, _References(before, period, plan.baseline is not None), plan)


def _is_within(row: Mapping[str, Any], period: tuple[int, int] | None) -> bool:
    return period is not None and row["start"] >= period[0] and row["end"] <= period[1]


def _read(row: Mapping[str, Any]) -> dict[str, Quantiles]:
    """The quantiles of a row, read once: up to eight windows are held against it."""
    return {name: Quantiles.read(text) for name, text in dict(row.get("quantiles") or ()).items() if text}


def _quantiles(row: Mapping[str, Any], name: str) -> Quantiles | None:
    found: Quantiles | None = row[DISTRIBUTIONS].get(name)
    return found


def _gap(row: Mapping[str, Any]) -> float | None:
    """The longest time without a request, where single seconds are known."""
    text = dict(row.get("details") or ()).get(GAP)
    return None if text is None else float(text)


@dataclass(frozen=True)
class _References:
    """The windows before each window, and those of the baseline period, which distributions are held against if there is one."""

    before: Sequence[Sequence[Mapping[str, Any]]]
    period: Sequence[Mapping[str, Any]]
    baseline: bool

    def quantiles_before(self, place: int, name: str) -> list[Quantiles]:
        """What is known of a number in the windows before."""
        return [quantiles for row in self.before[place] if (quantiles := _quantiles(row, name)) is not None]

    def of(self, name: str) -> list[Pooled | None]:
        """What each window's distribution is held against."""
        if self.baseline:
            quantiles = [one for row in self.period if (one := _quantiles(row, name)) is not None]
            return [Pooled.of(quantiles) if quantiles else None] * len(self.before)
        each = [self.quantiles_before(place, name) for place in range(len(self.before))]
        return [Pooled.of(quantiles) if quantiles else None for quantiles in each]


def _wanted(plan: ServingPlan, series: Series) -> Iterator[Metric]:
    """The metrics that the log's columns allow; predictions are counted for all endpoints together."""
    has = plan.has if series[0] == TABLE_ROW else plan.has - {"predictions"}
    for metric in catalogue().of(dataset="operations"):
        if set(metric.needs) <= has:
            yield metric


def _where(window: Mapping[str, Any] | WindowKey, series: Series) -> dict[str, Any]:
    edges = vars(window) if isinstance(window, WindowKey) else window
    bounds = {name: edges[name] for name in ("granularity", "start", "end")}
    return {**bounds, "model_version": series[1], "slice_key": None, "slice_value": None}


def _empty(window: WindowKey, series: Series, last: int | None, plan: ServingPlan) -> Iterator[dict[str, Any]]:
    """The rows of a window in which nothing was asked: none was made, no machine reported, and every other number is missing."""
    since = f"; the last window with requests ended {timestamp_text(last)}" if last is not None else ""
    message = f"No request in this window{since}."
    for metric in _wanted(plan, series):
        value = 0.0 if metric.name in NONE_IS_A_NUMBER else np.nan
        rows = measurements([_where(window, series)], metric, np.array([value]), count=[0], column_name=series[0])
        yield from ({**row, "status": EMPTY, "message": message} for row in rows)


def _present(
    series: Series, rows: Sequence[Mapping[str, Any]], references: _References, plan: ServingPlan
) -> Iterator[dict[str, Any]]:
    block, where = _block(rows, plan), [_where(row, series) for row in rows]
    count = [int(row["rows"]) for row in rows]
    factors = [_unit_factor(row, references.quantiles_before(place, "latency")) for place, row in enumerate(rows)]
    basis = "BASELINE" if references.baseline else "PREVIOUS"
    for metric in _wanted(plan, series):
        moved = SHIFTS.get(metric.name)
        if moved is not None:
            shift = ShiftBlock([_quantiles(row, moved) for row in rows], references.of(moved))
            made = measurements(where, metric, metric.compute(shift), count=count, column_name=series[0], basis=basis)
        else:
            made = measurements(where, metric, metric.compute(block), count=count, column_name=series[0])
        for number, measured in enumerate(made):
            row = explained(measured, metric, rows[number], factors[number], plan.unit, baseline=references.baseline)
            yield _known_as_lost(row, rows[number]) if metric.name == LOST else row


def _known_as_lost(measured: dict[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """The measurement, with a number where the version's predictions are surely lost all."""
    predicted, version = dict(row.get("predicted") or ()), row["model_version"]
    if measured["value"] is not None or version is None or row.get("total") is None:
        return measured
    answered = dict(row["answered"] or ())
    beyond = surely_lost(version, answered, predicted, row["total"])
    return measured if beyond is None else all_lost(measured, answered[version], beyond)


def _block(rows: Sequence[Mapping[str, Any]], plan: ServingPlan) -> ServingBlock:
    samples = [{one["name"]: Samples.from_columns(one) for one in row["samples"]} for row in rows]
    numbers: dict[str, Any] = {name: [one.get(name, Samples.empty()) for one in samples] for name in NUMBERS if name in plan.has}
    if BUCKETS in plan.has:
        numbers["latency"] = [Buckets.from_rows(row["buckets"] or ()) for row in rows]
    columns = {
        name: np.array([np.nan if row[name] is None else row[name] for row in rows], dtype=np.float64)
        for name in ("requests", "failed", "known", "hosts", "clusters", "per_second", "gap", "predictions")
    }
    block: dict[str, Any] = {**columns, **numbers}
    return ServingBlock(**block)


def _unit_factor(row: Mapping[str, Any], before: Sequence[Quantiles]) -> float | None:
    """How many times the median before the median is, where this looks like a change between seconds and milliseconds."""
    now = _quantiles(row, "latency")
    medians = sorted(one.median for one in before)
    if now is None or not medians or not medians[len(medians) // 2]:
        return None
    ratio = float(now.median / medians[len(medians) // 2])
    return ratio if any(low <= high_or_low <= high for low, high in [UNIT_RATIO] for high_or_low in _both(ratio)) else None


def _both(ratio: float) -> tuple[float, ...]:
    return (ratio, 1 / ratio) if ratio > 0 else (ratio,)
