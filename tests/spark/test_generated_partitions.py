"""Rows near midnight are read whatever session time zone computed the partition that they lie in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from pyspark.sql import SparkSession

from spark_monitor.session import setting, whole_partitions
from spark_monitor.sources.readers.rows import within
from spark_monitor.windowing.timestamps import micros

DAY = datetime(2024, 5, 2, tzinfo=UTC)


def test_no_row_is_lost_where_a_generated_date_was_computed_in_another_zone(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "rows"
    with setting(spark, "spark.sql.session.timeZone", "America/Los_Angeles"):
        spark.sql(
            f"CREATE TABLE delta.`{path}` (id BIGINT, at TIMESTAMP, day DATE GENERATED ALWAYS AS (CAST(at AS DATE))) "
            "USING delta PARTITIONED BY (day)"
        )
        hours = spark.range(72).selectExpr("id", f"timestamp_micros({micros(DAY - timedelta(days=1))} + id * 3600000000L) AS at")
        hours.write.format("delta").mode("append").save(str(path))
    frame = spark.read.format("delta").load(str(path))
    inside = within(frame, "at", micros(DAY), micros(DAY + timedelta(days=1)), zone="UTC", with_null=False)
    with setting(spark, "spark.sql.session.timeZone", "UTC"), whole_partitions(spark):
        assert frame.where(inside).count() == 24
        assert sorted(row["id"] for row in frame.where(inside).collect()) == list(range(24, 48))
