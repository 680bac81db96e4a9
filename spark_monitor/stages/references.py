"""States against the references that a monitor's file names: the same time some lag before, or the windows just before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.kernel.comparison import ComparePlan
from spark_monitor.kernel.pairs import GROUP
from spark_monitor.kernel.references import ReferenceComparison, reference_ddl
from spark_monitor.sources.local_frame import local_frame
from spark_monitor.stages.context import Run, states_of
from spark_monitor.states.columns import STATE_COLUMNS
from spark_monitor.text.quoting import quote
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.periods import parse_duration
from spark_monitor.windowing.references import Reference, pairs
from spark_monitor.windowing.timestamps import micros

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_ORDER = ("column_name", "slice_key", "slice_value", "model_version", "granularity", "baseline_name", "start", "is_current")
_DDL = "granularity string, own_start long, name string, kind string, target long, target_end long, is_current boolean"


def references_of(run: Run) -> list[Reference]:
    """The seasonal and rolling references of the monitor's file."""
    references = []
    for one in run.config.baselines:
        if one.kind == "seasonal":
            references.append(Reference(one.name, lags=tuple(parse_duration(lag) for lag in one.lag)))
        elif one.kind == "rolling":
            references.append(Reference(one.name, windows=one.windows or 1))
    return references


def reference_rows(run: Run, due: Sequence[DueWindow], plan: ComparePlan) -> DataFrame | None:
    """Rows of ``drift_metrics`` of the due windows against each reference; None where the file names none."""
    references = references_of(run)
    if not references or not due:
        return None
    comparisons = pairs(due, references, run.schedule.granularities, run.schedule.zone)
    placed = [
        (before.granularity, micros(before.window.start), one.name, one.drift_type, *_edges(target), False)
        for target, before, one in comparisons
    ]
    placed += [
        (one.granularity, micros(one.window.start), reference.name, reference.drift_type, *_edges(one), True)
        for one in due
        for reference in references
    ]
    places = local_frame(run.spark, placed, _DDL)
    needed = {*due, *(before for _, before, _ in comparisons)}
    states = states_of(run, needed).withColumnsRenamed({"start": "own_start", "end": "own_end"})
    joined = states.join(F.broadcast(places), on=["granularity", "own_start"], how="inner")
    rows = joined.select(
        "is_current",
        "own_start",
        "own_end",
        "granularity",
        F.col("target").alias("start"),
        F.col("target_end").alias("end"),
        "model_version",
        *GROUP,
        F.col("kind").alias("drift_type"),
        F.col("name").alias("baseline_name"),
        "grid_id",
        *map(quote, STATE_COLUMNS),
        "error",
    )
    ordered = rows.repartition(*GROUP).sortWithinPartitions(*_ORDER, "own_start")

    def run_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from ReferenceComparison(plan).batches(batches)

    return ordered.mapInArrow(run_batches, reference_ddl(plan.metrics))


def _edges(one: DueWindow) -> tuple[int, int]:
    return micros(one.window.start), micros(one.window.end)
