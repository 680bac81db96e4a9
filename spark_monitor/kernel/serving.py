"""From tallies of a request log to one summary of each window, endpoint and version.

Endpoints and versions together are sums of the single ones, so rows are read once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import numpy as np
import pyarrow as pa

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.kernel.tallies import FIRST_NEVER, TALLY_SCHEMA, Host, Tally, merged_tallies
from spark_monitor.operations.latency_shift import STEPS, STEPS_OF_LOADS, Quantiles
from spark_monitor.states.buckets import Buckets
from spark_monitor.states.samples import Samples
from spark_monitor.windowing.timestamps import timestamp_of

FRESH, STORED, PREDICTIONS = "fresh", "stored", "predictions"
WINDOWS_BEFORE: Final = 8
HOSTS_NAMED: Final = 3
EMPTY: Final = "EMPTY"

_COUNTS = ("requests", "failed", "known", "copies", "rows", "hosts", "clusters", "per_second", "predictions", "unlogged")
SUMMARY_SCHEMA: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("kind", "granularity")),
        *((name, pa.int64()) for name in ("start", "end")),
        *((name, pa.string()) for name in ("column_name", "model_version")),
        *((name, pa.float64()) for name in _COUNTS),
        ("samples", TALLY_SCHEMA.field("samples").type),
        ("quantiles", pa.map_(pa.string(), pa.string())),
        ("details", pa.map_(pa.string(), pa.string())),
        ("answered", pa.map_(pa.string(), pa.float64())),
        ("buckets", TALLY_SCHEMA.field("buckets").type),
    ]
)
SUMMARY_DDL: Final = (
    "kind string, granularity string, start long, end long, column_name string, model_version string, "
    + ", ".join(f"{name} double" for name in _COUNTS)
    + ", samples array<struct<name string, n bigint, negative bigint, unread bigint, mean double, m2 double, sketch binary>>, "
    "quantiles map<string, string>, details map<string, string>, answered map<string, double>, "
    "buckets array<struct<low double, high double, n double>>"
)
Series = tuple[str, str | None]


@dataclass(frozen=True)
class ServingPlan:
    """The due windows, what the log has, how many endpoints are distinguished, and how long a silent one is missed."""

    windows: tuple[WindowKey, ...]
    has: frozenset[str]
    most_endpoints: int
    lookback: int
    unit: str = "ms"
    counts_apart: bool = False
    """Whether failures come in rows of their own (``format: long``), so that every request's outcome is known."""

    baseline: tuple[int, int] | None = None
    """The period (microseconds) whose windows distributions are held against, instead of the windows before."""

    without_predictions: Mapping[WindowKey, str] = field(default_factory=dict)
    """Why predictions are not counted in windows that are not the prediction table's own."""


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
    versions = window.endpoints.setdefault(endpoint, {None: Tally()})
    versions[None].merge(tally)
    if versioned and version is not None:
        versions.setdefault(version, Tally()).merge(tally)


def _summarised(window: _Window, plan: ServingPlan) -> Iterator[dict[str, Any]]:
    key = plan.windows[window.number]
    if len(window.endpoints) > plan.most_endpoints:
        smallest = min(window.endpoints, key=lambda name: (window.endpoints[name][None].requests, name))
        del window.endpoints[smallest]
        window.left_out += 1
    for version, tally in window.table.items():
        more = _endpoint_details(window, version) if version is None else {}
        if version is None and window.unnamed:
            more["requests_without_version"] = f"{window.unnamed:.0f}"
        answered = {} if version is None else {name: one.requests - one.failed for name, one in window.table.items() if name}
        yield {**_summary(key, TABLE_ROW, version, tally, plan, more), "answered": list(answered.items())}
    for endpoint, versions in window.endpoints.items():
        for version, tally in versions.items():
            yield _summary(key, endpoint, version, tally, plan, {})


def _summary(
    key: WindowKey, column: str, version: str | None, tally: Tally, plan: ServingPlan, more: Mapping[str, str]
) -> dict[str, Any]:
    second, many = tally.by_second()
    sampled = {"unlogged": f"{tally.unlogged:.0f}"} if tally.unlogged else {}
    details = {"rows": f"{tally.rows:.0f}", **sampled, **_host_details(tally), **_gap_details(second, key), **more}
    return {
        **dict.fromkeys(SUMMARY_SCHEMA.names),
        "kind": FRESH,
        "granularity": key.granularity,
        "start": key.start,
        "end": key.end,
        "column_name": column,
        "model_version": version,
        **{name: getattr(tally, name) for name in ("requests", "failed", "copies", "rows", "unlogged")},
        "known": tally.requests if plan.counts_apart else tally.known,
        # Rows of which none names a machine do not say that there was none.
        "hosts": float(len(tally.hosts)) if tally.hosts or not tally.rows else None,
        "clusters": float(len(tally.clusters)) if tally.clusters or not tally.rows else None,
        "per_second": float(many.max()) if many.size else None,
        "samples": [{"name": name, **one.columns()} for name, one in sorted(tally.samples.items())],
        "quantiles": [(name, kept_quantiles(name, one).text) for name, one in sorted(_numbers(tally).items()) if one.n],
        "buckets": [{"low": low, "high": high, "n": n} for (low, high), n in sorted(tally.buckets.items())],
        "details": list(details.items()),
    }


