"""The table of importances, which a run can do without."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from spark_monitor.config.sources import SourceConfig
from spark_monitor.stages.importances import importances


def run_of(spark: SparkSession, place: Path) -> Any:
    source = SourceConfig(path=str(place), format="parquet")
    return SimpleNamespace(spark=spark, config=SimpleNamespace(importances=source), notes=[])


def test_importances_are_sizes_by_feature(spark: SparkSession, tmp_path: Path) -> None:
    pd.DataFrame({"feature": ["a", "b", "c"], "importance": [2.0, -3.0, None]}).to_parquet(tmp_path / "part.parquet")
    run = run_of(spark, tmp_path)
    assert importances(run) == {"a": 2.0, "b": 3.0}
    assert run.notes == []


@pytest.mark.parametrize("columns", [(), ("feature", "weight")], ids=["gone", "another schema"])
def test_a_run_that_cannot_read_importances_ranks_without_them_and_says_so(
    spark: SparkSession, tmp_path: Path, columns: tuple[str, ...]
) -> None:
    if columns:
        pd.DataFrame({name: ["1"] for name in columns}).to_parquet(tmp_path / "part.parquet")
    run = run_of(spark, tmp_path if columns else tmp_path / "none")
    assert importances(run) == {}
    [note] = run.notes
    assert note.startswith("importances could not be read, and features count alike: ")
