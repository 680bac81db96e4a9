"""Spark's own answers: its KLL sketch, the same as cheap as it can be had, and percentile_approx; a GROUP BY makes the halves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.answers import PERCENTS, Answer, Side
from benchmarks.peer_ours import HALVES
from spark_monitor.states.sketch import Kll

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ACCURACY = 10_000
FEW = 4
RANKS = f"array({', '.join(f'{percent}D' for percent in PERCENTS)})"
STATISTICS = {"n": "count({})", "avg": "avg({})", "std": "stddev({})", "min": "min({})", "max": "max({})"}
Rows = Mapping[bool, Mapping[str, Any]]


class SparkPeer:
    """One made table as Spark reads it."""

    def __init__(self, spark: SparkSession, path: Path, names: Sequence[str]) -> None:
        self._names = names
        self._frame = spark.read.parquet(str(path))

    def kll(self) -> Answer:
        """KLL sketches with k = 1024 and all statistics of all columns in one aggregate."""
        sketches = {f"{name}_kll": f"kll_sketch_agg_double({name}, 1024)" for name in self._names}
        rows = _by_half(self._grouped({**sketches, **_statistics(self._names)}).select("*", *_quantiles(self._names)))
        return self._answer(rows, rows)

    def kll_tuned(self) -> Answer:
        """What was found to be Spark's fastest: KLL with k = 200 alone, then the statistics of four columns at a time."""
        sketches = {f"{name}_kll": f"kll_sketch_agg_double({name}, 200)" for name in self._names}
        sketched = _by_half(self._grouped(sketches).select("*", *_quantiles(self._names)))
        halves: dict[bool, dict[str, Any]] = {False: {}, True: {}}
        for first in range(0, len(self._names), FEW):
            few = self._names[first : first + FEW]
            for half, row in _by_half(self._grouped(_statistics(few))).items():
                halves[half] |= row
        return self._answer(halves, sketched)

    def percentile_approx(self) -> Answer:
        """percentile_approx and all statistics of all columns in one aggregate."""
        percentiles = {f"{name}_quantiles": f"percentile_approx({name}, {RANKS}, {ACCURACY})" for name in self._names}
        rows = _by_half(self._grouped({**percentiles, **_statistics(self._names)}))
        return self._answer(rows, rows)

    def _grouped(self, asked: Mapping[str, str]) -> DataFrame:
        from pyspark.sql import functions as F

        later = F.expr(f"at >= timestamp_micros({HALVES[1].start})").alias("later")
        return self._frame.groupBy(later).agg(
            F.expr("count(1)").alias("rows"), *(F.expr(text).alias(name) for name, text in asked.items())
        )

    def _answer(self, rows: Rows, sketched: Rows) -> Answer:
        return Answer({name: (_side(rows, sketched, name, False), _side(rows, sketched, name, True)) for name in self._names})


def _statistics(names: Sequence[str]) -> dict[str, str]:
    return {f"{name}_{what}": text.format(name) for name in names for what, text in STATISTICS.items()}


def _quantiles(names: Sequence[str]) -> list[Any]:
    from pyspark.sql import functions as F

    return [F.expr(f"kll_sketch_get_quantile_double({name}_kll, {RANKS})").alias(f"{name}_quantiles") for name in names]


def _by_half(frame: DataFrame) -> dict[bool, dict[str, Any]]:
    return {row["later"]: row.asDict() for row in frame.collect()}


def _side(rows: Rows, sketched: Rows, name: str, later: bool) -> Side:
    row, sketch = rows[later], sketched[later].get(f"{name}_kll")
    return Side(
        count=row["rows"],
        nulls=row["rows"] - row[f"{name}_n"],
        mean=row[f"{name}_avg"],
        stddev=row[f"{name}_std"],
        minimum=row[f"{name}_min"],
        maximum=row[f"{name}_max"],
        quantiles=sketched[later][f"{name}_quantiles"],
        sketch=Kll.from_bytes(bytes(sketch)) if sketch is not None else None,
    )
