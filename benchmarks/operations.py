"""A request log measured by endpoint and version, held against exact SQL, and beside the prediction profile of its rows.

The log has 3 endpoints, 2 versions, 40 hosts and 2 clusters over four days. Every number of every window is compared with
DuckDB's on the same files; then one day is measured in turns by the serving stage and by both readers of the prediction profile.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import ks_2samp

from benchmarks.data import DONE, FILES, ROW_GROUP, SEED
from benchmarks.log_kernels import compare
from benchmarks.monitors import CORES, session
from benchmarks.readers import Bench, Keys, done
from benchmarks.timing import per_value, ratio, timed
from spark_monitor import Monitor
from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.kernel.plan import ProfilePlan, WindowKey
from spark_monitor.kernel.quality_rows import QualityPlan
from spark_monitor.session import setting
from spark_monitor.sources.operations import RequestLog, open_operations
from spark_monitor.sources.tables import ANSI, SESSION_ZONE
from spark_monitor.stages.begin import looking
from spark_monitor.stages.context import Run, window_keys
from spark_monitor.stages.serving import serving_measurements
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.timestamps import timestamp_of
from spark_monitor.windowing.windows import Window

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

START, DAY, DAYS = 1_709_251_200_000_000, 86_400_000_000, 4
"""2024-03-01 UTC and a day, in microseconds."""
ENDPOINTS, HOSTS = ("predict", "explain", "health"), 40
NUMBERS = ("latency", "cpu", "gpu", "memory")
VALUES = (*NUMBERS, "status", "endpoint", "host", "cluster")
"""The columns whose values are counted, and profiled: the time and the version only place a row."""
SECTION = {
    "time": "at",
    "endpoint": "endpoint",
    "model_version": "version",
    "host": "host",
    "cluster": "cluster",
    "latency_ms": "latency",
    "failed": "status >= 500",
    "cpu_percent": "cpu",
    "gpu_percent": "gpu",
    "memory_bytes": "memory",
}
QUANTILES = {"latency_p50": 0.5, "latency_p90": 0.9, "latency_p95": 0.95, "latency_p99": 0.99}
LOADS = {"cpu": "cpu_percent", "gpu": "gpu_percent", "memory": "memory_bytes"}


def written_log(rows: int, directory: Path) -> Path:
    """The log as Parquet, in the order of time, made once."""
    path = directory / f"requests-{rows}"
    if not (path / DONE).exists():
        path.mkdir(parents=True, exist_ok=True)
        for number in range(FILES):
            pq.write_table(_part(rows, number), path / f"part-{number}.parquet", row_group_size=ROW_GROUP)
        (path / DONE).touch()
    return path


def _part(rows: int, number: int) -> pa.Table:
    """One day: latencies by endpoint, one host slower, failures more often on another, latencies that grow from day to day."""
    random = np.random.default_rng(SEED + number)
    count = (number + 1) * rows // FILES - number * rows // FILES
    endpoint, host = random.choice(3, count, p=[0.8, 0.15, 0.05]), random.integers(0, HOSTS, count)
    scale = np.array([20.0, 80.0, 2.0])[endpoint] * np.where(host == 7, 3.0, 1.0) * (1 + 0.1 * number)
    failed = random.random(count) < np.where(host == 11, 0.08, 0.01)
    texts = {
        "endpoint": np.array(ENDPOINTS)[endpoint],
        "version": np.where(random.random(count) < 0.3, "2", "1"),
        "host": np.array([f"host-{place:02}" for place in range(HOSTS)])[host],
        "cluster": np.array(["east", "west"])[host % 2],
    }
    return pa.table(
        {
            "id": pa.array(np.arange(count) + number * rows),
            "at": pa.array(START + number * DAY + np.sort(random.integers(0, DAY, count)), pa.timestamp("us", "UTC")),
            **{name: pa.array(values) for name, values in texts.items()},
            "latency": pa.array(scale * random.lognormal(0, 0.8, count)),
            "status": pa.array(np.where(failed, 503, 200).astype(np.int32)),
            "cpu": pa.array(random.beta(2, 3, count) * 100),
            "gpu": pa.array(random.beta(3, 2, count) * 100),
            "memory": pa.array(random.normal(6e9, 5e8, count)),
        }
    )


def monitor_of(path: Path, outputs: Path) -> MonitorConfig:
    """A monitor whose predictions are the requests themselves, so that both read the same rows."""
    rows = {"path": str(path), "format": "parquet"}
    return MonitorConfig.model_validate(
        {
            "monitor": "requests",
            "model": {"name": "requests", "task": "none"},
            "predictions": {
                **rows,
                "id": "id",
                "time": "at",
                "model_version": "version",
                "features": {"include": list(VALUES)},
            },
            "windows": {"every": "1 day"},
            "operations": {**rows, **SECTION},
            "outputs": {"path": str(outputs)},
        }
    )


class LogBench(Bench):
    """The prediction profile of the log's columns."""

    def config(self, keys: Keys) -> MonitorConfig:
        """The monitor of the log; it is not sliced."""
        return monitor_of(self.path, self.path / "unused")


