"""From the baseline's rows to what later windows are measured against: a grid or categories per column, and states on them.

Two passes: sharp quantiles first (k = 8192), which give the grids, then exact counts on these grids, whole and per slice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.kernel.merging import state_of
from spark_monitor.kernel.partials import BYTE_BUDGET, KernelColumn, KernelPlan
from spark_monitor.profile import (
    BATCH_SETTING,
    FREEZE_BATCH,
    MAX_SLICE_VALUES,
    TABLE_ROW,
    ProfilePlan,
    WindowKey,
    capped_slice_values,
    plan_segments,
    profile,
)
from spark_monitor.read import Kind, ReadColumn
from spark_monitor.session import setting
from spark_monitor.states.categorical import CategoricalState, Categories, freeze_categories
from spark_monitor.states.grid import INNER_EDGES, Grid, grid_from_quantiles
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.sketch import K_FREEZE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# A baseline is one window that holds every instant.
ALWAYS = WindowKey("baseline", -(1 << 62), 1 << 62)
CATEGORIES_COUNTED = 4096
_FRAME_DDL = "column_name string, grid array<double>, categories array<string>, error string"


@dataclass(frozen=True)
class FrozenColumn:
    """One column of a baseline: its type then, and the grid or the categories that its states are counted on."""

    name: str
    data_type: str
    kind: Kind
    grid: Grid | None = None
    categories: Categories | None = None

    @property
    def kernel(self) -> KernelColumn:
        """What a task must know of it."""
        return KernelColumn(self.name, self.grid, self.categories)


def unframed(column: ReadColumn) -> FrozenColumn:
    """A column that has no baseline: a grid of zero alone, or no categories."""
    numeric = column.kind in (Kind.NUMERIC, Kind.SIZE)
    grid = Grid.trivial() if numeric else None
    categories = Categories() if column.kind is Kind.CATEGORICAL else None
    return FrozenColumn(column.name, column.data_type, column.kind, grid, categories)


def freeze(
    rows: DataFrame,
    columns: Sequence[ReadColumn],
    slice_keys: Sequence[str],
    *,
    max_slice_values: int = MAX_SLICE_VALUES,
    byte_budget: int = BYTE_BUDGET,
) -> tuple[list[FrozenColumn], DataFrame]:
    """The frozen columns and the baseline's states on them; ``rows`` as ``read.rows_for_profile`` made them."""
    frozen = frozen_columns(rows, columns, len(slice_keys), byte_budget=byte_budget)
    kept = capped_slice_values(rows, len(slice_keys), max_slice_values)
    return frozen, profile(rows, _plan(frozen, slice_keys=slice_keys, slice_values=kept, byte_budget=byte_budget))


def frozen_columns(
    rows: DataFrame, columns: Sequence[ReadColumn], slices: int, *, byte_budget: int = BYTE_BUDGET
) -> list[FrozenColumn]:
    """The first pass. What comes to the driver is bounded by the number of columns: one frame each."""
    first = [unframed(column) for column in columns]
    without_slices = rows.select(*(name for name in rows.columns if name not in {f"s{key}" for key in range(slices)}))
    plan = _plan(first, k=K_FREEZE, frequent_capacity=CATEGORIES_COUNTED, byte_budget=byte_budget)
    kernel = {column.name: column.kernel for column in first}

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield _frames(batch, kernel)

    states = profile(without_slices, plan).where(F.col("column_name") != TABLE_ROW)
    with setting(rows.sparkSession, BATCH_SETTING, str(FREEZE_BATCH)):
        frames = {row["column_name"]: row.asDict() for row in states.mapInArrow(run, _FRAME_DDL).collect()}
    return [_framed(column, frames.get(column.name)) for column in first]


def _plan(
    frozen: Sequence[FrozenColumn],
    *,
    slice_keys: Sequence[str] = (),
    slice_values: tuple[frozenset[str] | None, ...] = (),
    **precision: int,
) -> ProfilePlan:
    edges, windows = plan_segments([ALWAYS])
    kernel = KernelPlan(
        columns=tuple(column.kernel for column in frozen),
        edges=edges,
        windows=windows,
        slice_keys=len(slice_keys),
        slice_values=slice_values,
        **precision,
    )
    types = tuple(column.data_type for column in frozen)
    return ProfilePlan(kernel, (ALWAYS,), tuple(slice_keys), types)


def _framed(column: FrozenColumn, frame: Mapping[str, Any] | None) -> FrozenColumn:
    """The column with the grid or the categories found; without any where no value was seen or the column failed."""
    if frame is None or column.kind is Kind.UNSUPPORTED:
        return column
    grid, categories = frame["grid"], frame["categories"]
    return FrozenColumn(
        column.name,
        column.data_type,
        column.kind,
        Grid(np.array(grid)) if grid is not None else column.grid,
        Categories(tuple(categories)) if categories is not None else column.categories,
    )


def _frames(batch: pa.RecordBatch, kernel: Mapping[str, KernelColumn]) -> pa.RecordBatch:
    """Grids and categories of the columns whose states stand in a batch."""
    found = []
    names, states, sketches, errors = (batch.column(name).to_pylist() for name in ("column_name", "state", "sketch", "error"))
    for name, data, sketch, error in zip(names, states, sketches, errors, strict=True):
        state = state_of(data, sketch, kernel[name]) if data is not None else None
        grid = grid_of(state).edges.tolist() if isinstance(state, NumericState) else None
        texts = list(categories_of(state).texts) if isinstance(state, CategoricalState) else None
        found.append((name, grid, texts, error))
    types = (pa.string(), pa.list_(pa.float64()), pa.list_(pa.string()), pa.string())
    columns = list(zip(*found, strict=True)) or [()] * len(types)
    arrays = [pa.array(values, type=kind) for values, kind in zip(columns, types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=["column_name", "grid", "categories", "error"])


def grid_of(state: NumericState) -> Grid:
    """The grid that a baseline's first pass gives: its quantiles at equal steps of mass, its frequent values, its ends.

    >>> grid = grid_of(NumericState.empty(Grid.trivial()).update([1.0, 2.0, 2.0, 7.0]))
    >>> [edge for edge in grid.edges.tolist() if edge in (1.0, 2.0, 7.0)]
    [1.0, 2.0, 7.0]
    """
    if state.sketch is None or not state.finite:
        return Grid.trivial()
    ranks = np.arange(1, INNER_EDGES + 1) / (INNER_EDGES + 1)
    atoms = [value for value, count in state.frequent.counts.items() if count * 2 * (INNER_EDGES + 1) >= state.finite]
    return grid_from_quantiles(state.sketch.quantiles(ranks), atoms, state.minimum, state.maximum)


def categories_of(state: CategoricalState) -> Categories:
    """The categories that a baseline's first pass gives: its most frequent texts."""
    return freeze_categories(list(state.frequent.counts.items()))
