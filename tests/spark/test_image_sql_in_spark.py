"""The values of sketches' images in Spark's SQL, and their places on a grid, against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql import SparkSession

from spark_monitor.states.grid import MAX_EDGES
from spark_monitor.states.sketch_image import exact_image
from spark_monitor.store.image_sql import BELOW, VALUES

HOSTILE = (-1.7976931348623157e308, -2.2250738585072014e-308, -2.2e-308, -5e-324, 0.0, 5e-324, 1e-310, 2.2250738585072014e-308)
RANDOM = np.random.default_rng(31)


@pytest.mark.parametrize("ansi", ["true", "false"])
def test_an_image_s_values_are_read_to_the_last_bit(spark: SparkSession, ansi: str) -> None:
    anything = RANDOM.integers(0, 1 << 64, 900, dtype=np.uint64).view(np.float64)
    many = np.sort(np.concatenate([HOSTILE, anything[np.isfinite(anything)], RANDOM.normal(size=100)]))[:1024]
    images = [np.sort(values) + 0.0 for values in (many, HOSTILE, RANDOM.normal(size=2), RANDOM.normal(size=1), np.empty(0))]
    rows = [(number, bytearray(exact_image(1024, values.tobytes())), values.size) for number, values in enumerate(images)]
    before = spark.conf.get("spark.sql.ansi.enabled")
    spark.conf.set("spark.sql.ansi.enabled", ansi)
    try:
        frame = spark.createDataFrame(rows, "number int, sketch binary, finite bigint")
        found = frame.selectExpr("number", f"{VALUES} AS read").orderBy("number").collect()
    finally:
        spark.conf.set("spark.sql.ansi.enabled", before or "true")
    assert [np.array(row["read"] or [], dtype=np.float64).tobytes() for row in found] == [values.tobytes() for values in images]


def test_a_value_stands_above_the_edges_that_are_less(spark: SparkSession) -> None:
    grids = [np.array(HOSTILE), np.sort(RANDOM.normal(size=1087)), np.array([1.5]), np.arange(float(MAX_EDGES))]
    asked = [(grid.tolist(), float(value)) for grid in grids for value in (*grid[:: max(grid.size // 40, 1)], -1e300, 0.3, 1e300)]
    found = spark.createDataFrame(asked, "grid array<double>, value double").selectExpr("grid", "value", f"{BELOW} AS below")
    for row in found.collect():
        assert row["below"] == np.searchsorted(np.array(row["grid"]), row["value"], side="left")
