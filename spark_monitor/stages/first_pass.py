"""The first pass over a baseline's rows: sharp quantiles and frequent values, which become a grid or categories per column."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.kernel.checks import PARSES, matches
from spark_monitor.kernel.covariances import CovariancePlan
from spark_monitor.kernel.plan import BYTE_BUDGET, KernelColumn, KernelPlan, ProfilePlan, WindowKey, plan_segments
from spark_monitor.kernel.state_rows import State, by_column, states_at
from spark_monitor.quality.codes import MOST_CODES, are_codes
from spark_monitor.session import setting
from spark_monitor.sources.baseline import CODES, QUARTILES, FrozenColumn, unframed
from spark_monitor.sources.readers.rows import Kind, ReadColumn
from spark_monitor.sources.readers.spark import BATCH_SETTING, FREEZE_BATCH
from spark_monitor.stages.merge import profile
from spark_monitor.states.categorical import MAX_CATEGORIES, CategoricalState, Categories, freeze_categories
from spark_monitor.states.distinct import hash_numbers
from spark_monitor.states.frequent import CAPACITY
from spark_monitor.states.grid import INNER_EDGES, Grid, grid_from_quantiles
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.sketch import K_FREEZE, K

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


ALWAYS = WindowKey("baseline", -(1 << 62), 1 << 62)
CATEGORIES_COUNTED = 4096
RANGE_LOOKED_THROUGH = 1 << 20
"""In a range of so many integers rare ones are found by their hashes."""

NUMBER_TYPES = re.compile(r"tinyint|smallint|int|bigint|float|double|decimal\(\d+,0\)")
"""Types whose values can be integers, as Spark writes them: where one is missing, pandas makes doubles of integers."""

_FRAME_DDL = "column_name string, grid array<double>, categories array<string>, facts map<string, double>, error string"


def frozen_columns(
    rows: DataFrame, columns: Sequence[ReadColumn], slices: int, *, byte_budget: int = BYTE_BUDGET
) -> list[FrozenColumn]:
    """The first pass. What comes to the driver is bounded by the number of columns: one frame each."""
    first = [unframed(column) for column in columns]
    without_slices = rows.select(*(name for name in rows.columns if name not in {f"s{key}" for key in range(slices)}))
    plan = frame_plan(first, k=K_FREEZE, frequent_capacity=CATEGORIES_COUNTED, byte_budget=byte_budget)
    kernel = {column.name: column.kernel for column in first}

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield _frames(batch, kernel)

    states = profile(without_slices, plan).where(F.col("column_name") != TABLE_ROW)
    with setting(rows.sparkSession, BATCH_SETTING, str(FREEZE_BATCH)):
        frames = {row["column_name"]: row.asDict() for row in states.mapInArrow(run, _FRAME_DDL).collect()}
    return [_framed(column, frames.get(column.name)) for column in first]


def _framed(column: FrozenColumn, frame: Mapping[str, Any] | None) -> FrozenColumn:
    """The column with the grid or the categories found; without any where no value was seen or the column failed."""
    if frame is None or column.kind is Kind.UNSUPPORTED:
        return column
    grid, categories, facts = frame["grid"], frame["categories"], dict(frame["facts"] or {})
    if NUMBER_TYPES.fullmatch(column.data_type) is None:
        facts.pop(CODES, None)
    return FrozenColumn(
        column.name,
        column.data_type,
        column.kind,
        Grid(np.array(grid)) if grid is not None else column.grid,
        Categories(tuple(categories)) if categories is not None else column.categories,
        facts,
    )


def _frames(batch: pa.RecordBatch, kernel: Mapping[str, KernelColumn]) -> pa.RecordBatch:
    """Grids and categories of the columns whose states stand in a batch."""
    frames = []
    opened = [(name, rows, states_at(batch.take(pa.array(rows)), kernel[name])) for name, rows in by_column(batch)]
    errors = batch.column("error").to_pylist()
    for name, row, state in (
        (name, row, state) for name, rows, states in opened for row, state in zip(rows, states, strict=True)
    ):
        error = errors[row]
        facts = facts_of(state, name)
        grid = grid_of(state, every_value=CODES in facts).edges.tolist() if isinstance(state, NumericState) else None
        categories = list(categories_of(state).texts) if isinstance(state, CategoricalState) else None
        frames.append((name, grid, categories, list(facts.items()), error))
    types = (pa.string(), pa.list_(pa.float64()), pa.list_(pa.string()), pa.map_(pa.string(), pa.float64()), pa.string())
    columns = list(zip(*frames, strict=True)) or [()] * len(types)
    arrays = [pa.array(values, type=kind) for values, kind in zip(columns, types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=["column_name", "grid", "categories", "facts", "error"])


def grid_of(state: NumericState, *, every_value: bool = False) -> Grid:
    """The grid that a baseline's first pass gives: its quantiles at equal steps of mass, its frequent values, its ends.

    With ``every_value`` rare values are edges as well, so that the edges between its ends are the values that there are.

    >>> grid = grid_of(NumericState.empty(Grid.trivial()).update([1.0, 2.0, 2.0, 7.0]))
    >>> [edge for edge in grid.edges.tolist() if edge in (1.0, 2.0, 7.0)]
    [1.0, 2.0, 7.0]
    """
    if state.sketch is None or not state.finite:
        return Grid.trivial()
    ranks = np.arange(1, INNER_EDGES + 1) / (INNER_EDGES + 1)
    atoms = [value for value, count in state.frequent.counts.items() if count * 2 * (INNER_EDGES + 1) >= state.finite]
    if every_value:
        atoms = [float(value) for value in integers_of(state)]
    return grid_from_quantiles(state.sketch.quantiles(ranks), atoms, state.minimum, state.maximum)


def categories_of(state: CategoricalState) -> Categories:
    """The categories that a baseline's first pass gives: its most frequent strings."""
    return freeze_categories(list(state.frequent.counts.items()))


