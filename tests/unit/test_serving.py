"""The numbers of a request log against pandas and numpy, whatever the batches, and what hostile rows become."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats
from scipy.stats import binom, ks_2samp

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.kernel.plan import WindowKey, plan_segments
from spark_monitor.kernel.requests import COLUMNS, NUMBERS, RequestPlan, RequestTask
from spark_monitor.kernel.serving import ServingPlan, summaries
from spark_monitor.kernel.serving_series import series_measurements
from spark_monitor.operations.serving import average, quantile, rank_bounds
from spark_monitor.states.samples import Samples

HOUR = 3_600_000_000
EVERYTHING = frozenset({"endpoint", "version", "host", "cluster", "failed", *NUMBERS})


def log_of(rows: int, seed: int, hours: int = 4) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"time": random.integers(0, hours * HOUR, rows)})
    frame["endpoint"] = random.choice(["predict", "explain", "health"], rows, p=[0.8, 0.15, 0.05])
    frame["version"] = random.choice(["1", "2", None], rows, p=[0.6, 0.3, 0.1])
    frame["host"] = random.choice([f"host-{number}" for number in range(40)], rows)
    frame["cluster"] = random.choice(["east", "west"], rows)
    frame["requests"], frame["copies"] = 1.0, 0.0
    frame["failed"] = np.where(random.random(rows) < 0.02, np.nan, random.random(rows) < 0.03)
    frame["latency"] = np.where(random.random(rows) < 0.01, np.nan, random.lognormal(3, 1, rows))
    frame["cpu"], frame["gpu"] = random.uniform(0, 100, rows), random.uniform(0, 100, rows)
    frame["memory"] = random.uniform(1e9, 8e9, rows)
    return frame


def batches_of(frame: pd.DataFrame, size: int) -> Iterator[pa.RecordBatch]:
    texts = ("endpoint", "version", "host", "cluster")
    arrays = [
        pa.array(frame[name], pa.timestamp("us", "UTC"))
        if name == "time"
        else pa.array(frame[name], pa.string() if name in texts else pa.float64(), from_pandas=True)
        for name in COLUMNS
    ]
    yield from pa.table(arrays, names=list(COLUMNS)).to_batches(max_chunksize=size)


def measured(
    frame: pd.DataFrame,
    windows: Sequence[WindowKey],
    *,
    size: int = 1000,
    tasks: int = 1,
    has: frozenset[str] = EVERYTHING,
    before: Sequence[dict[str, Any]] = (),
    **options: Any,
) -> pd.DataFrame:
    edges, members = plan_segments(windows)
    plan = RequestPlan(edges, members, has)
    parts = [batch for part in range(tasks) for batch in RequestTask(plan).run(batches_of(frame.iloc[part::tasks], size))]
    tallies = pa.Table.from_batches(parts).sort_by([("window", "ascending"), ("endpoint", "ascending"), ("version", "ascending")])
    serving = ServingPlan(**{"windows": tuple(windows), "has": has, "most_endpoints": 200, "lookback": 100 * HOUR, **options})
    rows = [row for batch in summaries(tallies.to_batches(), serving) for row in batch.to_pylist()]
    seeds = [{**dict.fromkeys(rows[0] if rows else (), None), **seed} for seed in (SEED, *before)]
    rows = sorted([*rows, *seeds], key=lambda row: (row["column_name"], row["model_version"] or "", row["start"]))
    return pd.DataFrame(series_measurements(rows, serving))


SEED = {"kind": "seed", "granularity": "1 hour", "start": -1, "column_name": TABLE_ROW, "model_version": None, "requests": None}
HOURS = tuple(WindowKey("1 hour", start * HOUR, (start + 1) * HOUR) for start in range(4))


def one(found: pd.DataFrame, metric: str, start: int, column: str = TABLE_ROW, version: str | None = None) -> pd.Series:
    chosen = found[(found["metric"] == metric) & (found["start"] == start) & (found["column_name"] == column)]
    chosen = chosen[chosen["model_version"].isna() if version is None else chosen["model_version"] == version]
    assert len(chosen) == 1, (metric, start, column, version, len(chosen))
    return chosen.iloc[0]


@pytest.mark.parametrize(("size", "tasks"), [(997, 1), (100_000, 3)])
def test_every_number_is_pandas_whatever_the_batches_and_tasks(size: int, tasks: int) -> None:
    frame = log_of(30_000, seed=5)
    found = measured(frame, HOURS, size=size, tasks=tasks)
    for start in range(4):
        inside = frame[(frame["time"] // HOUR) == start]
        series = [(TABLE_ROW, None, inside), (TABLE_ROW, "2", inside[inside["version"] == "2"])]
        predict = inside[inside["endpoint"] == "predict"]
        series += [("predict", None, predict), ("predict", "1", predict[predict["version"] == "1"])]
        for column, version, rows in series:
            values = {
                "requests": len(rows),
                "failed_requests": rows["failed"].sum(),
                "failure_rate": rows["failed"].mean(),
                "active_hosts": rows["host"].nunique(),
                "active_clusters": rows["cluster"].nunique(),
                "requests_per_second_max": (rows["time"] // 1_000_000).value_counts().max(),
                "cpu_percent_avg": rows["cpu"].mean(),
                "gpu_percent_max": rows["gpu"].max(),
                "memory_bytes_avg": rows["memory"].mean(),
            }
            for metric, value in values.items():
                row = one(found, metric, start * HOUR, column, version)
                assert row["value"] == pytest.approx(float(value), rel=1e-12), (metric, column, version)
                assert row["lower"] <= row["value"] <= row["upper"]
            latency = np.sort(rows["latency"].dropna().to_numpy())
            for metric, q in (("latency_p50", 0.5), ("latency_p90", 0.9), ("latency_p95", 0.95), ("latency_p99", 0.99)):
                row = one(found, metric, start * HOUR, column, version)
                exact = float(np.quantile(latency, q, method="inverted_cdf"))
                assert abs(row["value"] - exact) <= row["value_error"] + 1e-9
                assert row["lower"] <= exact <= (np.inf if pd.isna(row["upper"]) else row["upper"])


def test_the_mean_of_few_loads_has_students_interval_which_goes_no_lower_than_0() -> None:
    reported = [np.array([90.9, 5.2, 48.1]), np.array([40.0, 41.0, 42.0, 43.0]), np.array([7.0])]
    found = average([Samples.of(one) for one in reported])
    for place, one in enumerate(reported[:2]):
        low, high = stats.t.interval(0.95, one.size - 1, one.mean(), one.std(ddof=1) / np.sqrt(one.size))
        assert found.value[place] == pytest.approx(one.mean())
        assert found.lower[place] == pytest.approx(max(low, 0.0))
        assert found.upper[place] == pytest.approx(high)
    assert found.lower[0] == 0.0
    assert np.isnan([found.lower[2], found.upper[2]]).all()


def test_the_interval_of_a_quantile_covers_the_populations_in_95_of_100_samples() -> None:
    random = np.random.default_rng(11)
    covered = dict.fromkeys((0.5, 0.95, 0.99), 0)
    for _ in range(400):
        samples = [Samples.of(random.exponential(size=300))]
        for q in covered:
            found = quantile(samples, q)
            upper = np.inf if np.isnan(found.upper[0]) else found.upper[0]
            covered[q] += bool(found.lower[0] <= -np.log(1 - q) <= upper)
    assert all(count >= 0.93 * 400 for count in covered.values()), covered


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
def test_the_ranks_of_an_interval_are_the_binomials(q: float) -> None:
    n = np.array([1, 7, 100, 5000])
    low, high = rank_bounds(n, q)
    coverage = binom.cdf(high - 1, n, q) - binom.cdf(low - 1, n, q)
    assert (coverage >= 0.95 - 1e-9).all()


def test_windows_of_several_lengths_are_sums_of_the_same_rows() -> None:
    frame = log_of(5_000, seed=8)
    minutes = [WindowKey("5 minutes", start * HOUR // 12, (start + 1) * HOUR // 12) for start in range(48)]
    found = measured(frame, [*HOURS, *minutes])
    whole = found[(found["metric"] == "requests") & (found["column_name"] == TABLE_ROW) & found["model_version"].isna()]
    by_length = whole.groupby("granularity")["value"].sum()
    assert by_length.to_dict() == {"1 hour": 5000.0, "5 minutes": 5000.0}


def test_an_hour_without_requests_is_a_row_that_says_so_and_no_pass() -> None:
    frame = log_of(2_000, seed=3)
    found = measured(frame[(frame["time"] // HOUR) != 2], HOURS)
    silent = one(found, "requests", 2 * HOUR)
    assert (silent["value"], silent["status"]) == (0.0, "EMPTY")
    assert silent["message"] == "No request in this window; the last window with requests ended 1970-01-01 02:00:00 UTC."
    for machines in ("active_hosts", "active_clusters"):
        silent = one(found, machines, 2 * HOUR)
        assert (silent["value"], silent["status"]) == (0.0, "EMPTY")  # no machine reported: a rule can find the gap
    assert one(found, "latency_p95", 2 * HOUR)["value"] is None or np.isnan(one(found, "latency_p95", 2 * HOUR)["value"])
    assert one(found, "requests", 2 * HOUR, "health", "1")["status"] == "EMPTY"


def test_endpoints_that_fail_most_are_named_with_their_counts() -> None:
    frame = log_of(6_000, seed=4)
    frame["failed"] = np.where(frame["endpoint"] == "health", np.random.default_rng(5).random(6_000) < 0.5, frame["failed"])
    details = dict(one(measured(frame, HOURS), "failure_rate", HOUR)["details"])

    hour = frame[frame["time"] // HOUR == 1].groupby("endpoint")["failed"]
    expected = sorted(((bad, name) for name, bad in hour.sum().items()), reverse=True)
    assert details["failing_endpoints"] == ", ".join(f"{name} {bad:.0f} of {hour.size()[name]}" for bad, name in expected)
    assert expected[0][1] == "health"


def test_a_log_without_any_row_has_empty_windows() -> None:
    found = measured(log_of(10, seed=1).iloc[:0], HOURS)
    assert set(found["status"]) == {"EMPTY"}
    assert set(found["column_name"]) == {TABLE_ROW}


def test_negative_and_unreadable_latencies_are_left_out_and_said() -> None:
    frame = log_of(1_000, seed=4, hours=1)
    frame.loc[:9, "latency"] = -5.0
    frame.loc[10:19, "latency"] = np.inf
    row = one(measured(frame, HOURS[:1]), "latency_p95", 0)
    kept = frame["latency"].replace(np.inf, np.nan).dropna()
    exact = np.quantile(kept[kept >= 0], 0.95, method="inverted_cdf")
    assert row["value"] == pytest.approx(exact)
    assert "10 of 1,000 latencies are negative and left out" in row["message"]

    copy = frame.iloc[100:150].assign(requests=0.0, copies=1.0, latency=np.nan, failed=np.nan)  # ids that come again
    again = one(measured(pd.concat([frame, copy]), HOURS[:1]), "latency_p95", 0)
    assert (again["value"], again["message"]) == (row["value"], row["message"])


def test_outcomes_that_cannot_be_read_count_neither_as_failed_nor_as_well() -> None:
    frame = log_of(1_000, seed=4, hours=1)
    row = one(measured(frame, HOURS[:1]), "failure_rate", 0)
    known = frame["failed"].notna().sum()
    assert row["value"] == pytest.approx(frame["failed"].sum() / known)
    assert row["message"] == f"The outcome of {1000 - known} of 1,000 requests cannot be read."


def test_a_change_from_milliseconds_to_seconds_is_named() -> None:
    frame = log_of(4_000, seed=6)
    frame["latency"] = np.where(frame["time"] >= 3 * HOUR, frame["latency"] / 1000, frame["latency"])
    found = measured(frame, HOURS)
    row = one(found, "latency_p50", 3 * HOUR)
    assert "unit may have changed from milliseconds to seconds" in row["message"]
    assert dict(row["details"])["unit_factor"] == "0.001"
    assert one(found, "latency_p50", 2 * HOUR)["message"] is None


def test_latencies_that_look_like_seconds_from_the_beginning_are_doubted() -> None:
    frame = log_of(4_000, seed=6)
    frame["latency"] /= 1000
    assert "name it latency_seconds" in one(measured(frame, HOURS), "latency_p50", 0)["message"]


def test_the_slow_host_and_the_first_that_failed_are_named() -> None:
    frame = log_of(8_000, seed=9)
    slow = frame["host"] == "host-7"
    frame.loc[slow, "latency"] *= 20
    frame["failed"] = (slow & (frame["time"] > HOUR // 2)).astype(float)
    found = measured(frame, HOURS)
    assert dict(one(found, "latency_p95", 0)["details"])["slowest_hosts"].startswith("host-7 ")
    details = dict(one(found, "failure_rate", 0)["details"])
    assert details["failing_hosts"].startswith("host-7 ")
    first = frame[slow & (frame["time"] > HOUR // 2)]["time"].min()
    assert details["first_failed_host"] == f"host-7 at {pd.Timestamp(first, unit='us'):%Y-%m-%d %H:%M:%S} UTC"


def test_the_longest_gap_is_counted_from_edge_to_edge() -> None:
    frame = log_of(4_000, seed=2, hours=1)
    kept = frame[(frame["time"] < 10 * 60_000_000) | (frame["time"] > 30 * 60_000_000)]
    details = dict(one(measured(kept, HOURS[:1]), "requests", 0)["details"])
    seconds = np.unique(np.concatenate([[-1], kept["time"] // 1_000_000, [3600]]))
    assert int(details["largest_gap_seconds"]) == int((np.diff(seconds) - 1).max())


def test_the_drift_of_latencies_holds_the_exact_distance() -> None:
    frame = log_of(20_000, seed=12)
    frame["latency"] = np.where(frame["time"] >= 2 * HOUR, frame["latency"] * 1.5, frame["latency"])
    found = measured(frame, HOURS)
    parts = [frame[(frame["time"] // HOUR) == start]["latency"].dropna() for start in range(4)]
    row = one(found, "latency_ks", 2 * HOUR)
    exact = ks_2samp(parts[2], pd.concat(parts[:2])).statistic
    assert abs(row["value"] - exact) <= row["value_error"] + 1e-9
    assert row["lower"] <= exact <= row["upper"]
    assert row["lower"] > 0.1
    calm = one(found, "latency_ks", HOUR)
    assert calm["value"] < 0.05
    assert one(found, "latency_ks", 0)["status"] == "UNDEFINED"


def test_beyond_the_limit_endpoints_are_counted_together_only() -> None:
    frame = log_of(3_000, seed=14, hours=1)
    frame["endpoint"] = [f"/item/{number % 500}" for number in range(3_000)]
    found = measured(frame, HOURS[:1], most_endpoints=20)
    assert found[found["column_name"] != TABLE_ROW]["column_name"].nunique() == 20
    assert one(found, "requests", 0)["value"] == 3000
    assert "480 endpoints with few requests" in one(found, "requests", 0)["message"]


def test_predictions_that_are_lost_are_counted() -> None:
    frame = log_of(1_000, seed=15, hours=1)
    frame["failed"] = 0.0
    counted = {"kind": "predictions", "granularity": "1 hour", "start": 0, "end": HOUR, "column_name": TABLE_ROW}
    before = [{**counted, "model_version": None, "predictions": 900.0, "requests": None, "quantiles": None, "details": None}]
    found = measured(frame, HOURS[:1], has=EVERYTHING | {"predictions"}, before=before)
    assert one(found, "lost_predictions_percent", 0)["value"] == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("metric", "name"), [("latency_ks", "latency"), ("cpu_percent_ks", "cpu"), ("memory_bytes_ks", "memory")]
)
def test_distributions_are_held_against_the_windows_of_a_baseline_period(metric: str, name: str) -> None:
    frame = log_of(40_000, seed=21, hours=24)
    hours = tuple(WindowKey("1 hour", start * HOUR, (start + 1) * HOUR) for start in range(24))
    frame[name] = np.where(frame["time"] >= 20 * HOUR, frame[name] * 1.3, frame[name])
    found = measured(frame, hours, baseline=(0, 18 * HOUR))
    period = frame[frame["time"] < 18 * HOUR][name].dropna()
    for start in (3, 18, 19, 20, 23):
        row = one(found, metric, start * HOUR)
        exact = ks_2samp(frame[(frame["time"] // HOUR) == start][name].dropna(), period).statistic
        assert row["basis"] == "BASELINE"
        assert abs(row["value"] - exact) <= row["value_error"] + 1e-9
        assert row["lower"] <= exact <= row["upper"]
        assert row["value_error"] < (0.02 if name == "latency" else 0.05)
    assert one(found, metric, 20 * HOUR)["value"] > 0.08


def test_a_baseline_period_without_windows_is_said() -> None:
    row = one(measured(log_of(400, seed=21), HOURS, baseline=(-9 * HOUR, -8 * HOUR)), "latency_ks", HOUR)
    assert (row["status"], row["message"]) == ("UNDEFINED", "No window of the baseline period has values to compare with.")


def test_stored_windows_of_the_period_stand_for_their_rows() -> None:
    frame = log_of(20_000, seed=22)
    every = measured(frame, HOURS, baseline=(0, 3 * HOUR))
    kept = every[every["metric"] == "requests"]
    before = [
        {**{key: row[key] for key in ("granularity", "start", "end", "column_name")}, "kind": "stored", "requests": 1.0}
        | {"model_version": row["model_version"] if isinstance(row["model_version"], str) else None}
        | {"quantiles": [(key.removeprefix("quantiles_"), text) for key, text in row["details"] if key.startswith("quantiles_")]}
        for row in kept[kept["start"] < 3 * HOUR].to_dict("records")
    ]
    later = measured(frame[frame["time"] >= 3 * HOUR], HOURS[3:], baseline=(0, 3 * HOUR), before=before)
    for metric in ("latency_ks", "gpu_percent_ks"):
        assert one(later, metric, 3 * HOUR)["value"] == one(every, metric, 3 * HOUR)["value"]


def test_a_row_of_the_future_waits_for_its_window_and_one_without_a_time_is_in_none() -> None:
    frame = log_of(1_000, seed=23, hours=1)
    frame["time"] = frame["time"].astype("Int64")
    frame.loc[:9, "time"] = 400 * 24 * HOUR
    frame.loc[10:14, "time"] = pd.NA
    found = measured(frame, HOURS[:1])
    assert one(found, "requests", 0)["value"] == 985
    assert set(found["start"]) == {0}
