"""How a serving system behaves: requests, failures, latency, load, machines; of many windows, endpoints and versions at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import bdtrik

from spark_monitor.catalogue.interval import Floats, Integers, Interval
from spark_monitor.catalogue.metric import NOT_NEGATIVE, PERCENT, SHARE, operation_metric
from spark_monitor.states.buckets import Buckets
from spark_monitor.states.proportions import CONFIDENCE, score_interval, student
from spark_monitor.states.samples import Samples

_TAIL = (1 - CONFIDENCE) / 2
_ONCE_IN = 1e-6


@dataclass(frozen=True, eq=False)
class ServingBlock:
    """S sets of dimensions of a request log: each attribute has length S; NaN where the log does not tell.

    ``known`` are the requests whose outcome can be read; ``latency`` is in milliseconds (a histogram's buckets where no more is
    known), ``cpu`` and ``gpu`` in percent, ``memory`` in bytes. ``predictions`` are the rows of the prediction table in the same
    windows.
    """

    requests: Floats
    failed: Floats
    known: Floats
    latency: Sequence[Samples | Buckets] = ()
    cpu: Sequence[Samples] = ()
    gpu: Sequence[Samples] = ()
    memory: Sequence[Samples] = ()
    hosts: Floats = field(default_factory=lambda: np.empty(0))
    clusters: Floats = field(default_factory=lambda: np.empty(0))
    per_second: Floats = field(default_factory=lambda: np.empty(0))
    gap: Floats = field(default_factory=lambda: np.empty(0))
    predictions: Floats = field(default_factory=lambda: np.empty(0))


def rank_bounds(n: Integers, q: float) -> tuple[Integers, Integers]:
    """The ranks (1 to n) between which the population's q-quantile lies in 95 % of samples; 0 and n + 1 where nothing bounds it.

    The number of values below the quantile is binomial(n, q) whatever the distribution (David and Nagaraja, Order Statistics,
    2003, 7.1), so the ranks are its 2.5 % and 97.5 % points.

    >>> [int(rank[0]) for rank in rank_bounds(np.array([1000]), 0.95)]
    [936, 964]
    """
    with np.errstate(invalid="ignore"):
        low = np.ceil(np.nan_to_num(bdtrik(_TAIL, n, q)))
        high = np.ceil(np.nan_to_num(bdtrik(1 - _TAIL, n, q))) + 1
    return low.astype(np.int64), np.minimum(high, n + 1).astype(np.int64)


def quantile(samples: Sequence[Samples | Buckets], q: float) -> Interval:
    """The smallest value x with F(x) >= q, its sketch's error in the value's unit, and the 95 % interval of the population's.

    The interval's ranks are those of ``rank_bounds``, widened by the sketch's rank error; a bound beyond the extremes is unknown.
    Of a histogram's buckets the value is interpolated in the bucket that it lies in, the error reaches to that one's edges, and
    the interval to those of the buckets of its ranks.

    >>> found = quantile([Samples.of(np.arange(1, 101.0)), Samples.empty()], 0.5)
    >>> found.value.tolist(), found.lower.tolist(), found.upper.tolist()
    ([50.0, nan], [40.0, nan], [61.0, nan])
    """
    n = np.array([one.n for one in samples], dtype=np.int64)
    low, high = rank_bounds(n, q)
    rows = [_quantile_of(one, q, below, above) for one, below, above in zip(samples, low.tolist(), high.tolist(), strict=True)]
    value, lower, upper, error = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return Interval(value, lower, upper, error, n)


def _quantile_of(one: Samples | Buckets, q: float, low: int, high: int) -> tuple[float, float, float, float]:
    if not one.n:
        return (np.nan,) * 4
    if isinstance(one, Buckets):
        return _in_bucket(one, q, low, high)
    slack = one.sketch.rank_error
    ranks = np.clip([q, q - slack, q + slack, low / one.n - slack, high / one.n + slack], 0.0, 1.0)
    value, below, above, lower, upper = one.sketch.quantiles(ranks).tolist()
    unbounded_low, unbounded_high = low / one.n - slack <= 0, high / one.n + slack > 1
    return value, np.nan if unbounded_low else lower, np.nan if unbounded_high else upper, max(value - below, above - value)


def _in_bucket(one: Buckets, q: float, low: int, high: int) -> tuple[float, float, float, float]:
    """Value, interval and error by the edges of buckets; of a bucket without an upper edge neither error nor bound is known."""
    below, above = one.bounds(max(1, np.ceil(q * one.n - 1e-9)))
    value = min(max(one.value(q), below), above)
    lower = one.bounds(low)[0] if low >= 1 else np.nan
    upper = one.bounds(high)[1] if high <= one.n else np.nan
    error = max(value - below, above - value)
    return value, lower, upper if np.isfinite(upper) else np.nan, error if np.isfinite(error) else np.nan


def average(samples: Sequence[Samples]) -> Interval:
    """The mean of what was reported, exact, with Student's 95 % interval of the population's; no load is below 0."""
    n = np.array([one.n for one in samples], dtype=np.int64)
    value = np.array([one.mean if one.n else np.nan for one in samples])
    bounds = np.array([student(one.mean, one.variance, one.n) for one in samples]).reshape(-1, 2)
    bounds = np.where(np.isfinite(bounds) & (n > 0)[:, None], bounds, np.nan)
    return Interval(value, np.maximum(bounds[:, 0], 0.0), bounds[:, 1], np.zeros(value.shape), n)


def greatest(samples: Sequence[Samples]) -> Interval:
    """The greatest value that was reported, exact."""
    value = np.array([one.maximum for one in samples], dtype=np.float64)
    return Interval(value, value, value, np.zeros(value.shape), np.array([one.n for one in samples], dtype=np.int64))


@operation_metric("requests", range=NOT_NEGATIVE, worse="both", unit="requests", headline=0)
def requests(current: ServingBlock) -> Floats:
    """Requests that were made in the window; one whose id comes twice counts once."""
    return current.requests


@operation_metric("failed_requests", range=NOT_NEGATIVE, unit="requests", needs=("failed",))
def failed_requests(current: ServingBlock) -> Floats:
    """Requests that failed, as the file's expression says; unknown where no outcome can be read."""
    unread = (current.requests > 0) & ~(current.known > 0) & ~(current.failed > 0)
    return np.where(unread, np.nan, current.failed)


