"""The sums that Spark makes for the intervals of custom metrics, against scipy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from pyspark.sql import functions as F
from scipy import stats

from spark_monitor.config.aggregates import parse_aggregate
from spark_monitor.config.metrics import CustomMetricConfig
from spark_monitor.stages.custom_bounds import interval_of
from spark_monitor.stages.custom_values import Sql, aggregated, aggregates, struct
from spark_monitor.stages.row_dimensions import own_name

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


def test_intervals_by_bootstrap_hold_a_population_s_median_as_often_as_they_say(spark: SparkSession) -> None:
    random = np.random.default_rng(16)
    samples = random.lognormal(0, 1, (160, 120))
    rows = [
        (place, float(x), float(noise))
        for place, xs in enumerate(samples)
        for x, noise in zip(xs, random.random(120), strict=True)
    ]
    frame = spark.createDataFrame(rows, "place long, x double, noise double")
    placed = frame.withColumns(
        {
            own_name("granularity"): F.lit("1 day"),
            own_name("start"): F.col("place"),
            own_name("end"): F.col("place") + 1,
            own_name("version"): F.lit("1"),
            own_name("slice"): F.expr("struct(CAST(NULL AS STRING) AS key, CAST(NULL AS STRING) AS value)"),
        }
    )
    metric = CustomMetricConfig(name="median", sql="percentile(x, 0.5)", interval="bootstrap")
    found = {row["start"]: row["m0"] for row in aggregated(placed, aggregates([metric])).collect()}
    low, high = (np.array([found[place][end] for place in range(len(samples))]) for end in ("low", "high"))
    # 152 of 160 are expected, and fewer than the bound once in 2,000 seeds.
    held = int(((low <= 1) & (high >= 1)).sum())
    assert stats.binom.ppf(0.0005, samples.shape[0], 0.95) <= held
    drawn = np.median(_resampled(samples, random), axis=2)
    # The k-th of 100 replicates with k = 0.025 * 101: 2.5 % of further replicates are expected below it.
    tail = (0.025 * 101 - 1) / 99
    ends = np.quantile(drawn, [tail, 1 - tail], axis=0)
    assert (high - low).mean() == pytest.approx((ends[1] - ends[0]).mean(), rel=0.05)


def _resampled(samples: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """100 resamples of each sample, drawn with replacement."""
    places = random.integers(0, samples.shape[1], (100, *samples.shape))
    return np.take_along_axis(samples[None], places, axis=2)