class WholeBench(LogBench):
    """The same as a run makes it: what the metrics of quality need is gathered in the same pass."""

    def plan(self, keys: Keys, windows: tuple[WindowKey, ...]) -> ProfilePlan:
        plan = super().plan(keys, windows)
        return replace(plan, kernel=replace(plan.kernel, quality=QualityPlan((None,) * len(plan.kernel.columns))))


def days(first: int, last: int) -> tuple[DueWindow, ...]:
    """The windows from one day to another."""
    edges = [timestamp_of(START + number * DAY) for number in range(first, last + 1)]
    return tuple(DueWindow("1 day", Window(edge, edge + timedelta(days=1))) for edge in edges[:-1])


# What is measured against what is so


@dataclass(frozen=True)
class Series:
    """One day, endpoint and version; None stands for all together."""

    day: int
    endpoint: str | None
    version: str | None


def exact_numbers(path: Path) -> dict[Series, dict[str, float]]:
    """Every number by DuckDB, of each endpoint, version and together."""
    columns = [
        *("count(*) AS requests", "count(*) FILTER (WHERE status >= 500) AS failed_requests"),
        *("avg((status >= 500)::DOUBLE) AS failure_rate", "count(DISTINCT host) AS active_hosts"),
        "count(DISTINCT cluster) AS active_clusters",
        *(f"quantile_disc(latency, {q}) AS {name}" for name, q in QUANTILES.items()),
        *(f"avg({column}) AS {name}_avg" for column, name in LOADS.items()),
        *(f"quantile_disc({column}, 0.95) AS {name}_p95" for column, name in LOADS.items()),
        *(f"max({column}) AS {name}_max" for column, name in LOADS.items()),
    ]
    day = f'CAST((epoch_us("at") - {START}) // {DAY} AS INTEGER)'
    second = 'epoch_us("at") // 1000000'
    source = f"(SELECT *, {day} AS day, {second} AS second FROM read_parquet('{path}/*.parquet'))"
    sets = "GROUPING SETS ((day), (day, endpoint), (day, version), (day, endpoint, version))"
    with duckdb.connect() as connection:
        cursor = connection.execute(f"SELECT day, endpoint, version, {', '.join(columns)} FROM {source} GROUP BY {sets}")
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        seconds = "SELECT day, endpoint, version, second, count(*) AS n"
        counted = f"({seconds} FROM {source} GROUP BY {sets.replace('(day', '(second, day')})"
        each = f"SELECT day, endpoint, version, max(n) FROM {counted} GROUP BY day, endpoint, version"
        busiest = connection.execute(each).fetchall()
    exact = {Series(row.pop("day"), row.pop("endpoint"), row.pop("version")): row for row in rows}
    for *key, most in busiest:
        exact[Series(*key)]["requests_per_second_max"] = most
    return {key: {name: float(value) for name, value in row.items()} for key, row in exact.items()}


def exact_shifts(path: Path) -> dict[Series, dict[str, float]]:
    """KS of each day's latencies, of all endpoints together, and those of the days before, by scipy."""
    shifts = {}
    before: list[np.ndarray] = []
    for number in range(DAYS):
        latency = pq.read_table(path / f"part-{number}.parquet", columns=["latency"])["latency"].to_numpy()
        if before:
            distance = ks_2samp(latency, np.concatenate(before), method="asymp").statistic
            shifts[Series(number, None, None)] = {"latency_ks": float(distance)}
        before.append(latency)
    return shifts


