"""How many Spark jobs a profile takes: as many for forty columns, slices and windows as for one."""

from __future__ import annotations

import uuid

import pytest
from pyspark.sql import DataFrame, SparkSession

from spark_monitor.kernel.plan import KernelColumn, KernelPlan, ProfilePlan, WindowKey, plan_segments
from spark_monitor.sources.readers.rows import read_column, read_slice, rows_for_profile
from spark_monitor.sources.slice_values import capped_slice_values
from spark_monitor.stages.merge import profile
from spark_monitor.states.grid import Grid

DAY = 86_400_000_000


AT = "timestamp_micros(id * 1000000000 % {span})"


def profiled(
    spark: SparkSession, *, columns: int, slices: int, windows: int, is_packed: bool = False, at: str = AT, rows: int = 2_000
) -> DataFrame:
    numbers = [f"rand({position}) AS x{position}" for position in range(columns)]
    keys = [f"CAST(id % {position + 2} AS STRING) AS k{position}" for position in range(slices)]
    time = at.format(span=windows * DAY, day=DAY)
    frame = spark.range(0, rows, 1, 2).selectExpr("id", f"{time} AS at", *numbers, *keys)
    read = [read_column(frame.schema[f"x{position}"]) for position in range(columns)]
    sliced = [read_slice(frame, f"k{position}") for position in range(slices)]
    rows = rows_for_profile(frame, read, sliced, time="at", version_sql="'1'", ids=["id"])
    keys_of = tuple(WindowKey("1 day", day * DAY, (day + 1) * DAY) for day in range(windows))
    edges, members = plan_segments(keys_of)
    kernel = KernelPlan(
        columns=tuple(KernelColumn(column.name, Grid.of([0.25, 0.5, 0.75])) for column in read),
        edges=edges,
        windows=members,
        slice_keys=slices,
        slice_values=capped_slice_values(rows, slices),
        is_packed=is_packed,
    )
    return profile(rows, ProfilePlan(kernel, keys_of, tuple(slice_.key for slice_ in sliced), ("double",) * columns))


def jobs(spark: SparkSession, **shape: int) -> tuple[int, int]:
    """Jobs that the profile takes, the choice of slice values included, and states that it gives."""
    context, group = spark.sparkContext, uuid.uuid4().hex
    context.setJobGroup(group, "a profile")
    states = len(profiled(spark, **shape).collect())
    return len(context.statusTracker().getJobIdsForGroup(group)), states


def test_jobs_do_not_grow_with_columns_slices_or_windows(spark: SparkSession) -> None:
    if type(spark).__module__.startswith("pyspark.sql.connect"):
        pytest.skip("Spark Connect does not tell how many jobs it ran; classic mode counts them for both")
    few, few_states = jobs(spark, columns=2, slices=1, windows=1)
    many, many_states = jobs(spark, columns=40, slices=4, windows=5)
    assert (few_states, few_states < many_states) == (9, True)
    assert many == few


def test_small_states_that_travel_together_are_those_that_travel_alone(spark: SparkSession) -> None:
    """The second task's rows are all in the first window, too many of them for a small state: both come as one state."""
    windows, rows = 20, 3_000
    at = "timestamp_micros(IF(id < 1500, id % 20, 0) * {day} + id)"
    alone, together = (
        profiled(spark, columns=3, slices=0, windows=windows, is_packed=is_packed, at=at, rows=rows).collect()
        for is_packed in (False, True)
    )
    assert len(alone) == windows * (3 + 1)
    assert [row["count"] for row in together if row["start"] == 0] == [75 + 1_500] * 4
    assert sorted(map(repr, together)) == sorted(map(repr, alone))