def facts_of(state: State | None, name: str = "") -> dict[str, float]:
    """What a baseline's first pass tells of the values of a column of this name, for what later windows are held against.

    >>> facts_of(NumericState.empty(Grid.trivial()).update([1.0, 7.0]))
    {'least': 1.0, 'greatest': 7.0, 'mean': 4.0, 'p25': 1.0, 'p50': 1.0, 'p75': 7.0, 'deviation': 3.0}
    """
    if isinstance(state, NumericState):
        return {**numeric_facts(state), **code_facts(state, name)} if state.finite else {}
    if not isinstance(state, CategoricalState) or not state.frequent.counts:
        return {}
    strings, rows = list(state.frequent.counts), np.array(list(state.frequent.counts.values()))
    parsed = matches(pa.array(strings, pa.string()), PARSES)
    complete = state.frequent.dropped == 0 and len(strings) <= MAX_CATEGORIES
    return {"complete": float(complete), "parsed": float(rows[parsed].sum() / rows.sum())}


def numeric_facts(state: NumericState) -> dict[str, float]:
    """Ends, mean, quartiles and deviation of a column's finite values; no deviation where its square is no double."""
    facts = {"least": state.minimum, "greatest": state.maximum, "mean": state.mean}
    if state.sketch is not None:
        facts |= zip(QUARTILES, map(float, state.sketch.quantiles(np.array([0.25, 0.5, 0.75]))), strict=True)
    deviation = math.sqrt(state.m2 / state.finite)
    return {**facts, "deviation": deviation} if math.isfinite(deviation) else facts


def code_facts(state: NumericState, name: str) -> dict[str, float]:
    """That a column's values are integers that are names, if all of them are known and are.

    >>> code_facts(NumericState.empty(Grid.trivial()).update([101.0, 102.0, 210.0, 305.0]), "shop")
    {'codes': 1.0}
    """
    return {CODES: 1.0} if are_codes(name, integers_of(state)) else {}


def integers_of(state: NumericState) -> list[int]:
    """The different values of a column of few integers, however rare; none where they are many, or not integers.

    Frequent values are kept by name; rare ones are those of their range whose hashes the state holds, which are all of so few.

    >>> state = NumericState.empty(Grid.trivial())
    >>> integers_of(state.update([7.0] * 9000 + [3.0])), integers_of(state.update([0.5]))
    ([3, 7], [])
    """
    if not 0 < state.distinct_count <= max(MOST_CODES):
        return []
    values = np.array(list(state.frequent.counts), dtype=np.float64)
    if values.size < state.distinct_count and state.maximum - state.minimum < RANGE_LOOKED_THROUGH:
        values = np.arange(math.ceil(state.minimum), state.maximum + 1)
        values = values[np.isin(hash_numbers(values), state.distinct.hashes)]
    whole = values.size == state.distinct_count and bool((values == np.round(values)).all())
    return sorted(int(value) for value in values) if whole else []


# A baseline is one window that holds every timestamp.


def frame_plan(
    frozen: Sequence[FrozenColumn],
    *,
    slice_keys: Sequence[str] = (),
    slice_values: tuple[frozenset[str] | None, ...] = (),
    k: int = K,
    frequent_capacity: int = CAPACITY,
    byte_budget: int = BYTE_BUDGET,
    covariance: CovariancePlan | None = None,
) -> ProfilePlan:
    """How a baseline's rows become states: one window that holds every timestamp."""
    edges, windows = plan_segments([ALWAYS])
    kernel = KernelPlan(
        columns=tuple(column.kernel for column in frozen),
        edges=edges,
        windows=windows,
        slice_keys=len(slice_keys),
        slice_values=slice_values,
        k=k,
        frequent_capacity=frequent_capacity,
        byte_budget=byte_budget,
        covariance=covariance,
    )
    types = tuple(column.data_type for column in frozen)
    return ProfilePlan(kernel, (ALWAYS,), tuple(slice_keys), types)
