"""Python workers of a session of our own: forked with the kernel imported, from a pyspark that has bytecode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from spark_monitor.kernel.daemon import USED_BY_TASKS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_a_task_finds_the_kernel_imported_and_no_pyspark_in_a_zip(spark: SparkSession) -> None:
    names = USED_BY_TASKS

    def looked(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import sys

        import pyspark

        for _ in batches:
            missing = [name for name in names if name not in sys.modules]
            yield pa.RecordBatch.from_pydict({"missing": [",".join(missing)], "pyspark": [pyspark.__file__]})

    rows = spark.range(0, 1, 1, 1).mapInArrow(looked, "missing string, pyspark string").collect()
    assert [row["missing"] for row in rows] == [""]
    assert ".zip" not in rows[0]["pyspark"]
