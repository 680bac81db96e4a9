"""Tables that are changed after a run has opened them: what Spark and Delta raise becomes a sentence."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_monitor.errors import RunError
from spark_monitor.stages.changed_tables import changed_tables_are_sentences


def test_another_schema_is_named(spark: SparkSession, tmp_path: Path) -> None:
    write_deltalake(str(tmp_path), pa.table({"x": [1.0, 2.0]}))
    opened = spark.read.format("delta").load(str(tmp_path)).agg(F.sum("x"))
    _ = opened.columns
    write_deltalake(str(tmp_path), pa.table({"y": ["a"]}), mode="overwrite", schema_mode="overwrite")
    with pytest.raises(RunError) as caught, changed_tables_are_sentences():
        opened.collect()
    assert str(caught.value) == (
        "A table was changed while the run read it: Latest schema is missing field(s): x, Latest schema has additional "
        "field(s): y. No partial write is visible. Run again: the next run reads the table as it is then."
    )


def test_a_file_that_is_gone_is_named(spark: SparkSession, tmp_path: Path) -> None:
    for name in ("a", "b"):
        pq.write_table(pa.table({"x": [1.0, 2.0]}), tmp_path / f"{name}.parquet")
    opened = spark.read.schema("x DOUBLE").parquet(str(tmp_path)).agg(F.sum("x"))
    assert opened.columns == ["sum(x)"]
    (tmp_path / "b.parquet").unlink()
    sentence = r"^A table was changed while the run read it: .*b\.parquet.* Run again"
    with pytest.raises(RunError, match=sentence), changed_tables_are_sentences():
        opened.collect()


def test_other_errors_stay_what_they_are(spark: SparkSession) -> None:
    with pytest.raises(Exception, match="DIVIDE_BY_ZERO") as caught, changed_tables_are_sentences():
        spark.range(1).selectExpr("raise_error('DIVIDE_BY_ZERO')").collect()
    assert not isinstance(caught.value, RunError)
