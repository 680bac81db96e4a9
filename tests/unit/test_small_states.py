"""States of few rows travel as totals and values alone, and are the states that their rows give, to the last bit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_monitor.errors import StateError
from spark_monitor.kernel.merging import merge_partials
from spark_monitor.kernel.partials import Task
from spark_monitor.kernel.plan import KernelColumn, KernelPlan
from spark_monitor.kernel.state_rows import opened
from spark_monitor.states.columns import STATE_SCHEMA
from spark_monitor.states.frequent import frequent_of_sorted
from spark_monitor.states.grid import Grid
from spark_monitor.states.numeric import NumericState, profile_column
from spark_monitor.states.numeric_block import DAMAGED, NumericBlock
from spark_monitor.states.numeric_columns import numeric_block, numeric_columns
from spark_monitor.states.small import Parts, small_block, small_columns, small_parts

GRID = Grid.of([-2.0, -1.0, 0.5, 1.0, 3.0, 1e300])
HOSTILE = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 3.0, np.nan, np.inf, -np.inf, 5e-324, -5e-324, 1e300, -1e308, 2.0**53])
VALUES = st.lists(HOSTILE | st.floats(allow_subnormal=True), max_size=60)
STATES = st.lists(st.tuples(VALUES, st.integers(0, 5), st.integers(1, 20)), min_size=1, max_size=6)


def small(state: NumericState) -> Parts:
    parts = small_parts(state)
    assert parts is not None
    return parts


def same(one: NumericBlock, other: NumericBlock) -> bool:
    """To the last bit, in all that a state is made of."""
    names = (
        "counts",
        "moments",
        "cell_offsets",
        "cells",
        "cell_counts",
        "frequent_offsets",
        "frequent_values",
        "frequent_counts",
    )
    arrays = [(getattr(one, name), getattr(other, name)) for name in (*names, "dropped")]
    arrays += [(getattr(one.distinct, name), getattr(other.distinct, name)) for name in ("k", "theta", "offsets", "hashes")]
    images = stored(one).column("sketch").equals(stored(other).column("sketch"))
    return images and all(np.array_equal(here, there, equal_nan=here.dtype.kind == "f") for here, there in arrays)


def stored(block: NumericBlock) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(numeric_columns(block), schema=STATE_SCHEMA)


@given(STATES)
def test_many_small_states_are_stored_as_the_states_of_their_rows(given_states: list[tuple[list[float], int, int]]) -> None:
    with np.errstate(over="ignore"):
        states = [profile_column(np.tile(values, times), GRID, nulls=nulls) for values, nulls, times in given_states]
    kept = [state for state in states if small_parts(state) is not None]
    assert len(kept) == sum(state.finite <= 1024 for state in states)
    if kept:
        parts = [small(state) for state in kept]
        assert same(small_block(parts, GRID), NumericBlock.of(kept))
        assert pa.RecordBatch.from_arrays(small_columns(parts, GRID), schema=STATE_SCHEMA).equals(stored(NumericBlock.of(kept)))


@given(VALUES, VALUES)
def test_frequent_values_of_small_parts_do_not_depend_on_how_they_came_together(first: list[float], second: list[float]) -> None:
    with np.errstate(over="ignore"):
        both = profile_column(np.tile(first, 6), GRID).merge(profile_column(np.tile(second, 7), GRID))
    finite = np.sort([value for value in [*first * 6, *second * 7] if np.isfinite(value)])
    if both.finite <= 1024:
        assert both.frequent == frequent_of_sorted(finite)
        assert same(small_block([small(both)], GRID), NumericBlock.of([both]))


@given(STATES, st.lists(st.sampled_from(["small", "large", "slice"]), min_size=1, max_size=6))
def test_small_states_are_stored_without_what_follows_from_their_sketch_and_read_with_it(
    given_states: list[tuple[list[float], int, int]], kinds: list[str]
) -> None:
    with np.errstate(over="ignore"):
        states = [profile_column(np.tile(values, times), GRID, nulls=nulls) for values, nulls, times in given_states]
    large = profile_column(np.random.default_rng(len(kinds)).normal(size=3000).round(1), GRID)
    for place, kind in enumerate(kinds):
        states.insert(2 * place, {"small": profile_column([1.0, np.nan], GRID), "large": large, "slice": large.as_slice()}[kind])
    block = NumericBlock.of(states)
    rows = stored(block)
    is_small = [state.sketch is not None and state.finite <= 1024 for state in states]
    assert rows.column("cells").is_null().to_pylist() == is_small
    assert rows.column("distinct_hashes").is_null().to_pylist() == is_small
    assert rows.column("frequent_values").is_null().to_pylist() == is_small
    assert same(numeric_block(rows, GRID), block)


@pytest.mark.parametrize("change", ["shorter", "order", "count", "least", "none", "infinite", "random"])
def test_one_damaged_stored_small_state_costs_no_other(change: str) -> None:
    values = [1.0, 2.0, 4.0]
    rows = stored(NumericBlock.of([profile_column([5.0], GRID), profile_column(values, GRID), profile_column([7.0, 7.0], GRID)]))
    table = rows.to_pylist()
    image = table[1]["sketch"]
    table[1]["sketch"] = {
        "shorter": image[:-8],
        "order": image[:-24] + image[-8:] + image[-16:-8] + image[-24:-16],
        "none": None,
        "infinite": image[:-16] + np.array([np.nan]).tobytes() + image[-8:],
        "random": bytes(range(64)),
    }.get(change, image)
    table[1]["count"] += change == "count"
    table[1]["min"] -= change == "least"
    batch = pa.RecordBatch.from_pylist(
        [{**row, "grid_id": GRID.grid_id, "error": None} for row in table],
        schema=pa.schema([*STATE_SCHEMA, ("grid_id", pa.string()), ("error", pa.string())]),
    )
    found = opened(batch, KernelColumn("x", GRID))
    assert found.errors == [None, DAMAGED, None]
    assert found.places.tolist() == [0, -1, 1]
    assert found.block is not None
    assert same(found.block, NumericBlock.of([profile_column([5.0], GRID), profile_column([7.0, 7.0], GRID)]))


def test_of_more_values_than_a_sketch_holds_and_of_slices_there_is_no_small_state() -> None:
    assert small_parts(profile_column(np.arange(1025.0), GRID)) is None
    assert small_parts(profile_column(np.arange(10.0), GRID).as_slice()) is None


@pytest.mark.parametrize("place", [0, 8, 9, 13, 40, 80, 108])
def test_a_changed_byte_is_found(place: int) -> None:
    head, image = small(profile_column([1.0, 2.0, 2.0], GRID))
    changed = bytearray(head)
    changed[place] ^= 1
    if place < 9:
        return  # another kind of bytes, which is asked before
    with pytest.raises(StateError, match="damaged"):
        small_block([(bytes(changed), image)], GRID)


@pytest.mark.parametrize("which", ["grid", "order", "least", "many", "sketch"])
def test_what_cannot_be_is_refused(which: str) -> None:
    state = profile_column([1.0, 2.0, 3.0], GRID)
    assert state.sketch is not None
    levels = (np.array([3.0, 2.0, 1.0]),)
    wrong = {
        "grid": dataclasses.replace(state, grid=Grid.of([7.0])),
        "order": dataclasses.replace(state, sketch=dataclasses.replace(state.sketch, levels=levels)),
        "least": dataclasses.replace(state, minimum=0.5),
        "many": dataclasses.replace(state, count=2**62),
        "sketch": dataclasses.replace(state, nulls=4),
    }
    with pytest.raises(StateError, match="small state"):
        small_block([small(wrong[which])], GRID)


def test_one_damaged_small_state_costs_no_other(  # as does any damaged partial
) -> None:
    random = np.random.default_rng(5)
    rows, hours = 600, 4
    grids = [Grid.of(random.normal(size=40)), GRID]
    plan = KernelPlan(
        tuple(KernelColumn(f"x{place}", grid) for place, grid in enumerate(grids)),
        tuple(range(hours + 1)),
        tuple((hour,) for hour in range(hours)),
    )
    values = [random.normal(size=rows), np.round(random.normal(size=rows))]
    at = np.repeat(np.arange(hours), rows // hours)
    arrays = [pa.array(at, pa.timestamp("us", tz="UTC")), pa.array(np.zeros(rows, dtype=bool)), pa.array(["1"] * rows)]
    batch = pa.RecordBatch.from_arrays([*arrays, *map(pa.array, values)], names=["at", "id", "version", "x0", "x1"])
    order = [(name, "ascending") for name in ("window", "model_version", "slice_key", "column", "part", "sequence")]
    partials = pa.Table.from_batches(list(Task(plan, 0).run([batch]))).sort_by(order)
    rows_of = partials.to_pylist()
    place = next(number for number, row in enumerate(rows_of) if row["column"] == 1 and row["window"] == 2)
    rows_of[place]["sketch"] = rows_of[place]["sketch"][:-8]
    damaged = pa.Table.from_pylist(rows_of, partials.schema)
    sound, found = (
        {
            (row["window"], row["column"]): row
            for batch in merge_partials(table.to_batches(), plan.columns)
            for row in batch.to_pylist()
        }
        for table in (partials, damaged)
    )
    assert found[2, 1]["count"] is None
    assert "small state: damaged" in found[2, 1]["error"]
    assert {key: row for key, row in found.items() if key != (2, 1)} == {key: row for key, row in sound.items() if key != (2, 1)}
    expected = NumericBlock.of([profile_column(values[0][at == 3], grids[0])])
    row = pa.RecordBatch.from_pylist([sound[3, 0]], schema=STATE_SCHEMA)
    merged = numeric_block(row, grids[0])
    # The last bits of moments may differ between the two kernels.
    np.testing.assert_allclose(merged.moments, expected.moments, rtol=1e-12, atol=1e-15)
    assert same(dataclasses.replace(merged, moments=expected.moments), expected)
