"""What a serving system's numbers must be read with: what was left out or looks odd in a sentence, and what is named first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from spark_monitor.catalogue.metric import Metric
from spark_monitor.kernel.requests import NUMBERS
from spark_monitor.operations.latency_shift import SHIFTS
from spark_monitor.operations.serving import beyond_chance
from spark_monitor.states.samples import Samples

QUANTILES: Final = "quantiles_"
"""What the details of ``requests`` that keep a distribution are called, before the number's name."""

GAP: Final = "largest_gap_seconds"
ACTIVE: Final = "active_seconds"
"""How many seconds of the clock had requests, which a summary tells and no row keeps."""
LONGER: Final = 2.0
"""A gap is named that is longer by this factor than any of the windows before, and than chance leaves."""

FEW: Final = 100
"""Fewer latencies than this say nothing of their unit."""


def explained(
    measured: dict[str, Any], metric: Metric, row: Mapping[str, Any], factor: float | None, unit: str, *, baseline: bool = False
) -> dict[str, Any]:
    """The measurement with what it must be read with: a sentence, and what is named first."""
    details = dict(row["details"] or [])
    sentences: list[str] = []
    if metric.name == "requests":
        details |= {f"{QUANTILES}{name}": text for name, text in row["quantiles"] or []}
        sentences += _of_requests(row, details)
    elif metric.name in ("failure_rate", "failed_requests"):
        unread = row["requests"] - row["known"]
        sentences += [f"The outcome of {unread:,.0f} of {row['requests']:,.0f} requests cannot be read."] if unread > 0 else []
    elif metric.name.startswith("latency"):
        sentences += _of_buckets(measured, row, factor) if row["buckets"] else _of_latency(row, factor, unit)
        details |= {"unit_factor": f"{1000 if factor > 1 else 0.001:g}"} if factor is not None else {}
    if measured["value"] is None and not sentences:
        sentences = [_why_undefined(metric, row, baseline=baseline)]
    wanted = _details_of(metric, details)
    return {**measured, "message": " ".join(sentences) or None, "details": list(wanted.items()) or None}


def _details_of(metric: Metric, details: Mapping[str, str]) -> dict[str, str]:
    """What belongs to a metric; a row is kept small."""
    keys = {
        "requests": (
            *("rows", "unlogged", GAP, "largest_gap_from", "endpoints_left_out", "requests_without_version"),
            *(f"{QUANTILES}{name}" for name in NUMBERS),
        ),
        "failure_rate": ("failing_hosts", "first_failed_host", "failing_endpoints"),
        "latency_p50": ("unit_factor",),
        "latency_p95": ("slowest_hosts", "slowest_endpoints", "unit_factor"),
        "latency_ks": ("slowest_hosts", "slowest_endpoints", "unit_factor"),
        GAP: ("largest_gap_from",),
    }.get(metric.name, ())
    return {key: details[key] for key in keys if key in details}


def _of_requests(row: Mapping[str, Any], details: Mapping[str, str]) -> Iterator[str]:
    if row["copies"]:
        yield f"{row['copies']:,.0f} rows repeat the id of another request and are counted once."
    if "unlogged" in details:
        yield f"The log holds a sample: these stand for about {row['requests'] + row['unlogged']:,.0f} requests."
    if "requests_without_version" in details:
        yield f"{float(details['requests_without_version']):,.0f} requests name no model version."
    if "endpoints_left_out" in details:
        yield f"{details['endpoints_left_out']} endpoints with few requests are counted here alone."
    yield from _of_gap(row, details)


def _of_gap(row: Mapping[str, Any], details: Mapping[str, str]) -> Iterator[str]:
    """The longest time without a request, where neither chance nor the windows before had one like it."""
    gap = float(details.get(GAP, 0))
    seconds = (row["end"] - row["start"]) / 1_000_000
    # An aggregate counts many requests in a row, and a batch sends many at once: what came apart are the seconds with any.
    if beyond_chance(gap, float(details.get(ACTIVE, 0)), seconds) and gap > LONGER * (row.get("gap_before") or 0.0):
        length = f"{gap / 3600:.1f} hours" if gap >= 3600 else f"{gap / 60:.0f} minutes" if gap >= 60 else f"{gap:.0f} seconds"
        yield f"No request for {length}, from {details['largest_gap_from']} on."


def _of_buckets(measured: Mapping[str, Any], row: Mapping[str, Any], factor: float | None) -> Iterator[str]:
    """What must be known of a latency that a histogram's buckets tell."""
    last = max(one["low"] for one in row["buckets"])
    if measured["metric"] not in SHIFTS and measured["value"] is not None and measured["value_error"] is None:
        yield f"It lies in the bucket without an upper edge, beyond {last:,.4g} ms: at least so much."
    if factor is not None:
        yield _changed_unit(factor)


def _changed_unit(factor: float) -> str:
    way = "from seconds to milliseconds" if factor > 1 else "from milliseconds to seconds"
    return f"The median is {factor:.4g} times that of the windows before: the column's unit may have changed {way}."


def _of_latency(row: Mapping[str, Any], factor: float | None, unit: str) -> Iterator[str]:
    samples = next((Samples.from_columns(one) for one in row["samples"] if one["name"] == "latency"), Samples.empty())
    # Of a row that repeats a request's id no latency is read.
    total = samples.n + samples.negative + samples.unread - int(row["copies"] or 0)
    if samples.negative:
        yield f"{samples.negative:,} of {total:,} latencies are negative and left out: check the clocks that they are taken from."
    if not samples.n:
        yield f"None of {total:,} rows has a latency that can be read."
    elif factor is not None:
        yield _changed_unit(factor)
    elif samples.n >= FEW:
        yield from _unit_doubt(samples, unit)


def _unit_doubt(samples: Samples, unit: str) -> Iterator[str]:
    p95 = float(samples.sketch.quantiles([0.95])[0])
    if unit == "ms" and p95 < 1:
        yield "95 % of the latencies are below 1 ms: if the column holds seconds, name it latency_seconds."
    if unit == "s" and float(samples.sketch.quantiles([0.5])[0]) > 100_000:
        yield "Half of the latencies are above 100 seconds: if the column holds milliseconds, name it latency_ms."


SAMPLED: Final = "The log holds a sample of the requests, which says nothing of lost predictions."


def why_no_predictions(version: str | None) -> str:
    """Why requests are not held against predictions."""
    if version is None:
        return "No predictions are recorded for this window."
    return "No predictions of this model version are recorded for this window: log and predictions may name it differently."


def _why_undefined(metric: Metric, row: Mapping[str, Any], *, baseline: bool) -> str:
    if metric.name in ("requests_per_second_max", GAP):
        what = "Gaps" if metric.name == GAP else "Requests per second"
        return f"{what} need a log with single requests and windows of at most 62 days."
    if metric.name in SHIFTS:
        return f"No window {'of the baseline period' if baseline else 'before this one'} has values to compare with."
    if metric.name == "lost_predictions_percent":
        every_failed = row["requests"] and row["failed"] and row["failed"] >= row["requests"]
        return "Every request failed." if every_failed else row["why_no_predictions"] or why_no_predictions(row["model_version"])
    if metric.name in ("active_hosts", "active_clusters"):
        return f"No row of this window names a {'machine' if metric.name == 'active_hosts' else 'cluster'}."
    return "No row of this window has this number."
