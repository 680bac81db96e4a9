"""A plug-in that cannot be loaded is a row of ``metrics`` in every window, and nothing where all can."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.sql import SparkSession

from spark_monitor.catalogue.measurement import MEASUREMENT_SCHEMA
from spark_monitor.catalogue.registry import BrokenPlugin, Catalogue
from spark_monitor.stages import record
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.windows import Window

WINDOWS = [
    DueWindow("1 day", Window(datetime(2024, 1, day, tzinfo=UTC), datetime(2024, 1, day + 1, tzinfo=UTC))) for day in (1, 2)
]


def rows(spark: SparkSession, monkeypatch: pytest.MonkeyPatch, *broken: BrokenPlugin) -> Any:
    monkeypatch.setattr(record, "catalogue", lambda: Catalogue({}, broken))
    return record.broken_plugins(SimpleNamespace(spark=spark), WINDOWS)  # type: ignore[arg-type]


def test_a_broken_plug_in_is_an_error_in_every_window(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = rows(spark, monkeypatch, BrokenPlugin("negatives", "Plug-in negatives could not be loaded: ValueError: half"))
    assert set(frame.columns) == set(MEASUREMENT_SCHEMA.names)
    found = [(row.start, row.metric, row.status, row.message, row.value) for row in frame.orderBy("start").collect()]
    days = [1_704_067_200_000_000, 1_704_153_600_000_000]
    message = "Plug-in negatives could not be loaded: ValueError: half"
    assert found == [(day, "negatives", "ERROR", message, None) for day in days]


def test_nothing_is_written_where_every_plug_in_can_be_loaded(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rows(spark, monkeypatch) is None
