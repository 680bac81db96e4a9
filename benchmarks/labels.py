"""The label join: predictions with the latest label of their id, beside Spark's own join of the two tables, in turns.

Three labels for every four predictions, one in twenty of them a later row for an id that has one. Ids are integers and strings.
Both sides count: Spark's own join its rows and labels, the product's all that it joins (label, its time, its rows, conflicts).
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from benchmarks.monitors import fresh_session
from benchmarks.timing import ratio, timed
from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.sources.labels import LABEL, LABEL_CONFLICTS, LABEL_ROWS, LABEL_TIME, join_labels, latest_labels, plain_ids

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

LABELS_PER_PREDICTION, DUPLICATES = 0.75, 0.05
FEATURES = 10
AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
START, MONTH = 1_704_067_200, 30 * 86_400
OURS, PLAIN = "the product's label join", "Spark's join"


def write(spark: SparkSession, place: Path, rows: int, *, strings: bool) -> None:
    """Predictions over a month, their labels a day later in another order, and of one in twenty a second one a day after."""
    made = f"xxhash64(id, {{}}) / {float(1 << 63)}D"
    id_sql = "concat('prediction-', id)" if strings else "id"
    features = [f"{made.format(number)} AS x{number}" for number in range(FEATURES)]
    predictions = spark.range(rows, numPartitions=16).selectExpr(
        f"{id_sql} AS id", f"timestamp_seconds({START} + floor(id * {MONTH / rows}D)) AS at", "'1' AS version", *features
    )
    predictions.write.mode("overwrite").parquet(str(place / "predictions"))
    labelled = spark.range(rows, numPartitions=16).where(
        f"pmod(xxhash64(id, 'label'), 1000) < {int(1000 * LABELS_PER_PREDICTION)}"
    )
    again = labelled.where(f"pmod(xxhash64(id, 'again'), 1000) < {int(1000 * DUPLICATES)}")
    columns = f"timestamp_seconds({START} + floor(id * {MONTH / rows}D) + 86400 * {{}}) AS known"
    parts = [
        one.selectExpr(f"{id_sql} AS id", f"pmod(xxhash64(id, {day}), 2) AS truth", columns.format(day))
        for day, one in ((1, labelled), (2, again))
    ]
    parts[0].unionByName(parts[1]).repartition(16, F.col("truth"), F.rand(1)).write.mode("overwrite").parquet(
        str(place / "labels")
    )


def joined_by_spark(predictions: DataFrame, labels: DataFrame) -> list[object]:
    """Spark's own join, its rows and labels counted; an id with two labels is two rows."""
    return list(predictions.join(labels, on="id", how="left").agg(F.count("*"), F.count("truth")).collect()[0])


def joined_by_us(predictions: DataFrame, labels: DataFrame, config: MonitorConfig) -> list[object]:
    """The product's, each prediction once; counted is what the states of labels need."""
    section = config.labels
    assert section is not None
    plain = plain_ids(predictions, ["id"], labels, section.id)
    latest = latest_labels(labels, section, as_of=AS_OF, plain=plain)
    joined = join_labels(predictions, latest, prediction_id=["id"], label_id=section.id, prefix="monitor_", plain=plain)
    counts = [F.count("*"), *(F.count(f"monitor_{name}") for name in (LABEL, LABEL_TIME, LABEL_ROWS, LABEL_CONFLICTS))]
    return list(joined.agg(*counts).collect()[0])


def config_of(place: Path) -> MonitorConfig:
    """The monitor of the two tables."""
    table = {"format": "parquet", "id": "id"}
    return MonitorConfig.model_validate(
        {
            "monitor": "labels",
            "model": {"name": "labels", "task": "binary"},
            "predictions": {**table, "path": str(place / "predictions"), "time": "at", "prediction": "x0"},
            "labels": {**table, "path": str(place / "labels"), "label": "truth", "time": "known", "horizon": "7 days"},
            "baseline": {"path": str(place / "predictions"), "format": "parquet"},
            "windows": {"every": "1 day"},
            "outputs": {"path": str(place / "out")},
        }
    )


def main(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    spark = fresh_session()
    for strings in (False, True):
        name, rows = "string ids" if strings else "integer ids", arguments.rows
        place = arguments.dir / f"labels-{rows}-{'strings' if strings else 'integers'}"
        if not (place / "labels" / "_SUCCESS").exists():
            write(spark, place, rows, strings=strings)
        predictions, labels = (spark.read.parquet(str(place / table)) for table in ("predictions", "labels"))
        config = config_of(place)
        ours, theirs = joined_by_us(predictions, labels, config), joined_by_spark(predictions, labels)
        if ours[0] != rows or ours[1] != predictions.join(labels, on="id", how="left_semi").count():
            raise AssertionError(f"the product joined {ours} of {rows} predictions")
        cases = {
            OURS: lambda p=predictions, r=labels, c=config: joined_by_us(p, r, c),
            PLAIN: lambda p=predictions, r=labels: joined_by_spark(p, r),
        }
        times = timed(cases, arguments.repeats)
        print(f"{name}, {rows:,} predictions, {theirs[1]:,} labels joined: {ratio(times, OURS, PLAIN)}", flush=True)
        print("; ".join(f"{case}: {min(seconds):.2f} s at best" for case, seconds in times.items()), flush=True)
    spark.stop()
