"""Coarse windows from what is stored of finer ones: which of these can be used, and their states as parts of the coarse ones.

A stored window can be used where a committed run with the same profile hash wrote it, no column of it failed and none of its
slice values were counted together; else its rows are read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.kernel.batches import one_batch
from spark_monitor.kernel.partial_rows import PARTIAL_SCHEMA
from spark_monitor.kernel.partials import OTHER, TABLE_COLUMN
from spark_monitor.kernel.plan import PARTIAL_DDL, KernelColumn, ProfilePlan
from spark_monitor.kernel.state_rows import partial_content, quality_content
from spark_monitor.kernel.tables import WHOLE
from spark_monitor.sources.local_frame import local_frame
from spark_monitor.stages.context import COMMITTED, INPUT, Run, states_of
from spark_monitor.states.columns import STATE_COLUMNS
from spark_monitor.text.quoting import quote
from spark_monitor.windowing.composition import candidates, compose
from spark_monitor.windowing.due import DueWindow, Handled
from spark_monitor.windowing.timestamps import micros

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

Parts = Mapping[int, Sequence[DueWindow]]
"""The stored windows that due windows are put together from, by the number of the due one."""

STORED = -1
"""The part that stored states say they are: they are merged before those of any task."""


def composed_of(run: Run, due: Sequence[DueWindow], handled: Mapping[DueWindow, Handled]) -> Parts:
    """The parts of the due windows whose rows need not be read."""
    granularities = run.schedule.granularities
    possible = candidates(due, handled, granularities)
    parts = compose(due, usable_windows(run, possible, handled), granularities)
    return {number: parts[one] for number, one in enumerate(due) if one in parts}


def usable_windows(run: Run, windows: Iterable[DueWindow], handled: Mapping[DueWindow, Handled]) -> list[DueWindow]:
    """Those whose stored states merge with what this run makes of rows; one row for each window comes to the driver.

    A window without states had no rows, if every run that handled it would look for them as this one does, and if its states
    have not been deleted since.
    """
    asked = list(windows)
    if not asked:
        return []
    same = (F.col("profile_hash") == run.profile_hash) & (F.col("status") == COMMITTED)
    runs = (
        run.store.frame("runs").where((F.col("monitor_id") == run.monitor_id) & same).select("run_id", F.lit(True).alias("same"))
    )
    stored = (
        run.store.frame("profile_states").where(run.store.in_windows(run.monitor_id, asked)).where(F.col("log_type") == INPUT)
    )
    sound = F.expr(f"message IS NULL AND NOT slice_value <=> '{OTHER}'")
    seen = stored.groupBy("granularity", F.expr("unix_micros(window.start) AS start"), "run_id").agg(
        F.bool_and(sound).alias("sound")
    )
    usable: dict[tuple[str, int], bool] = {}
    for row in seen.join(runs, on="run_id", how="left").collect():
        place = (row["granularity"], row["start"])
        usable[place] = usable.get(place, True) and bool(row["sound"] and row["same"])
    empty = [one for one in asked if place_of(one) not in usable and handled[one].profile_hash == run.profile_hash]
    kept = {one for one in empty if run.pruned_until is None or one.window.end > run.pruned_until}
    return [one for one in asked if usable.get(place_of(one), one in kept)]


def stored_partials(run: Run, parts: Parts, plan: ProfilePlan) -> DataFrame:
    """The stored states of the parts as partial states of the windows that they are parts of."""
    places = [
        (*place_of(part), number, sequence) for number, several in sorted(parts.items()) for sequence, part in enumerate(several)
    ]
    windows = local_frame(run.spark, places, "granularity string, start long, number int, sequence int")
    special = plan.kernel.special_rows()
    of_rows = [(TABLE_ROW, TABLE_COLUMN), *((name, number) for number, name in special.items())]
    names = [*of_rows, *((column.name, position) for position, column in enumerate(plan.kernel.columns))]
    columns = local_frame(run.spark, names, "column_name string, position int")
    finer = {part for several in parts.values() for part in several}
    states = states_of(run, finer).unionByName(states_of(run, finer, quality=True))
    placed = states.join(F.broadcast(windows), on=["granularity", "start"]).join(F.broadcast(columns), on="column_name")
    kernel = plan.kernel.columns
    rows = placed.select(
        F.col("number").alias("window"),
        "model_version",
        slice_number(plan.slice_keys).alias("slice_key"),
        "slice_value",
        F.col("position").alias("column"),
        F.lit(STORED).alias("part"),
        "sequence",
        *(F.col(quote(name)) for name in ("grid_id", *STATE_COLUMNS)),
        "error",
    )

    def partials(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield as_partials(batch, kernel)

    return rows.mapInArrow(partials, PARTIAL_DDL)


def as_partials(batch: pa.RecordBatch, columns: Sequence[KernelColumn]) -> pa.RecordBatch:
    """Stored states as the partial states that tasks make."""
    names = [field.name for field in PARTIAL_SCHEMA if field.name not in ("state", "sketch", "error")]
    parts = []
    numbers = np.asarray(batch.column("column"), dtype=np.int64)
    for number in np.unique(numbers).tolist():
        rows = batch.take(pa.array(np.flatnonzero(numbers == number)))
        column = None if number < 0 else columns[number]
        contents = quality_content(rows) if number < TABLE_COLUMN else partial_content(rows, column)
        parts.append(pa.RecordBatch.from_arrays([*(rows.column(name) for name in names), *contents], schema=PARTIAL_SCHEMA))
    return one_batch(parts) if parts else pa.RecordBatch.from_pylist([], schema=PARTIAL_SCHEMA)


def stored_slice_values(run: Run, parts: Parts, slice_keys: Sequence[str]) -> DataFrame:
    """Every slice value (key, value) that the parts have rows of."""
    states = states_of(run, {part for several in parts.values() for part in several})
    tables = states.where((F.col("column_name") == TABLE_ROW) & F.col("slice_key").isNotNull())
    return tables.select(slice_number(slice_keys).alias("key"), F.col("slice_value").alias("value")).distinct()


def slice_number(slice_keys: Sequence[str]) -> Column:
    """The number of the stored row's slice key."""
    number = F.lit(WHOLE)
    for position, key in enumerate(slice_keys):
        number = F.when(F.col("slice_key") == key, F.lit(position)).otherwise(number)
    return number


def place_of(one: DueWindow) -> tuple[str, int]:
    """What identifies the rows of a window: its granularity and its start in microseconds."""
    return one.granularity, micros(one.window.start)
