"""The columns in which states are stored and travel: one row a state, nothing in it that would have to be decoded.

Every number has a column of its own, cells and frequent values are lists of pairs, and the sketch is DataSketches' own image, so
SQL reads all of it. A row without ``count`` holds no state. Columns that a kind of state does not have are NULL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa

CELLS: Final = pa.list_(pa.struct([("cell", pa.int32()), ("n", pa.int64())]))
FREQUENT_VALUES: Final = pa.list_(pa.struct([("value", pa.float64()), ("n", pa.int64())]))
FREQUENT_TEXTS: Final = pa.list_(pa.struct([("item", pa.string()), ("n", pa.int64())]))
COUNTS: Final = (
    *("count", "num_nulls", "num_nan", "num_positive_inf", "num_negative_inf", "num_empty", "null_ids"),
    *("min_length", "max_length", "total_length"),
)
MOMENTS: Final = ("min", "max", "avg", "avg_low", "m2")
STATE_SCHEMA: Final = pa.schema(
    [
        *((name, pa.int64()) for name in COUNTS),
        *((name, pa.float64()) for name in MOMENTS),
        ("cells", CELLS),
        ("distinct_k", pa.int32()),
        ("distinct_theta", pa.int64()),
        ("distinct_hashes", pa.list_(pa.int64())),
        ("frequent_values", FREQUENT_VALUES),
        ("frequent_texts", FREQUENT_TEXTS),
        ("frequent_dropped", pa.int64()),
        ("frequent_capacity", pa.int32()),
        ("non_null", pa.list_(pa.int64())),
        ("sketch", pa.binary()),
    ]
)
"""``distinct_theta`` is the hashes' threshold as 64 bits, NULL where no hash was dropped; ``distinct_hashes`` likewise."""

_SQL: Final[Mapping[pa.DataType, str]] = {
    pa.int64(): "long",
    pa.int32(): "int",
    pa.float64(): "double",
    pa.binary(): "binary",
    pa.string(): "string",
}


def sql_type(kind: pa.DataType) -> str:
    """An Arrow type as Spark writes it.

    >>> sql_type(CELLS)
    'array<struct<cell: int, n: long>>'
    """
    if pa.types.is_list(kind):
        return f"array<{sql_type(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{', '.join(f'{field.name}: {sql_type(field.type)}' for field in kind)}>"
    return _SQL[kind]


STATE_DDL: Final = ", ".join(f"{field.name} {sql_type(field.type)}" for field in STATE_SCHEMA)
"""The same as Spark writes it."""

STATE_COLUMNS: Final = tuple(STATE_SCHEMA.names)


DAMAGED_ROW: Final = "state: the stored row is damaged, the checksum of its values does not fit."
"""What stands in the place of the state of such a row."""


def state_arrays(columns: Mapping[str, Any], rows: int) -> list[pa.Array]:
    """All columns, in order; what is not given is NULL."""
    return [
        pa.nulls(rows, field.type) if field.name not in columns else _as(columns[field.name], field.type)
        for field in STATE_SCHEMA
    ]


def _as(values: Any, kind: pa.DataType) -> pa.Array:
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values.cast(kind) if values.type != kind else values
    return pa.array(values, kind)


def number_column(batch: pa.RecordBatch, name: str) -> np.ndarray:
    """A column of integers or doubles without nulls: 0 for a missing count, nan for a missing double."""
    column = batch.column(name)
    filled = column.fill_null(0) if pa.types.is_integer(column.type) else column
    return np.array(filled.to_numpy(zero_copy_only=False))


def joined(parts: Iterable[list[pa.Array]]) -> list[pa.Array]:
    """The columns of several groups of states below each other."""
    return [pa.concat_arrays(list(columns)) for columns in zip(*parts, strict=True)]
