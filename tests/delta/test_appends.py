"""Whether a table only grew between two of its versions, and which windows of the lookback a run reprocesses then."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession

from spark_monitor import Monitor
from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.config.sources import SourceConfig
from spark_monitor.store.appends import only_appended
from spark_monitor.store.sources import source_version

START = datetime(2024, 3, 4, tzinfo=UTC)
DAY = timedelta(days=1)


def rows(day: int, *, many: int = 60, seed: int = 0) -> pa.Table:
    random = np.random.default_rng([day, seed])
    at = [START + day * DAY + timedelta(seconds=float(second)) for second in random.uniform(0, 86_400, many)]
    ids = pa.array([f"{day}-{seed}-{number}" for number in range(many)])
    return pa.table({"id": ids, "at": pa.array(at, pa.timestamp("us", tz="UTC")), "x": random.normal(size=many)})


def source(path: Path, kind: str) -> SourceConfig:
    return SourceConfig.model_validate({"path": str(path), "format": kind})


@pytest.mark.slow
def test_appended_commits_are_told_from_changed_ones(spark: SparkSession, tmp_path: Path) -> None:
    path, name = tmp_path / "t", f"delta.`{tmp_path / 't'}`"
    table = source(path, "delta")
    write_deltalake(str(path), rows(0))

    def step(statement: str | pa.Table) -> bool:
        before = source_version(spark, table)
        if isinstance(statement, str):
            spark.sql(statement).collect()
        else:
            write_deltalake(str(path), statement, mode="append")
        after = source_version(spark, table)
        assert before is not None
        assert after is not None
        return only_appended(spark, table, before=before, after=after)

    first = source_version(spark, table)
    assert step(rows(1))
    assert step(f"INSERT INTO {name} SELECT concat(id, '+'), at, x FROM {name} LIMIT 5")
    assert step(f"OPTIMIZE {name}")
    new = f"(SELECT concat(id, '!') AS id, at, x FROM {name} LIMIT 3)"
    assert step(f"MERGE INTO {name} t USING {new} s ON t.id = s.id WHEN NOT MATCHED THEN INSERT *")
    grown = source_version(spark, table)
    assert first is not None
    assert grown is not None
    assert only_appended(spark, table, before=first, after=grown)
    assert not step(
        f"MERGE INTO {name} t USING (SELECT * FROM {name} LIMIT 3) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET x = 0"
    )
    assert not step(f"UPDATE {name} SET x = 1 WHERE id LIKE '1-%'")
    assert not step(f"DELETE FROM {name} WHERE id = '0-0-0'")
    assert not step(f"INSERT OVERWRITE {name} SELECT * FROM {name}")
    last = source_version(spark, table)
    assert last is not None
    assert not only_appended(spark, table, before=first, after=last)
    # Of another table under the same path nothing is known.
    assert not only_appended(spark, table, before=first.replace("0 of 20", "0 of 19"), after=last)


def test_files_that_only_grew_in_number_are_told_from_others(spark: SparkSession, tmp_path: Path) -> None:
    table = source(tmp_path, "parquet")
    for day in (0, 1):
        pq.write_table(rows(day), tmp_path / f"{day}.parquet")
        os.utime(tmp_path / f"{day}.parquet", (1_000 + day, 1_000 + day))
    before = source_version(spark, table)
    assert before is not None
    pq.write_table(rows(2), tmp_path / "a-later-one.parquet")

    assert only_appended(spark, table, before=before, after="3 files, 0")
    (tmp_path / "1.parquet").unlink()
    assert not only_appended(spark, table, before=before, after="2 files, 0")
    pq.write_table(rows(1, many=61), tmp_path / "1.parquet")
    assert not only_appended(spark, table, before=before, after="3 files, 0")
    assert not only_appended(spark, table, before="no listing", after="3 files, 0")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["parquet", "delta"])
def test_of_a_table_that_grew_only_windows_with_other_rows_are_reprocessed(
    spark: SparkSession, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "rows"
    path.mkdir()

    def append(table: pa.Table, name: str) -> None:
        if kind == "delta":
            write_deltalake(str(path), table, mode="append")
        else:
            pq.write_table(table, path / f"{name}.parquet")

    for day in range(4):
        append(rows(day), str(day))
    monitor = Monitor(
        MonitorConfig.model_validate(
            {
                "monitor": "grown",
                "model": {"name": "grown", "task": "none"},
                "predictions": {"path": str(path), "format": kind, "id": "id", "time": "at", "model_version": {"literal": "1"}},
                "baseline": {"path": str(path), "format": kind, "where": "at < TIMESTAMP '2024-03-05 00:00:00Z'"},
                "windows": {"every": "1 day", "lookback": "30 days"},
                "outputs": {"path": str(tmp_path / "out")},
            }
        )
    )

    def run(day: int) -> list[int]:
        result = monitor.run(spark, as_of=START + day * DAY)
        return [(one.window.start - START) // DAY for one in result.windows]

    assert run(4) == [0, 1, 2, 3]
    append(rows(4), "4")
    assert run(5) == [4]
    append(pa.concat_tables([rows(5), rows(2, many=7, seed=1)]), "5")
    assert run(6) == [2, 5]
    stored = monitor.store(spark).frame("profile_metrics").where("column_name = ':table' AND slice_key IS NULL")
    counts = {row["day"]: row["count"] for row in stored.selectExpr("day(window.start) - 4 AS day", "count").collect()}
    assert counts == {0: 60, 1: 60, 2: 67, 3: 60, 4: 60, 5: 60}
    if kind == "delta":
        # A row that changes without another number of rows is why a changed table is reprocessed as far as the lookback.
        spark.sql(f"UPDATE delta.`{path}` SET x = 0 WHERE at < TIMESTAMP '2024-03-05 00:00:00Z'").collect()
        assert run(6) == [0, 1, 2, 3, 4, 5]
