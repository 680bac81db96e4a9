"""From tallies of a request log to what is measured: one summary of each window, endpoint and version, then their metrics.

Endpoints and versions together are sums of the single ones, so rows are read once. Summaries of a series meet those of
its windows before, so that a window without requests is seen, and a latency that moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import numpy as np
import pyarrow as pa

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.catalogue.measurement import measurements
from spark_monitor.catalogue.metric import Metric
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.kernel.requests import FIRST_NEVER, NUMBERS, TALLY_SCHEMA, Tally, merged_tallies
from spark_monitor.kernel.serving_messages import explained
from spark_monitor.operations.latency_shift import STEPS, LatencyBlock, Quantiles
from spark_monitor.operations.serving import ServingBlock
from spark_monitor.states.samples import Samples
from spark_monitor.windowing.windows import EPOCH

FRESH, STORED, PREDICTIONS = "fresh", "stored", "predictions"
WINDOWS_BEFORE: Final = 8
HOSTS_NAMED: Final = 3
EMPTY: Final = "EMPTY"
UNDEFINED: Final = "UNDEFINED"
UNIT_RATIO: Final = (500.0, 2000.0)
"""Medians that differ by a factor in this range from the windows before look like another unit, which is a factor of 1,000."""

_COUNTS = ("requests", "failed", "known", "copies", "rows", "hosts", "clusters", "per_second", "predictions", "rank_error")
SUMMARY_SCHEMA: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("kind", "granularity")),
        *((name, pa.int64()) for name in ("start", "end")),
        *((name, pa.string()) for name in ("column_name", "model_version")),
        *((name, pa.float64()) for name in _COUNTS),
        ("samples", TALLY_SCHEMA.field("samples").type),
        ("quantiles", pa.string()),
        ("details", pa.map_(pa.string(), pa.string())),
    ]
)
SUMMARY_DDL: Final = (
    "kind string, granularity string, start long, end long, column_name string, model_version string, "
    + ", ".join(f"{name} double" for name in _COUNTS)
    + ", samples array<struct<name string, n bigint, negative bigint, unread bigint, mean double, m2 double, sketch binary>>, "
    "quantiles string, details map<string, string>"
)
Series = tuple[str, str | None]


@dataclass(frozen=True)
class ServingPlan:
    """The due windows, what the log has, how many endpoints are told apart, and how long a silent one is missed."""

    windows: tuple[WindowKey, ...]
    has: frozenset[str]
    most_endpoints: int
    lookback: int
    unit: str = "ms"
    counts_apart: bool = False
    """Whether failures come in rows of their own (``format: long``), so that every request's outcome is known."""


@dataclass
class _Window:
    """What is gathered of one window while its tallies stream by."""

    number: int
    table: dict[str | None, Tally] = field(default_factory=lambda: {None: Tally()})
    endpoints: dict[str, dict[str | None, Tally]] = field(default_factory=dict)
    left_out: int = 0
    unnamed: float = 0.0


def summaries(batches: Iterable[pa.RecordBatch], plan: ServingPlan) -> Iterator[pa.RecordBatch]:
    """The summaries of windows whose tallies come sorted by window, endpoint and version."""
    for number, of_window in groupby(merged_tallies(batches), key=itemgetter(0)):
        gathered = _Window(number)
        for _, endpoint, version, tally in of_window:
            _gather(gathered, endpoint, version, tally, plan)
        yield pa.RecordBatch.from_pylist(list(_summarised(gathered, plan)), schema=SUMMARY_SCHEMA)


def _gather(window: _Window, endpoint: str | None, version: str | None, tally: Tally, plan: ServingPlan) -> None:
    """Add one tally to the endpoint's, the version's and all together; beyond the limit the smallest endpoint is let go."""
    versioned = "version" in plan.has
    window.table[None].merge(tally)
    if versioned and version is not None:
        window.table.setdefault(version, Tally()).merge(tally)
    if versioned and version is None:
        window.unnamed += tally.requests
    if endpoint is None:
        return
    if endpoint not in window.endpoints and len(window.endpoints) >= plan.most_endpoints + 1:
        smallest = min(window.endpoints, key=lambda name: (window.endpoints[name][None].requests, name))
        del window.endpoints[smallest]
        window.left_out += 1
    own = window.endpoints.setdefault(endpoint, {None: Tally()})
    own[None].merge(tally)
    if versioned and version is not None:
        own.setdefault(version, Tally()).merge(tally)


