"""States against the references that a monitor's file names: the same time some lag before, or the windows just before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from spark_monitor.kernel.comparison import ComparePlan
from spark_monitor.kernel.pairs import GROUP, PLACE
from spark_monitor.kernel.references import ReferenceComparison, ReferencePlan, Referred, reference_ddl, referred
from spark_monitor.stages.context import Run, states_of
from spark_monitor.states.columns import STATE_COLUMNS
from spark_monitor.text.quoting import quote
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.periods import parse_duration
from spark_monitor.windowing.references import Reference, pairs
from spark_monitor.windowing.timestamps import micros

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_ORDER = ("column_name", "slice_key", "slice_value", "model_version", "granularity", "start")


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
    needed = {*due, *(before for _, before, _ in comparisons)}
    reference_plan = ReferencePlan(plan, planned(due, references, comparisons))
    states = states_of(run, needed).select(*PLACE, *GROUP, "grid_id", *map(quote, STATE_COLUMNS), "error")
    ordered = states.repartition(*GROUP).sortWithinPartitions(*_ORDER)

    def run_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from ReferenceComparison(reference_plan).batches(batches)

    return ordered.mapInArrow(run_batches, reference_ddl(plan.metrics))


def planned(
    due: Sequence[DueWindow], references: Sequence[Reference], comparisons: Sequence[tuple[DueWindow, DueWindow, Reference]]
) -> tuple[Referred, ...]:
    """For each reference and granularity which windows are measured against which."""
    before: dict[tuple[str, str], dict[int, list[tuple[int, int]]]] = {}
    for one in due:
        for reference in references:
            before.setdefault((reference.name, one.granularity), {}).setdefault(micros(one.window.start), [])
    for target, window, reference in comparisons:
        before[reference.name, target.granularity][micros(target.window.start)].append(_edges(window))
    types = {reference.name: reference.drift_type for reference in references}
    return tuple(
        referred(name, types[name], granularity, [(start, sorted(windows[start])) for start in sorted(windows)])
        for (name, granularity), windows in before.items()
    )


def _edges(one: DueWindow) -> tuple[int, int]:
    return micros(one.window.start), micros(one.window.end)
