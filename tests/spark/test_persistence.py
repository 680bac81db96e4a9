"""`for: m of n`: what a check says of a limit that is broken for the first time, and of one that has been for long enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spark_monitor.config.rules import RuleConfig
from spark_monitor.stages.persistence import Stored, persistent

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SERIES = "check_id string, granularity string, model_version string, slice_key string, slice_value string, column_name string"
STORED = f"{SERIES}, class string, basis string, verdict string, reason string, broken boolean"
SENTENCE = "ks of a is 0.3, above the fail limit 0.2."


def check(verdict: str, **places: Any) -> tuple[Any, ...]:
    return ("c1", "1 day", "v", None, None, "a", None, None, verdict, SENTENCE, verdict == "FAIL", *places.values())


def test_a_limit_that_is_broken_once_is_a_warning_that_says_what_was_found(spark: SparkSession) -> None:
    rule = RuleConfig.model_validate({"metric": "ks", "fail": 0.2, "for": "2 of 3"})
    before = spark.createDataFrame([(*check("PASS"), (0,))], f"{STORED}, window struct<start: long>")
    before = before.withColumn("window", before["window"].cast("struct<start: timestamp>"))
    verdicts = ["FAIL", "PASS", "FAIL", "PASS", "PASS", "FAIL"]
    days = [check(verdict, start=(1 + day) * 86_400_000_000, needed=2, lasting=3) for day, verdict in enumerate(verdicts)]
    judged = spark.createDataFrame(days, f"{STORED}, start long, needed int, lasting int")

    found = persistent(judged, Stored(before), [rule]).orderBy("start").collect()

    assert [row["verdict"] for row in found] == ["WARN", "PASS", "FAIL", "PASS", "PASS", "WARN"]
    held_back = "ks of a is 0.3, above the fail limit 0.2; 1 of the last 3 windows broke it, the rule asks for 2."
    assert [row["reason"] for row in found] == [held_back, SENTENCE, SENTENCE, SENTENCE, SENTENCE, held_back]
