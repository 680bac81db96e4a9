"""Histograms as Prometheus exports them (``le`` and cumulative counts) as rows of how many values fell between two edges.

The counts up to each edge become those of single buckets sample by sample, and only then what each bucket gained: so histograms
with other edges, and samples in which an edge is missing, add up to what is certain of every value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

BUCKET, COUNT, SUM = "_bucket", "_count", "_sum"
EDGE = "le"


def edge_sql(text: str, milliseconds: float) -> str:
    """The upper edge of a bucket in milliseconds, of the label ``le``; NULL where it is no number."""
    plain = f"lower(trim({text}))"
    infinite = f"{plain} IN ('+inf', 'inf', 'infinity', '+infinity')"
    number = f"try_cast({text} AS DOUBLE)"
    finite = f"WHEN NOT isnan({number}) THEN {milliseconds!r} * {number}"
    return f"CASE WHEN {infinite} THEN double('Infinity') {finite} END"


def fallen(rows: DataFrame) -> DataFrame:
    """Rows with an ``edge`` and a count ``raw`` up to it as rows with ``low``, ``high`` and how many ``fell`` between them.

    A sample is of one ``series`` (all labels but the edge) at one time. After a reset, which shows in the count of all values,
    all that a bucket shows is new; its first value in the rows adds nothing.
    """
    sample = "PARTITION BY series, endpoint, version, host, cluster, time"
    copies = f"row_number() OVER ({sample}, edge ORDER BY raw DESC) > 1"
    samples = rows.withColumn(
        "known", F.expr(f"raw >= 0 AND raw < double('Infinity') AND edge IS NOT NULL AND NOT coalesce({copies}, false)")
    )
    marked = samples.withColumns({name: F.expr(f"CASE WHEN known THEN {name} END") for name in ("edge", "raw")})
    # What is no number, or there twice, comes before the first edge.
    upward = f"({sample} ORDER BY edge NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    counted = marked.withColumns({"up_to": F.expr(f"max(raw) OVER {upward}"), "whole": F.expr(f"max(raw) OVER ({sample})")})
    before = f"OVER ({sample} ORDER BY edge NULLS FIRST)"
    single = counted.withColumns(
        {
            "low": F.expr(f"coalesce(greatest(lag(edge) {before}, 0D), 0D)"),
            "inside": F.expr(f"CASE WHEN known THEN up_to - coalesce(lag(up_to) {before}, 0D) END"),
        }
    )
    bucket = "OVER (PARTITION BY series, endpoint, version, host, cluster, known, low, edge ORDER BY time)"
    gained = (
        f"CASE WHEN lag(inside) {bucket} IS NULL THEN NULL WHEN whole < lag(whole) {bucket} THEN inside "
        f"ELSE greatest(inside - lag(inside) {bucket}, 0D) END"
    )
    return single.withColumn("fell", F.expr(gained)).withColumn("high", F.col("edge"))
