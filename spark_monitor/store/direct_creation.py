"""The tables of a directory of this machine brought into being, as Spark would make them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from deltalake import DeltaTable, Schema
from deltalake.exceptions import DeltaError
from pyspark.sql.types import StructType

from spark_monitor.errors import RunError
from spark_monitor.store import schema_number, schema_version
from spark_monitor.store.creation import LEDGER, missing_fields
from spark_monitor.store.described import PARTITION, Table
from spark_monitor.store.schemas import TABLES

PLAIN: Final = {"delta.enableDeletionVectors": "false"}
"""What keeps a table readable by every reader; the rest delta-rs never switches on."""

SIMPLE: Final = (1, 2)
"""The versions of Delta's protocol for a table that is simply its files: no deletion vectors, no mapped columns."""


def ensure(root: str) -> bool:
    """Create the tables that are missing; False where one is not as this release makes it, or none can be made like this."""
    try:
        complete = [_is_complete(root, table) for table in TABLES.values()]  # each is made, whatever is found of the others
        return all(complete) and _has_version(root)
    except (DeltaError, OSError, RunError):
        return False  # whoever creates tables in SQL finds the words for that


def all_simple(root: str) -> bool:
    """Whether every table that is there is simply its files."""
    each = [f"{root}/{name}" for name in TABLES if Path(root, name, "_delta_log").is_dir()]
    protocols = [DeltaTable(one).protocol() for one in each if DeltaTable.is_deltatable(one)]
    return all((one.min_reader_version, one.min_writer_version) <= SIMPLE for one in protocols)


def _is_complete(root: str, table: Table) -> bool:
    """Whether a table is there with every column; one that is not there is made."""
    location = Path(root, table.name)
    if not DeltaTable.is_deltatable(str(location)):
        if any(one.name != "_delta_log" for one in location.glob("*")):
            return False
        schema = Schema.from_json(table.schema.json())
        properties = {**PLAIN, **(schema_version.NOTED if table.name == LEDGER else {})}
        described = {"description": f"one row per {table.one_row_per}", "partition_by": [PARTITION], "configuration": properties}
        # The ledger's property is ours, not one of Delta's.
        DeltaTable.create(str(location), schema, mode="ignore", raise_if_key_not_exists=False, **described)
        return True
    stored = StructType.fromJson(json.loads(DeltaTable(str(location)).schema().to_json()))
    return not list(missing_fields(table.schema, stored))


def _has_version(root: str) -> bool:
    """Whether the ledger carries this release's number."""
    number = DeltaTable(f"{root}/{LEDGER}").metadata().configuration.get(schema_number.PROPERTY)
    return bool(number == str(schema_number.CURRENT))
