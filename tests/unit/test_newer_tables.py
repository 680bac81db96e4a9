"""Tables of a newer release are refused by what reads them without Spark, too: an older one could read them wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import DeltaTable
from tables_written import write_tables

from spark_monitor.commands.sql import ask_without_spark
from spark_monitor.config.monitor import MonitorConfig, load_config
from spark_monitor.errors import RunError
from spark_monitor.insight.tables import local_tables
from spark_monitor.store.local import LocalTables
from spark_monitor.store.schema_number import CURRENT, PROPERTY


def config(directory: Path) -> MonitorConfig:
    file = directory / "one.yaml"
    file.write_text(
        f"""
monitor: one
model: {{name: model, task: none}}
predictions: {{table: t, id: i, time: at}}
outputs: {{path: "{directory}/out"}}
""",
        encoding="utf-8",
    )
    write_tables(directory / "out", {"runs": [{"monitor_id": "one", "run_id": "r", "status": "COMMITTED"}]})
    return load_config(file)


def carrying(one: MonitorConfig, version: str) -> str:
    """The directory of a monitor's tables, after their ledger says that they are of a version."""
    path = str(one.outputs.path)
    DeltaTable(f"{path}/runs").alter.set_table_properties({PROPERTY: version}, raise_if_not_exists=False)
    return path


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (str(CURRENT + 1), f"out: the tables are of schema version {CURRENT + 1}, this release knows versions up to {CURRENT}"),
        ("two", "found spark_monitor.schemaVersion = 'two' on the table runs, expected an integer"),
        ("0", "found spark_monitor.schemaVersion = '0'"),
        ("9" * 5000, "found spark_monitor.schemaVersion = '999"),
    ],
)
def test_readers_without_spark_refuse_what_they_may_not_know(tmp_path: Path, version: str, message: str) -> None:
    one = config(tmp_path)
    path = carrying(one, version)
    for read in (lambda: LocalTables(path, "one"), lambda: local_tables(one), lambda: ask_without_spark(one, "SELECT 1", 1)):
        with pytest.raises(RunError, match=message):
            read()


def test_tables_of_this_release_and_of_one_before_numbers_are_read(tmp_path: Path) -> None:
    one = config(tmp_path)
    assert local_tables(one) is not None
    carrying(one, str(CURRENT))
    assert local_tables(one) is not None