@operation_metric("failure_rate", range=SHARE, needs=("failed",), headline=2)
def failure_rate(current: ServingBlock) -> Interval:
    """Failed requests over those whose outcome can be read.

    The interval is Wilson's (95 %), as other programs compute it. Over many windows it holds the true rate in 95 %; where about
    one failure in six windows is expected, in 84 %.

    >>> found = failure_rate(ServingBlock(np.array([100.0]), np.array([5.0]), np.array([100.0])))
    >>> found.value.tolist(), round(float(found.lower[0]), 4), round(float(found.upper[0]), 4)
    ([0.05], 0.0215, 0.1118)
    """
    readable = current.known
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.where(readable > 0, current.failed / readable, np.nan)
    lower, upper = score_interval(np.nan_to_num(current.failed), np.nan_to_num(readable))
    absent = ~(readable > 0)
    bounds = np.where(absent, np.nan, lower), np.where(absent, np.nan, upper)
    return Interval(value, *bounds, np.zeros(value.shape), np.nan_to_num(readable).astype(np.int64))


@operation_metric("latency_p50", range=NOT_NEGATIVE, unit="ms", needs=("latency",))
def latency_p50(current: ServingBlock) -> Interval:
    """The median latency in milliseconds."""
    return quantile(current.latency, 0.5)


@operation_metric("latency_p90", range=NOT_NEGATIVE, unit="ms", needs=("latency",))
def latency_p90(current: ServingBlock) -> Interval:
    """The latency that nine requests in ten keep below, in milliseconds."""
    return quantile(current.latency, 0.9)


@operation_metric("latency_p95", range=NOT_NEGATIVE, unit="ms", needs=("latency",), headline=1)
def latency_p95(current: ServingBlock) -> Interval:
    """The latency that 95 % of the requests keep below, in milliseconds."""
    return quantile(current.latency, 0.95)


@operation_metric("latency_p99", range=NOT_NEGATIVE, unit="ms", needs=("latency",))
def latency_p99(current: ServingBlock) -> Interval:
    """The latency that 99 % of the requests keep below, in milliseconds."""
    return quantile(current.latency, 0.99)


@operation_metric("cpu_percent_avg", range=NOT_NEGATIVE, unit="percent", needs=("cpu",))
def cpu_percent_avg(current: ServingBlock) -> Interval:
    """Mean processor use in percent."""
    return average(current.cpu)


@operation_metric("cpu_percent_p95", range=NOT_NEGATIVE, unit="percent", needs=("cpu",))
def cpu_percent_p95(current: ServingBlock) -> Interval:
    """Processor use in percent that 95 % of the reports keep below."""
    return quantile(current.cpu, 0.95)


