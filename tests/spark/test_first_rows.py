"""What `init` sees of doubles that may be names, and of the time that labels take."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from spark_monitor.commands.first_rows import look
from spark_monitor.commands.init import answered_in
from spark_monitor.commands.label_delays import Answered
from spark_monitor.commands.roles import Roles

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CODES = (11.0, 24.0, 32.0, 75.0)


def test_doubles_are_names_where_all_of_them_are_integers(spark: SparkSession) -> None:
    nan, infinite, huge = math.nan, math.inf, 1e300
    odd = zip(
        CODES,
        (*CODES[:3], nan),
        (*CODES[:3], None),
        (*CODES[:3], infinite),
        (*CODES[:3], huge),
        (-0.5, 2.0, nan, 1.0),
        strict=True,
    )
    frame = spark.createDataFrame(list(odd), "code double, nan double, empty double, infinite double, huge double, signed double")

    columns = {column.name: column for column in look(frame)}

    assert [name for name, column in columns.items() if column.is_code] == ["code", "nan", "empty"]
    assert [name for name, column in columns.items() if column.has_both_signs] == ["signed"]


def test_the_delay_of_labels_is_the_high_quantile_of_those_that_came(spark: SparkSession) -> None:
    made, hours = datetime(2024, 1, 1, tzinfo=UTC), np.random.default_rng(3).gamma(2.0, 5.0, 4000).round(2).tolist()
    rows = [(made, made + timedelta(hours=delay), place % 4 == 0) for place, delay in enumerate(hours)]
    frame = spark.createDataFrame([*rows, (made, made + timedelta(days=900), None)], "at timestamp, known timestamp, y boolean")

    found = answered_in(frame, Roles("binary", "at", "id", label="y", label_time="known", positive=True))
    none = answered_in(frame.where("y IS NULL"), Roles("binary", "at", "id", label="y", label_time="known", positive=True))

    assert found.positives == 0.25
    assert found.delay is not None
    assert abs(found.delay - float(np.quantile(hours, 0.999, method="inverted_cdf"))) < 0.01
    assert (found.longest, none) == (max(hours), Answered())