def _summarised(window: _Window, plan: ServingPlan) -> Iterator[dict[str, Any]]:
    key = plan.windows[window.number]
    if len(window.endpoints) > plan.most_endpoints:
        smallest = min(window.endpoints, key=lambda name: (window.endpoints[name][None].requests, name))
        del window.endpoints[smallest]
        window.left_out += 1
    for version, tally in window.table.items():
        more = _endpoints_told(window, version) if version is None else {}
        if version is None and window.unnamed:
            more["requests_without_version"] = f"{window.unnamed:g}"
        yield _summary(key, TABLE_ROW, version, tally, plan, more)
    for endpoint, versions in window.endpoints.items():
        for version, tally in versions.items():
            yield _summary(key, endpoint, version, tally, plan, {})


def _summary(
    key: WindowKey, column: str, version: str | None, tally: Tally, plan: ServingPlan, more: Mapping[str, str]
) -> dict[str, Any]:
    latency = tally.samples.get("latency")
    second, many = tally.by_second()
    details = {"rows": f"{tally.rows:.0f}", **_hosts_told(tally), **_gap_told(second, key), **more}
    return {
        **dict.fromkeys(SUMMARY_SCHEMA.names),
        "kind": FRESH,
        "granularity": key.granularity,
        "start": key.start,
        "end": key.end,
        "column_name": column,
        "model_version": version,
        **{name: getattr(tally, name) for name in ("requests", "failed", "copies", "rows")},
        "known": tally.requests if plan.counts_apart else tally.known,
        "hosts": float(len(tally.hosts)),
        "clusters": float(len(tally.clusters)),
        "per_second": float(many.max()) if many.size else None,
        "samples": [{"name": name, **one.columns()} for name, one in sorted(tally.samples.items())],
        "quantiles": None if latency is None or not latency.n else told_quantiles(latency).text,
        "rank_error": None if latency is None else latency.sketch.rank_error,
        "details": list(details.items()),
    }


def told_quantiles(samples: Samples) -> Quantiles:
    """The 257 quantiles that a row keeps of a distribution."""
    return Quantiles(samples.sketch.quantiles(np.arange(STEPS + 1) / STEPS), samples.n, samples.sketch.rank_error)


def _hosts_told(tally: Tally) -> dict[str, str]:
    """The slowest machines, those that failed most, and the one that failed first."""
    told: dict[str, str] = {}
    slow = sorted((one.total / one.n, name) for name, one in tally.hosts.items() if one.n)
    if len(slow) > 1:
        median = slow[len(slow) // 2][0]
        named = [
            f"{name} {mean:.4g} ms" + (f" ({mean / median:.3g} times the median host)" if median else "")
            for mean, name in reversed(slow[-HOSTS_NAMED:])
        ]
        told["slowest_hosts"] = ", ".join(named)
    bad = sorted(((one.failed, name) for name, one in tally.hosts.items() if one.failed), reverse=True)[:HOSTS_NAMED]
    if bad:
        told["failing_hosts"] = ", ".join(f"{name} {failed:g} of {tally.hosts[name].requests:g}" for failed, name in bad)
        first = min((one.first, name) for name, one in tally.hosts.items() if one.failed)
        if first[0] != FIRST_NEVER:
            told["first_failed_host"] = f"{first[1]} at {instant_text(first[0])}"
    return told


def _endpoints_told(window: _Window, version: str | None) -> dict[str, str]:
    """The slowest endpoints, and how many are not told apart."""
    told: dict[str, str] = {}
    slow = [
        (float(own[version].samples["latency"].sketch.quantiles([0.95])[0]), name)
        for name, own in window.endpoints.items()
        if version in own and "latency" in own[version].samples and own[version].samples["latency"].n
    ]
    if len(slow) > 1:
        told["slowest_endpoints"] = ", ".join(f"{name} {p95:.4g} ms" for p95, name in sorted(slow, reverse=True)[:HOSTS_NAMED])
    if window.left_out:
        told["endpoints_left_out"] = str(window.left_out)
    return told


def _gap_told(second: Any, key: WindowKey) -> dict[str, str]:
    """The longest time without a request, the window's edges included."""
    if not second.size:
        return {}
    edges = np.concatenate([[key.start // 1_000_000 - 1], second, [-(-key.end // 1_000_000)]])
    gaps = np.diff(edges) - 1
    longest = int(np.argmax(gaps))
    began = int(edges[longest] + 1) * 1_000_000
    return {"largest_gap_seconds": str(int(gaps[longest])), "largest_gap_from": instant_text(began)}


def instant_text(micros: int) -> str:
    """An instant in UTC as a person reads it.

    >>> instant_text(0)
    '1970-01-01 00:00:00 UTC'
    """
    return f"{EPOCH + timedelta(microseconds=micros):%Y-%m-%d %H:%M:%S} UTC"


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


__all__ = ["FRESH", "PREDICTIONS", "STORED", "SUMMARY_DDL", "ServingPlan", "series_measurements", "summaries"]
