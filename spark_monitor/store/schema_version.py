"""Which release made the tables of a place: a number in a property of the ledger; newer ones are refused, older ones updated.

Columns that a release adds are added when it first runs (`creation`), which needs no number. The number is for changes that an
older release would read wrongly: it is raised with them, and the step from the number before stands in ``STEPS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from pyspark.sql import SparkSession

from spark_monitor.store.commits import commit
from spark_monitor.store.place import Place
from spark_monitor.store.schema_number import CURRENT, PROPERTY, refuse_newer, schema_number
from spark_monitor.store.schema_steps import keep_cells, keep_numbers, name_arrays
from spark_monitor.text.quoting import literal

STEPS: Final[Mapping[int, Callable[[SparkSession, Place], None]]] = MappingProxyType(
    {2: name_arrays, 3: keep_cells, 4: keep_numbers}
)
"""What makes tables of the version before into those of a version. Tables without a number are of version 1."""

NOTED: Final[Mapping[str, str]] = MappingProxyType({PROPERTY: str(CURRENT)})
"""What a ledger that is made now carries."""

_LEDGER: Final = "runs"


def stored_version(spark: SparkSession, place: Place) -> int | None:
    """The number that the ledger carries; None where it has none yet. RunError where it is no number of a version."""
    rows = spark.sql(f"SHOW TBLPROPERTIES {place.relation(_LEDGER)}").collect()
    text = {row["key"]: row["value"] for row in rows}.get(PROPERTY)
    return schema_number(text, place.text)


def require_readable(spark: SparkSession, place: Place) -> None:
    """RunError where a newer release made the tables: whoever reads them could read them wrongly."""
    refuse_newer(stored_version(spark, place), place.text)


def bring_up_to_date(spark: SparkSession, place: Place, stored: int | None) -> None:
    """Take the steps from the stored version to this release's, each noted as soon as it is done; all can be taken again."""
    for version in range((stored or 1) + 1, CURRENT + 1):
        STEPS[version](spark, place)
        _note(spark, place, version)
    if stored is None:
        _note(spark, place, CURRENT)


def _note(spark: SparkSession, place: Place, version: int) -> None:
    statement = f"ALTER TABLE {place.relation(_LEDGER)} SET TBLPROPERTIES ({literal(PROPERTY)} = {literal(str(version))})"
    commit(lambda: spark.sql(statement), what=f"{place.relation(_LEDGER)}: noting schema version {version}")
