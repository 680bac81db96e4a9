"""Stored states carry a checksum of their row, so that a row which something has changed is no number but a sentence.

The checksum is Spark's own ``xxhash64`` over the row's values, computed where the rows are written and again where they are
read, in the same pass and beside no Python. Values that are NULL add nothing to it, so rows keep theirs when a newer release adds
columns. Rows of releases that wrote none (NULL) are read as they are.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, MapType, StructField

from spark_monitor.states.columns import DAMAGED_ROW
from spark_monitor.store.described import Table
from spark_monitor.store.shared_columns import CHECKSUM
from spark_monitor.text.quoting import quote

VOIDED: Final[Mapping[str, tuple[str, ...]]] = {
    "profile_states": ("count", "sketch"),
    "baselines": ("count", "sketch"),
    "model_states": ("properties",),
}
"""The columns that are NULL in a damaged row, by table: a row without them holds no state."""

_APART: Final = frozenset({CHECKSUM.name, "run_id"})
_MARK: Final = "_damaged"


def checked(frame: DataFrame, table: Table) -> DataFrame:
    """Rows that are about to be written, with their checksum where the table has one."""
    return frame.withColumn(CHECKSUM.name, checksum(table)) if table.name in VOIDED else frame


def verified(frame: DataFrame, table: Table) -> DataFrame:
    """Stored rows, those that are damaged without a state and with a sentence where the table has one."""
    if table.name not in VOIDED or CHECKSUM.name not in frame.columns:
        return frame
    marked = frame.withColumn(_MARK, F.coalesce(F.col(CHECKSUM.name) != checksum(table), F.expr("false")))
    read = {name: F.when(~F.col(_MARK), F.col(name)) for name in VOIDED[table.name]}
    if "message" in table.names:
        read["message"] = F.when(F.col(_MARK), F.lit(DAMAGED_ROW)).otherwise(F.col("message"))
    # A computed column has no comment unless it is given one again.
    comments = {field.name: field.metadata for field in table.columns}
    return marked.withColumns({name: read[name].alias(name, metadata=comments[name]) for name in read}).drop(_MARK)


def checksum(table: Table) -> Column:
    """The checksum of a row of the table; which run wrote the row is left out, so that a run done again writes the same."""
    fields = sorted((field for field in table.columns if field.name not in _APART), key=lambda field: field.name)
    # One string for Spark to read: made of columns it would be hundreds of calls to the JVM for each frame.
    return F.expr(f"xxhash64({', '.join(map(_parts, fields))})")


def _parts(field: StructField) -> str:
    """A value, and before it which column it is of and how long it is: NULL and an empty list leave no trace in the hash."""
    value = quote(field.name)
    name = f"{zlib.crc32(field.name.encode())}L"
    is_map = isinstance(field.dataType, MapType)
    sized = f"{name} + size({value})" if is_map or isinstance(field.dataType, ArrayType) else name
    # Spark hashes no maps, but the list of their entries.
    return f"CASE WHEN {value} IS NOT NULL THEN {sized} END, {f'map_entries({value})' if is_map else value}"
