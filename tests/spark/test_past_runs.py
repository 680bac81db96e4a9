"""What the ledger says of the runs before one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from spark_monitor.stages.past_runs import _last_of
from spark_monitor.windowing.timestamps import timestamp_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DDL = (
    "run_id string, status string, kind string, as_of timestamp, ended timestamp, source_versions map<string, string>, "
    "config_hash string, profile_hash string, baseline_version int, pruned_until timestamp"
)


def day(number: int) -> datetime:
    return datetime(2024, 1, number, 6, tzinfo=UTC)


@pytest.mark.parametrize(("as_of", "before"), [(1, None), (2, 1), (4, 3), (6, 3), (9, 8)])
def test_the_run_before_is_the_latest_that_looked_at_windows(spark: SparkSession, as_of: int, before: int | None) -> None:
    rows = [
        ("a", "COMMITTED", "DUE", day(1)),
        ("b", "NOTHING_NEW", "DUE", day(3)),
        ("c", "FAILED", "DUE", day(4)),
        ("d", "COMMITTED", "FREEZE", day(5)),
        ("e", "RUNNING", "DUE", day(5)),
        ("f", "COMMITTED", "BACKFILL", day(8)),
    ]
    runs = spark.createDataFrame([(*row, row[3], {}, "h", "p", 1, None) for row in rows], DDL)

    found = _last_of(runs, day(as_of))["run_before"]

    assert (None if found is None else timestamp_of(found)) == (None if before is None else day(before))
