"""The ledger of messages and actions: one row per key, replaced when it is tried again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pyspark.sql import SparkSession
from pyspark.sql.types import ArrayType, StructType

from spark_monitor.store.commits import commit
from spark_monitor.store.creation import ensure_table
from spark_monitor.store.literals import value_sql
from spark_monitor.store.place import Place
from spark_monitor.store.schemas import TABLES
from spark_monitor.text.quoting import literal, quote

DELIVERIES: Final = "deliveries"


def record(spark: SparkSession, place: Place, monitor_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of a monitor in one commit; those that are there under the same key are replaced."""
    if not rows:
        return
    # A monitor without news writes here without having looked after its tables, which an older release may have made.
    ensure_table(spark, place, TABLES[DELIVERIES])
    relation = place.relation(DELIVERIES)
    commit(
        lambda: spark.sql(merge_sql(relation, monitor_id, rows)).collect(),
        what=f"{relation}: noting deliveries of monitor {monitor_id}",
    )


def merge_sql(relation: str, monitor_id: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The statement that writes the rows, thousands of them as one text; the same rows written twice are there once."""
    columns = TABLES[DELIVERIES].columns
    given = [{**row, "monitor_id": monitor_id} for row in rows]
    names = [quote(field.name) for field in columns]
    changed = ", ".join(f"{name} = s.{name}" for name in names)
    same = f"t.monitor_id = {literal(monitor_id)} AND t.delivery_id = s.delivery_id"
    return (
        f"MERGE INTO {relation} t USING (SELECT inline({value_sql(given, ArrayType(StructType(list(columns))))})) s ON {same} "
        f"WHEN MATCHED THEN UPDATE SET {changed} "
        f"WHEN NOT MATCHED THEN INSERT ({', '.join(names)}) VALUES ({', '.join(f's.{name}' for name in names)})"
    )
