"""Which values of a slice key are distinguished: all of them, or the most frequent ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


MAX_SLICE_VALUES = 200


def capped_slice_values(
    rows: DataFrame, slice_keys: int, most: int = MAX_SLICE_VALUES, *, stored: DataFrame | None = None
) -> tuple[frozenset[str] | None, ...]:
    """For each slice key the values that are kept: all (None), or the ``most`` frequent where there are more.

    Ties are broken by the value, so the choice depends on the rows alone. One job over the slice columns for all keys; ``stored``
    (key, value) are values that count as well, as one row each.
    """
    if not slice_keys:
        return ()
    pairs = F.explode(F.array(*(F.struct(F.lit(key).alias("key"), F.col(f"s{key}").alias("value")) for key in range(slice_keys))))
    slice_pairs = rows.select(pairs.alias("pair")).select("pair.key", "pair.value")
    if stored is not None:
        slice_pairs = slice_pairs.unionByName(stored)
    counted = slice_pairs.groupBy("key", "value").agg(F.count(F.lit(1)).alias("rows")).where("value IS NOT NULL")
    ranked = counted.selectExpr("key", "value", "row_number() OVER (PARTITION BY key ORDER BY rows DESC, value) AS place")
    kept: list[list[str]] = [[] for _ in range(slice_keys)]
    for row in ranked.where(F.col("place") <= most + 1).orderBy("key", "place").collect():
        kept[row["key"]].append(row["value"])
    return tuple(frozenset(values[:most]) if len(values) > most else None for values in kept)
