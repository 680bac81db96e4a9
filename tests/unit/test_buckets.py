"""Quantiles of latencies that a histogram's buckets tell, against the values that fell into them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.kernel.plan import WindowKey, plan_segments
from spark_monitor.kernel.requests import BUCKET_COLUMNS, COLUMNS, RequestPlan, RequestTask
from spark_monitor.kernel.serving import ServingPlan, kept_quantiles, summaries
from spark_monitor.kernel.serving_series import series_measurements
from spark_monitor.operations.latency_shift import ShiftBlock, latency_ks
from spark_monitor.operations.serving import quantile, rank_bounds
from spark_monitor.states.buckets import Buckets

EDGES = (5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, np.inf)
QUANTILES = {"latency_p50": 0.5, "latency_p90": 0.9, "latency_p95": 0.95, "latency_p99": 0.99}


def counts(values: Any, edges: tuple[float, ...] = EDGES) -> dict[tuple[float, float], float]:
    lows = np.array([0.0, *edges[:-1]])
    place = np.searchsorted(edges, values, side="left")
    return {(lows[one], edges[one]): float(many) for one, many in enumerate(np.bincount(place, minlength=len(edges)))}


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("q", [0.01, 0.5, 0.9, 0.95, 0.99])
def test_the_quantile_lies_within_its_error_and_bounds_hold_those_of_the_values(seed: int, q: float) -> None:
    random = np.random.default_rng(seed)
    values = np.sort(random.lognormal(random.uniform(1, 6), random.uniform(0.1, 1.5), int(random.integers(1, 3000))))
    one = Buckets.of(counts(values))
    found = quantile([one], q)
    exact = values[int(np.ceil(q * values.size - 1e-9)) - 1]
    low, high = (int(rank[0]) for rank in rank_bounds(np.array([values.size]), q))
    if np.isfinite(found.value_error[0]):
        assert abs(found.value[0] - exact) <= found.value_error[0]
    else:
        assert exact >= found.value[0] == 2500.0
    if low >= 1:
        assert found.lower[0] <= values[low - 1]
    assert np.isnan(found.lower[0]) == (low < 1)
    if np.isfinite(found.upper[0]):
        assert found.upper[0] >= values[high - 1]
    assert found.count is not None
    assert found.count[0] == values.size


def test_the_value_is_that_of_prometheus_histogram_quantile() -> None:
    one = Buckets.of({(0.0, 10.0): 40.0, (10.0, 50.0): 40.0, (50.0, np.inf): 20.0})
    found = [float(quantile([one], q).value[0]) for q in (0.2, 0.4, 0.6, 0.8, 0.9)]
    assert found == pytest.approx([5.0, 10.0, 30.0, 50.0, 50.0])


@pytest.mark.parametrize("seed", range(10))
def test_histograms_with_other_edges_together_bound_every_quantile(seed: int) -> None:
    random = np.random.default_rng(seed)
    each = [random.lognormal(4, 1, 500), random.lognormal(5, 0.5, 800)]
    edges = [EDGES, (7.0, 80.0, 120.0, 900.0, np.inf)]
    both: dict[tuple[float, float], float] = {}
    for values, of in zip(each, edges, strict=True):
        for place, many in counts(values, of).items():
            both[place] = both.get(place, 0.0) + many
    values, one = np.sort(np.concatenate(each)), Buckets.of(both)
    for q in np.linspace(0.02, 0.98, 25):
        below, above = one.bounds(float(np.ceil(q * one.n - 1e-9)))
        assert below < values[int(np.ceil(q * values.size - 1e-9)) - 1] <= above


@pytest.mark.parametrize("seed", range(10))
def test_the_distance_of_two_histograms_holds_that_of_their_values(seed: int) -> None:
    random = np.random.default_rng(seed)
    before, now = random.lognormal(4, 1, 4000), random.lognormal(4 + random.uniform(0, 1), 1, 3000)
    kept = [kept_quantiles("latency", Buckets.of(counts(values))) for values in (before, now)]
    found = latency_ks(ShiftBlock([kept[1]], [kept[0]]))
    points = np.concatenate([before, now])
    distances = (
        np.searchsorted(np.sort(before), points, side="right") / 4000 - np.searchsorted(np.sort(now), points, side="right") / 3000
    )
    assert abs(found.value[0] - np.abs(distances).max()) <= found.value_error[0] + 1e-9


@pytest.mark.parametrize("summed", [True, False])
def test_rows_of_buckets_are_measured_by_endpoint_and_host_beside_counts(summed: bool) -> None:
    random = np.random.default_rng(4)
    hour = 3_600_000_000
    windows = (WindowKey("1 hour", 0, hour), WindowKey("1 hour", hour, 2 * hour))
    values = pd.DataFrame({"time": random.integers(0, 2 * hour, 5000), "host": random.choice(["a", "b"], 5000)})
    values["latency"] = random.lognormal(4, 1, 5000) * np.where(values["host"] == "b", 3, 1)
    values["place"] = np.searchsorted(EDGES, values["latency"], side="left")
    fallen = values.groupby([values["time"] // hour, "host", "place"]).size().reset_index(name="fell")
    rows = pd.DataFrame({"time": fallen["time"] * hour, "host": fallen["host"], "fell": fallen["fell"].astype(float)})
    rows["low"], rows["high"] = np.array([0.0, *EDGES[:-1]])[fallen["place"]], np.array(EDGES)[fallen["place"]]
    sums = values.groupby([values["time"] // hour, "host"])["latency"].sum().reset_index()
    more = pd.DataFrame({"time": sums["time"] * hour, "host": sums["host"], "took": sums["latency"], "requests": 100.0})
    if not summed:  # a histogram need not have a sum
        more["took"] = np.nan
    frame = pd.concat([rows, more], ignore_index=True).assign(endpoint="p", version=None, cluster=None, copies=0.0)
    frame = frame.reindex(columns=[*COLUMNS, *BUCKET_COLUMNS])
    texts = ("endpoint", "version", "host", "cluster")
    arrays = [
        pa.array(frame[name], pa.timestamp("us", "UTC"))
        if name == "time"
        else pa.array(frame[name], pa.string() if name in texts else pa.float64(), from_pandas=True)
        for name in frame
    ]
    edges, members = plan_segments(windows)
    has = frozenset({"endpoint", "host", "latency", "buckets"})
    batches = pa.table(arrays, names=list(frame)).to_batches(max_chunksize=7)
    tallies = pa.Table.from_batches(list(RequestTask(RequestPlan(edges, members, has, by_second=False)).run(iter(batches))))
    plan = ServingPlan(windows, has, 200, 100 * hour, counts_apart=True)
    told = [row for batch in summaries(tallies.sort_by("window").to_batches(), plan) for row in batch.to_pylist()]
    found = pd.DataFrame(series_measurements(sorted(told, key=lambda row: (row["column_name"], row["start"])), plan))
    for start in (0, hour):
        inside = np.sort(values[values["time"] // hour * hour == start]["latency"])
        for column in (TABLE_ROW, "p"):
            of = found[(found["start"] == start) & (found["column_name"] == column)].set_index("metric")
            assert of.loc["requests", "value"] == 200
            for metric, q in QUANTILES.items():
                exact = inside[int(np.ceil(q * inside.size)) - 1]
                assert abs(of.loc[metric, "value"] - exact) <= of.loc[metric, "value_error"]
                assert of.loc[metric, "lower"] <= exact <= of.loc[metric, "upper"]
                assert of.loc[metric, "count"] == inside.size
        means = values[values["time"] // hour * hour == start].groupby("host")["latency"].mean()
        slowest = dict(found[(found["start"] == start) & (found["metric"] == "latency_p95")].iloc[0]["details"])["slowest_hosts"]
        if not summed:
            fell = rows[rows["time"] == start]
            middles = np.where(np.isinf(fell["high"]), fell["low"], (fell["low"] + fell["high"]) / 2)
            means = (fell["fell"] * middles).groupby(fell["host"]).sum() / fell.groupby("host")["fell"].sum()
        assert slowest.startswith(f"b {means['b']:.4g} ms ({means['b'] / means['a']:.3g} times the median host)")
    assert set(found[(found["metric"] == "latency_ks") & (found["start"] == hour)]["status"]) == {"OK"}


def test_a_quantile_beyond_the_last_edge_is_at_least_that_edge() -> None:
    one = Buckets.of({(0.0, 100.0): 90.0, (100.0, np.inf): 10.0})
    found = quantile([one], 0.99)
    assert (found.value[0], found.lower[0]) == (100.0, 100.0)
    assert np.isnan([found.upper[0], found.value_error[0]]).all()
