"""What makes tables of an older release into those of this one, a function for each step of ``schema_version``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from spark_monitor.errors import StateError
from spark_monitor.states.named_arrays import NAMED_COLUMNS, named, stored_arrays
from spark_monitor.store.checksums import checked
from spark_monitor.store.commits import commit
from spark_monitor.store.described import PARTITION
from spark_monitor.store.place import Place
from spark_monitor.store.schemas import TABLES
from spark_monitor.store.shared_columns import CHECKSUM

_BYTES = "state"


def name_arrays(spark: SparkSession, place: Place) -> None:
    """Version 2: the states of ``model_states``, bytes until then, become arrays by name; damaged ones become no state."""
    table = TABLES["model_states"]
    stored = place.frame(spark, table.name)
    if _BYTES not in stored.columns:
        return
    kept = [field for field in table.schema.fields if field.name != CHECKSUM.name]
    dimensions = [field.name for field in kept if field.name not in NAMED_COLUMNS]
    types = StructType([*(field for field in kept if field.name in dimensions), *(table.schema[name] for name in NAMED_COLUMNS)])
    rows = stored.select(*dimensions, _BYTES).mapInArrow(_converted, types)
    whole = checked(rows, table).select(*table.names)
    commit(
        lambda: place.rewrite(whole, table.name, partition=PARTITION),
        what=f"{place.relation(table.name)}: updating to schema version 2",
    )


def keep_cells(_: SparkSession, __: Place) -> None:
    """Version 3: of small states no cells are stored, which follow from their sketch; those of before keep theirs."""


def keep_numbers(_: SparkSession, __: Place) -> None:
    """Version 4: of long arrays of numbers that are mostly zero or NaN the others are stored; rows of before keep all."""


def _converted(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        contents = stored_arrays([_sound(one) for one in batch.column(_BYTES).to_pylist()])
        dimensions = batch.select([name for name in batch.schema.names if name != _BYTES])
        names = [*dimensions.schema.names, *NAMED_COLUMNS]
        yield pa.RecordBatch.from_arrays([*dimensions.columns, *contents], names=names)


def _sound(data: bytes | None) -> bytes | None:
    try:
        return None if data is None or not named(data).properties else data
    except StateError:
        return None