@operation_metric("cpu_percent_max", range=NOT_NEGATIVE, unit="percent", needs=("cpu",))
def cpu_percent_max(current: ServingBlock) -> Interval:
    """Greatest processor use in percent."""
    return greatest(current.cpu)


@operation_metric("gpu_percent_avg", range=NOT_NEGATIVE, unit="percent", needs=("gpu",))
def gpu_percent_avg(current: ServingBlock) -> Interval:
    """Mean accelerator use in percent."""
    return average(current.gpu)


@operation_metric("gpu_percent_p95", range=NOT_NEGATIVE, unit="percent", needs=("gpu",))
def gpu_percent_p95(current: ServingBlock) -> Interval:
    """Accelerator use in percent that 95 % of the reports keep below."""
    return quantile(current.gpu, 0.95)


@operation_metric("gpu_percent_max", range=NOT_NEGATIVE, unit="percent", needs=("gpu",))
def gpu_percent_max(current: ServingBlock) -> Interval:
    """Greatest accelerator use in percent."""
    return greatest(current.gpu)


@operation_metric("memory_bytes_avg", range=NOT_NEGATIVE, unit="bytes", needs=("memory",))
def memory_bytes_avg(current: ServingBlock) -> Interval:
    """Mean memory in use, in bytes."""
    return average(current.memory)


@operation_metric("memory_bytes_p95", range=NOT_NEGATIVE, unit="bytes", needs=("memory",))
def memory_bytes_p95(current: ServingBlock) -> Interval:
    """Memory in use that 95 % of the reports keep below, in bytes."""
    return quantile(current.memory, 0.95)


@operation_metric("memory_bytes_max", range=NOT_NEGATIVE, unit="bytes", needs=("memory",))
def memory_bytes_max(current: ServingBlock) -> Interval:
    """Greatest memory in use, in bytes."""
    return greatest(current.memory)


@operation_metric("active_hosts", range=NOT_NEGATIVE, worse="lower", unit="hosts", needs=("host",))
def active_hosts(current: ServingBlock) -> Floats:
    """Machines that answered or reported, counted exactly."""
    return current.hosts


@operation_metric("active_clusters", range=NOT_NEGATIVE, worse="lower", unit="clusters", needs=("cluster",))
def active_clusters(current: ServingBlock) -> Floats:
    """Clusters that answered or reported, counted exactly."""
    return current.clusters


@operation_metric("requests_per_second_max", range=NOT_NEGATIVE, worse="both", unit="requests per second")
def requests_per_second_max(current: ServingBlock) -> Floats:
    """The most requests of one second of the clock."""
    return current.per_second


@operation_metric("largest_gap_seconds", range=NOT_NEGATIVE, unit="seconds")
def largest_gap_seconds(current: ServingBlock) -> Floats:
    """The longest time without a request, in whole seconds of the clock; the window's edges end it."""
    return current.gap


def beyond_chance(gap: float, arrivals: float, seconds: float) -> bool:
    """Whether arrivals at any time alike, each by itself, would leave a gap of this length somewhere less than once in a million.

    (n + 1) (1 - gap / window)^n bounds that from above (the spacings of n uniform values; David and Nagaraja, Order Statistics,
    2003, 6.4).

    >>> beyond_chance(8 * 3600, 2000, 86400), beyond_chance(8 * 3600, 3, 86400)
    (True, False)
    """
    return arrivals > 0 and (arrivals + 1) * max(1 - gap / seconds, 0.0) ** arrivals < _ONCE_IN


@operation_metric("lost_predictions_percent", range=(-np.inf, PERCENT[1]), unit="percent", needs=("predictions",))
def lost_predictions_percent(current: ServingBlock) -> Interval:
    """Requests that did not fail and have no row in the prediction table, in percent; below 0 where there are more rows.

    100 (1 - predictions / (requests - failed)). It supposes that a request makes one prediction. A version that answered and has
    no prediction has lost all where the prediction table names the window's versions as the log does; ``lower`` leaves open what
    other versions have more than they answered.

    >>> found = lost_predictions_percent(
    ...     ServingBlock(np.array([110.0]), np.array([10.0]), np.array([110.0]), predictions=np.array([97.0]))
    ... )
    >>> round(float(found.value[0]), 6)
    3.0
    """
    answered = current.requests - np.nan_to_num(current.failed)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.where(answered > 0, 100.0 * (1 - current.predictions / answered), np.nan)
    return Interval(value, value, value, np.zeros(value.shape))