@dataclass
class Agreement:
    """How many numbers were held against exact ones, and what did not hold."""

    exact: int = 0
    bounded: int = 0
    worst: float = 0.0
    wrong: list[str] = field(default_factory=list)


def agreement(rows: Sequence[Any], exact: dict[Series, dict[str, float]]) -> Agreement:
    """Exact numbers must be equal; the others off by no more than they say, with the exact one in their interval."""
    result, measured = Agreement(), set()
    for row in rows:
        series = Series(
            (row["start"] - START) // DAY, None if row["column_name"] == ":table" else row["column_name"], row["model_version"]
        )
        right = exact.get(series, {}).get(row["metric"])
        if right is None:
            continue
        measured.add((series, row["metric"]))
        sketched = row["metric"] in QUANTILES or row["metric"].endswith("_p95") or row["metric"] == "latency_ks"
        error, slack = abs(row["value"] - right), 1e-12 * abs(right)
        inside = (row["lower"] is None or row["lower"] <= right + slack) and (
            row["upper"] is None or right <= row["upper"] + slack
        )
        if error > (row["value_error"] if sketched else 0) + slack or not inside:
            result.wrong.append(f"{series} {row['metric']}: {row['value']} [{row['lower']}, {row['upper']}], exactly {right}")
        result.exact += not sketched
        result.bounded += sketched
        if sketched and right and row["metric"] != "latency_ks":
            result.worst = max(result.worst, error / right)
    missing = {(series, name) for series, numbers in exact.items() for name in numbers} - measured
    result.wrong += [f"{series} {name} was not measured" for series, name in sorted(missing, key=str)]
    return result


# The suite


@contextmanager
def serving(spark: SparkSession, path: Path, directory: Path) -> Iterator[tuple[Run, RequestLog]]:
    """The log, opened as a run opens it; the tables of the monitor are new."""
    with tempfile.TemporaryDirectory(dir=directory) as outputs:
        monitor = Monitor(monitor_of(path, Path(outputs)))
        monitor.store(spark).ensure()
        section = monitor.config.operations
        assert section is not None
        now = timestamp_of(START + DAYS * DAY)
        with looking(monitor.config, spark, now) as (run, _), setting(spark, ANSI, "false"), setting(spark, SESSION_ZONE, "UTC"):
            yield run, open_operations(spark, section)


def measured(run: Run, log: RequestLog) -> list[Any]:
    """Every number of every day."""
    kept = ("column_name", "model_version", "metric", "value", "value_error", "lower", "upper", "start")
    return serving_measurements(run, log, days(0, DAYS)).where("class IS NULL").select(*kept).collect()


def main(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    spark = session()
    path = written_log(arguments.rows, arguments.dir)
    last = START + (DAYS - 1) * DAY
    compare(path / f"part-{DAYS - 1}.parquet", WindowKey("1 day", last, last + DAY), arguments.repeats)
    bench = LogBench(spark, path, len(VALUES))
    with serving(spark, path, arguments.dir) as (run, log):
        exact = exact_numbers(path)
        for series, numbers in exact_shifts(path).items():
            exact[series].update(numbers)
        result = agreement(measured(run, log), exact)
        print(f"{result.exact} exact numbers, {result.bounded} within their error, quantiles off by {result.worst:.2%} at most")
        print(*(result.wrong or ["No number disagrees with DuckDB's and scipy's."]), sep="\n", flush=True)
        day = days(DAYS - 1, DAYS)
        cases: dict[str, Callable[[], object]] = {
            "operations": lambda: done(serving_measurements(run, log, day)),
            "profile by files": bench.by_files([], window_keys(day)),
            "profile by files with quality": WholeBench(spark, path, len(VALUES)).by_files([], window_keys(day)),
            "profile by Spark": bench.by_spark([], window_keys(day)),
        }
        times = timed(cases, arguments.repeats)
    values = (arguments.rows - (DAYS - 1) * arguments.rows // DAYS) * len(VALUES)
    for name, taken in per_value(times, values, CORES).items():
        print(f"{name}: {taken:.1f} ns a value and core, {statistics.median(times[name]):.2f} s a day's window")
    for other in ("profile by files", "profile by files with quality", "profile by Spark"):
        print(ratio(times, "operations", other))
