"""A request log read from its files by the tasks gives the same tallies as through Spark; what cannot be read so is said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from spark_monitor.config.operations import OperationsConfig
from spark_monitor.kernel.plan import WindowKey, plan_segments
from spark_monitor.kernel.requests import NUMBERS, RequestPlan, RequestTask
from spark_monitor.kernel.tallies import TALLY_DDL, TALLY_SCHEMA, merged_tallies
from spark_monitor.session import setting
from spark_monitor.sources.log_files import log_files, require_rows
from spark_monitor.sources.operations import open_operations
from spark_monitor.sources.readers.rows import OnlySpark
from spark_monitor.sources.tables import ANSI, SESSION_ZONE, stored_source
from spark_monitor.store.files import columns_in_paths

HOUR = 3_600_000_000
START = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
WINDOWS = tuple(WindowKey("1 hour", START + hour * HOUR, START + (hour + 1) * HOUR) for hour in range(3))


@pytest.fixture(autouse=True)
def read_as_a_run_does(spark: SparkSession) -> Iterator[None]:
    with setting(spark, ANSI, "false"), setting(spark, SESSION_ZONE, "UTC"):
        yield


def log_at(path: Path) -> None:
    """Requests of four hours with nulls, NaN, negative and huge numbers, texts that look like numbers in the files' paths."""
    random = np.random.default_rng(31)
    rows = 6_000
    latency = [None if draw < 0.05 else Decimal(f"{value:.3f}") for draw, value in random.normal(50, 30, (rows, 2)) / [50, 1]]
    table = pa.table(
        {
            "at": pa.array(START + random.integers(-HOUR, 3 * HOUR, rows), pa.timestamp("us", "UTC")),
            "status": pa.array(random.choice([200, 404, 503], rows), pa.int16(), mask=random.random(rows) < 0.1),
            "lat": pa.array(latency, pa.decimal128(12, 3)),
            "cpu": pa.array(random.choice([np.nan, np.inf, -1.0, 5.5, 80.25], rows), pa.float32()),
            "mem": pa.array(random.choice([2**53 + 1, 7, -3], rows), pa.int64(), mask=random.random(rows) < 0.1),
            "machine": pa.array(random.choice([f"h{number}" for number in range(9)], rows), mask=random.random(rows) < 0.1),
            "zone": pa.array(random.integers(1, 4, rows), pa.int32()),
            "version": pa.array(random.choice(["007", "1.10", "2"], rows)),
            "endpoint": pa.array(random.choice(["predict", "explain"], rows)),
        }
    )
    pq.write_to_dataset(table, str(path), partition_cols=["version", "endpoint"])


def told(batches: Iterator[Any]) -> dict[Any, Any]:
    found = {}
    for *key, tally in merged_tallies(batches):
        row = tally.row(0, None, None)
        samples = {one["name"]: (one["n"], one["negative"], one["unread"], one["mean"]) for one in row.pop("samples")}
        found[tuple(key)] = (row, samples)
    return found


def tallies_of(frame: Any) -> dict[Any, Any]:
    rows = frame.repartition(1).sortWithinPartitions("window", "endpoint", "version").toArrow()
    return told(iter(rows.cast(TALLY_SCHEMA).to_batches()))


def test_both_ways_to_read_a_log_count_the_same(spark: SparkSession, tmp_path: Path) -> None:
    log_at(tmp_path / "log")
    keys = {"endpoint": "endpoint", "model_version": "version", "host": "machine", "cluster": "zone", "latency_seconds": "lat"}
    keys |= {"cpu_percent": "cpu", "memory_bytes": "mem", "failed": "status >= 500 OR status = 404"}
    section = OperationsConfig(path=str(tmp_path / "log"), format="parquet", time="at", **keys)
    log = open_operations(spark, section)
    edges, members = plan_segments(WINDOWS)
    plan = RequestPlan(edges, members, log.has)
    spans = [(START, START + 3 * HOUR)]
    partitions = columns_in_paths(spark, stored_source(spark, section))
    assert set(partitions) == {"version", "endpoint"}
    by_files = tallies_of(log_files(log.stored, section, partitions, spans, "UTC").tallies(spark, plan))
    rows = log.rows(spans, "UTC")
    by_spark = tallies_of(rows.mapInArrow(lambda batches: RequestTask(plan).run(batches), TALLY_DDL))
    assert {key[2] for key in by_files} == {"007", "1.10", "2"}
    assert by_files.keys() == by_spark.keys()
    for key, (row, samples) in by_files.items():
        other, others = by_spark[key]
        hosts = [(one["name"], one["requests"], one["failed"], one["n"], one["first"]) for one in row.pop("hosts")]
        assert hosts == [(one["name"], one["requests"], one["failed"], one["n"], one["first"]) for one in other.pop("hosts")]
        assert row == other
        assert set(samples) == set(NUMBERS) - {"gpu"} == set(others)
        for name, values in samples.items():
            assert values == pytest.approx(others[name], rel=1e-9), name


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"endpoint": "upper(machine)"}, "no column as the table writes it"),
        ({"latency_ms": "machine"}, "Spark reads as a number"),
        ({"failed": "zone"}, "Spark reads as true or false"),
        ({"request_id": "machine"}, "found by Spark"),
    ],
)
def test_what_only_spark_can_read_is_left_to_it(spark: SparkSession, tmp_path: Path, keys: dict[str, str], why: str) -> None:
    log_at(tmp_path / "log")
    section = OperationsConfig(path=str(tmp_path / "log"), format="parquet", time="at", **keys)
    log = open_operations(spark, section)

    def read() -> None:
        require_rows(section)
        log_files(log.stored, section, ("version", "endpoint"), [(START, START + HOUR)], "UTC")

    with pytest.raises(OnlySpark, match=why):
        read()
