"""What Spark would put in the place of a variable stays out of SQL: environment variables and settings may be secrets."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from spark_monitor.session import SUBSTITUTION, as_written, setting
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
