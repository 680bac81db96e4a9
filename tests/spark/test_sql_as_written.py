"""What Spark would put in the place of a variable stays out of SQL: environment variables and settings may be secrets."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from spark_monitor.config.expressions import MULTIPLYING_FUNCTIONS, REACHING_FUNCTIONS, UNSTEADY_FUNCTIONS
from spark_monitor.config.functions import AGGREGATES, ORDERED_FUNCTIONS, PREFIXES, ROW_FUNCTIONS
from spark_monitor.errors import ConfigError
from spark_monitor.session import SUBSTITUTION, as_written, setting
from spark_monitor.sources.readers.rows import read_slice
from spark_monitor.sources.tables import sql_of
from spark_monitor.text.quoting import literal, quote

STRINGS = [
    *("${env:PATH}", "${system:user.home}", "${spark.app.name}", "${spark:spark.app.name}", "$${env:PATH}", "\\${env:PATH}"),
    *("a$", "{b}", "'${env:PATH}'", "\\\\${x}\\", "$ {env:PATH}", "${", "%_\\%\\_", "line\nbreak\t\\n"),
]


@pytest.mark.parametrize("text", STRINGS)
def test_a_literal_is_its_string_even_where_variables_are_substituted(spark: SparkSession, text: str) -> None:
    with setting(spark, SUBSTITUTION, "true"):
        assert spark.sql(f"SELECT {literal(text)} AS value").collect()[0]["value"] == text
        assert spark.range(1).selectExpr(f"{literal(text)} AS value").collect()[0]["value"] == text


@pytest.mark.parametrize("name", ["${env:PATH}", "${spark.app.name}", "a`${env:PATH}"])
def test_a_column_is_found_by_its_name_and_nothing_is_put_in_its_place(spark: SparkSession, name: str) -> None:
    with setting(spark, SUBSTITUTION, "true"):
        with as_written(spark):
            frame = spark.range(3).withColumnRenamed("id", name)
            assert frame.selectExpr(f"sum({quote(name)}) AS total").collect()[0]["total"] == 3
        assert spark.conf.get(SUBSTITUTION) == "true"


def test_every_function_of_spark_is_allowed_or_refused_for_a_reason(spark: SparkSession) -> None:
    lists = (ROW_FUNCTIONS, AGGREGATES, ORDERED_FUNCTIONS, REACHING_FUNCTIONS, UNSTEADY_FUNCTIONS, MULTIPLYING_FUNCTIONS)
    names = [row[0] for row in spark.sql("SHOW SYSTEM FUNCTIONS").collect() if row[0][0].isalpha()]
    assert len(names) > 400
    places = {name: sum(name in one for one in lists) + name.startswith(PREFIXES) for name in names}
    assert {name: count for name, count in places.items() if count != 1} == {}


def test_a_function_that_somebody_registered_is_not_called(spark: SparkSession) -> None:
    spark.sql("CREATE OR REPLACE TEMPORARY FUNCTION stranger AS 'org.apache.hadoop.hive.ql.udf.generic.GenericUDFAbs'")
    frame = spark.range(3)
    for read in (lambda: sql_of(frame, "stranger(id)"), lambda: read_slice(frame, "stranger(id)")):
        with pytest.raises(ConfigError, match="stranger is no function that may be called"):
            read()
    named = frame.withColumnRenamed("id", "stranger(id)")
    assert named.selectExpr(f"max({sql_of(named, 'stranger(id)')})").collect()[0][0] == 2