def _numbers(tally: Tally) -> dict[str, Samples | Buckets]:
    """What is known of each number: its samples, or of latencies the buckets."""
    of_buckets: dict[str, Samples | Buckets] = {"latency": Buckets.of(tally.buckets)} if tally.buckets else {}
    return {**tally.samples, **of_buckets}


def kept_quantiles(name: str, samples: Samples | Buckets) -> Quantiles:
    """The quantiles that a row keeps of a number's distribution."""
    steps = STEPS if name == "latency" else STEPS_OF_LOADS
    if isinstance(samples, Buckets):
        return Quantiles(np.array([samples.value(step / steps) for step in range(steps + 1)]), samples.n, samples.rank_error)
    return Quantiles(samples.sketch.quantiles(np.arange(steps + 1) / steps), samples.n, samples.sketch.rank_error)


def _failing(parts: Mapping[str, Host] | Mapping[str, Tally]) -> str:
    """Those that failed most, of how many requests each."""
    bad = sorted(((one.failed, name) for name, one in parts.items() if one.failed), reverse=True)[:HOSTS_NAMED]
    return ", ".join(f"{name} {failed:.0f} of {parts[name].requests:.0f}" for failed, name in bad)


def _host_details(tally: Tally) -> dict[str, str]:
    """The slowest machines, those that failed most, and the one that failed first."""
    details: dict[str, str] = {}
    summed = any(one.total for one in tally.hosts.values())
    slow = sorted(((one.total if summed else one.middle) / one.n, name) for name, one in tally.hosts.items() if one.n)
    if len(slow) > 1:
        median = slow[(len(slow) - 1) // 2][0]  # of two the faster one, so that the other can stand out
        named = [
            f"{name} {mean:.4g} ms" + (f" ({mean / median:.3g} times the median host)" if median else "")
            for mean, name in reversed(slow[-HOSTS_NAMED:])
        ]
        details["slowest_hosts"] = ", ".join(named)
    if failing := _failing(tally.hosts):
        details["failing_hosts"] = failing
        first = min((one.first, name) for name, one in tally.hosts.items() if one.failed)
        if first[0] != FIRST_NEVER:
            details["first_failed_host"] = f"{first[1]} at {timestamp_text(first[0])}"
    return details


def _endpoint_details(window: _Window, version: str | None) -> dict[str, str]:
    """The slowest endpoints, those that failed most, and how many are not distinguished."""
    details: dict[str, str] = {}
    latencies = {
        name: _numbers(versions[version]).get("latency") for name, versions in window.endpoints.items() if version in versions
    }
    slow = [(_p95(latency), name) for name, latency in latencies.items() if latency is not None and latency.n]
    if len(slow) > 1:
        details["slowest_endpoints"] = ", ".join(f"{name} {p95:.4g} ms" for p95, name in sorted(slow, reverse=True)[:HOSTS_NAMED])
    tallies = {name: versions[None] for name, versions in window.endpoints.items()}
    if failing := _failing(tallies):
        details["failing_endpoints"] = failing
    if window.left_out:
        details["endpoints_left_out"] = str(window.left_out)
    return details


def _p95(latency: Samples | Buckets) -> float:
    return latency.value(0.95) if isinstance(latency, Buckets) else float(latency.sketch.quantiles([0.95])[0])


def _gap_details(second: Any, key: WindowKey) -> dict[str, str]:
    """The longest time without a request, the window's edges included."""
    if not second.size:
        return {}
    edges = np.concatenate([[key.start // 1_000_000 - 1], second, [-(-key.end // 1_000_000)]])
    gaps = np.diff(edges) - 1
    longest = int(np.argmax(gaps))
    began = int(edges[longest] + 1) * 1_000_000
    found = {"largest_gap_seconds": str(int(gaps[longest])), "largest_gap_from": timestamp_text(began)}
    return {**found, "active_seconds": str(second.size)}


def timestamp_text(micros: int) -> str:
    """A timestamp in UTC as a person reads it.

    >>> timestamp_text(0)
    '1970-01-01 00:00:00 UTC'
    """
    return f"{timestamp_of(micros):%Y-%m-%d %H:%M:%S} UTC"


__all__ = ["FRESH", "PREDICTIONS", "STORED", "SUMMARY_DDL", "ServingPlan", "summaries"]
