"""What the registry says of served versions as rows: known, unknown, and where nobody can be asked."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.sql import SparkSession

from spark_monitor.config.pipelines import PipelinesConfig
from spark_monitor.config.sources import SourceConfig
from spark_monitor.operations.registered import Registered
from spark_monitor.stages import registered
from spark_monitor.stages.served_versions import Registry, ServedVersions

KNOWN = {"1": Registered("1", (("age", "double", True), ("city", "string", True)), ("numpy==0.1",), {"run_id": "abc"})}


def measured(spark: SparkSession, monkeypatch: pytest.MonkeyPatch, registry: Any) -> dict[tuple[str, str], Any]:
    spark.createDataFrame([(1.0, 2)], "age double, city int").createOrReplaceTempView("served_table")
    counted = spark.createDataFrame(
        [("1 day", 0, 86_400_000_000, "1", 5.0), ("1 day", 0, 86_400_000_000, "9", 5.0)],
        "granularity string, start long, end long, model_version string, predictions double",
    )
    monkeypatch.setattr(registered, "prediction_counts", lambda run, windows: counted)
    run: Any = SimpleNamespace(spark=spark, config=SimpleNamespace(predictions=SourceConfig(table="served_table")))
    asked = None if registry is None else Registry(registry, lambda: (datetime(2024, 1, 1, tzinfo=UTC), {}))
    frame = registered.registered_frame(run, PipelinesConfig(mlflow_model=True), (), asked, ServedVersions())
    assert frame is not None
    return {(row["model_version"], row["metric"]): row for row in frame.collect()}


def test_a_version_is_held_against_the_table_and_the_environment(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    found = measured(spark, monkeypatch, lambda versions: {one: KNOWN[one] for one in versions if one in KNOWN})
    assert found["1", "signature_mismatches"]["value"] == 1
    assert found["1", "signature_mismatches"]["message"] == "city is int, the model takes string."
    assert "is another" in found["1", "dependency_mismatches"]["message"]
    assert (found["1", "served_version_mismatch"]["value"], found["1", "served_version_mismatch"]["details"]) == (
        0,
        {"run_id": "abc"},
    )
    assert found["9", "served_version_mismatch"]["value"] == 1
    assert found["9", "signature_mismatches"]["status"] == "UNDEFINED"


def test_without_a_registry_every_row_says_why(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    found = measured(spark, monkeypatch, None)
    assert {row["status"] for row in found.values()} == {"UNDEFINED"}

    def broken(versions: object) -> dict[str, Registered]:
        raise OSError("no connection")

    found = measured(spark, monkeypatch, broken)
    assert {row["status"] for row in found.values()} == {"ERROR"}
    assert found["1", "signature_mismatches"]["message"] == "The registry could not be read: no connection"
