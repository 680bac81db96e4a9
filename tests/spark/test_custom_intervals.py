"""The sums that Spark makes for the intervals of custom metrics, against scipy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from spark_monitor.config.aggregates import parse_aggregate
from spark_monitor.config.metrics import CustomMetricConfig
from spark_monitor.stages.custom_bounds import interval_of
from spark_monitor.stages.custom_values import Sql, struct

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FAR = 1.7e9


def test_intervals_of_numbers_far_from_zero_are_students_whatever_is_missing(spark: SparkSession) -> None:
    random = np.random.default_rng(8)
    x, w = FAR + random.normal(0, 3, 600), random.gamma(2.0, 1.0, 600)
    missing = random.random(600) < 0.1
    rows = [(None if gone else float(a), float(b)) for a, b, gone in zip(x, w, missing, strict=True)]
    frame = spark.createDataFrame(rows, "x double, w double")
    there = x[~missing]
    # A row without x adds nothing to the sum, and counts.
    filled = np.where(missing, 0.0, x)
    ratio = filled.sum() / w.sum()
    deviation = np.sqrt(np.square(filled - ratio * w).sum() * 600 / 599) / w.sum()
    expected = {
        "avg(x)": (there.mean(), stats.t.ppf(0.975, there.size - 1) * stats.sem(there - FAR)),
        "sum(x) / count(*)": (filled.mean(), stats.t.ppf(0.975, 599) * stats.sem(filled)),
        "sum(x) / sum(w)": (ratio, stats.t.ppf(0.975, 599) * deviation),
    }
    metrics = [CustomMetricConfig(name=f"m{place}", sql=sql) for place, sql in enumerate(expected)]
    row = frame.agg(
        *(struct(Sql(one, parse_aggregate(one.sql), place)).alias(one.name) for place, one in enumerate(metrics))
    ).first()
    assert row is not None
    for one, (value, half) in zip(metrics, expected.values(), strict=True):
        fields = row[one.name].asDict()
        numbers = {name: np.array([np.nan if number is None else number], dtype=float) for name, number in fields.items()}
        found = interval_of(numbers, one)
        assert found.lower is not None
        assert found.upper is not None
        assert found.value[0] == pytest.approx(value, rel=1e-12)
        assert (found.upper[0] - found.lower[0]) / 2 == pytest.approx(half, rel=1e-6), one.sql
