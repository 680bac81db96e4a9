"""Where an Iceberg table lies that a catalog knows by name, as DESCRIBE TABLE EXTENDED tells it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from spark_monitor.config.pipelines import WatchedTable
from spark_monitor.store.iceberg import iceberg_path

COLUMNS = [("location", "string"), ("provider", "string")]


def catalog(*rows: tuple[str, str]) -> Any:
    """A session whose catalog describes every table so."""
    described = [{"col_name": name, "data_type": kind} for name, kind in rows]
    found = SimpleNamespace(where=lambda _: SimpleNamespace(collect=lambda: described))
    return cast(Any, SimpleNamespace(sql=lambda _: found))


@pytest.mark.parametrize(
    ("rows", "path"),
    [
        ([("Location", "s3://w/ml/features"), ("Provider", "iceberg")], "s3://w/ml/features"),
        ([*COLUMNS, ("Location", "s3://w/ml/features"), ("Provider", "iceberg")], "s3://w/ml/features"),
        ([*COLUMNS, ("Location", "s3://w/ml/features"), ("Provider", "delta")], None),
        (COLUMNS, None),
        ([], None),
    ],
)
def test_a_name_leads_to_the_metadata_of_iceberg_tables_alone(rows: list[tuple[str, str]], path: str | None) -> None:
    assert iceberg_path(catalog(*rows), WatchedTable(table="ice.ml.features")) == path


def test_paths_are_taken_as_they_are_without_asking_a_catalog() -> None:
    nobody = cast(Any, None)
    assert iceberg_path(nobody, WatchedTable.model_validate({"path": "/t", "format": "iceberg"})) == "/t"
    assert iceberg_path(nobody, WatchedTable.model_validate({"path": "/t", "format": "delta"})) is None
