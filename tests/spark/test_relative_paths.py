"""A table named by a relative path is the table: it has versions, a history, and is read from its files."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession

from spark_monitor.config.sources import SourceConfig
from spark_monitor.sources.readers.rows import read_source
from spark_monitor.store.files import columns_in_paths
from spark_monitor.store.sources import commit_version, source_version


@pytest.mark.parametrize("name", [*(pytest.param(one, marks=pytest.mark.slow) for one in ("scored", "odd preds")), "a`b.c"])
def test_a_relative_path_of_a_delta_table_has_the_versions_of_the_absolute_one(
    spark: SparkSession, tmp_path: Path, name: str
) -> None:
    for number in range(2):
        write_deltalake(str(tmp_path / name), pa.table({"x": [number]}), mode="append")
    absolute = SourceConfig(path=str(tmp_path / name), format="delta")
    relative = SourceConfig(path=os.path.relpath(tmp_path / name), format="delta")

    assert not Path(str(relative.path)).is_absolute()
    assert sorted(row["x"] for row in read_source(spark, relative).collect()) == [0, 1]
    assert commit_version(spark, relative) == 1
    assert source_version(spark, relative) == source_version(spark, absolute)
    assert columns_in_paths(spark, relative) == ()
