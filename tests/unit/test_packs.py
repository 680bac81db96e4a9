"""Small states of all columns of a window as one row: the same merged rows as one row each, whatever comes with them."""

from __future__ import annotations

import dataclasses
import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_monitor.errors import StateError
from spark_monitor.kernel import packs
from spark_monitor.kernel.merging import merge_partials
from spark_monitor.kernel.native.library import library
from spark_monitor.kernel.packs import PACK_COLUMN, Pack, SmallStates, packed
from spark_monitor.kernel.partials import Task
from spark_monitor.kernel.plan import PACKED_FROM, KernelColumn, KernelPlan
from spark_monitor.states.categorical import Categories
from spark_monitor.states.columns import STATE_SCHEMA
from spark_monitor.states.grid import Grid
from spark_monitor.states.numeric_columns import numeric_block
from spark_monitor.states.sketch_image import exact_image, exact_words

ORDER = [(name, "ascending") for name in ("window", "model_version", "slice_key", "column", "slice_value", "part", "sequence")]
KEY = ("window", "model_version", "column")


def columns_of(random: np.random.Generator, rows: int) -> dict[str, pa.Array]:
    """Numbers of every kind: continuous, few, rounded, constant, missing, infinite, and a column that is no number at all."""
    plain = random.lognormal(size=rows)
    wild = random.choice([np.nan, np.inf, -np.inf, -0.0, 0.0, 5e-324, -1e308, 1.5], rows)
    return {
        "plain": pa.array(plain),
        "missing": pa.array(random.normal(size=rows), mask=random.random(rows) < 0.6),
        "wild": pa.array(wild),
        "constant": pa.array(np.full(rows, 7.25)),
        "nothing": pa.nulls(rows, pa.float64()),
        "whole": pa.array(random.integers(-5, 5, rows)),
        "flag": pa.array(random.random(rows) < 0.3),
        "list": pa.array([[1.0]] * rows),
    }


def table(seed: int, sizes: list[int]) -> pa.Table:
    """Rows of windows of these sizes, of two versions and none."""
    random = np.random.default_rng(seed)
    rows = sum(sizes)
    at = pa.array(np.repeat(np.arange(len(sizes)), sizes), pa.timestamp("us", tz="UTC"))
    version = pa.array(random.choice(["1", "2", None], rows, p=[0.6, 0.3, 0.1]).tolist(), pa.string())
    return pa.table({"at": at, "id": pa.array(np.zeros(rows, dtype=bool)), "version": version, **columns_of(random, rows)})


def plan_of(rows: pa.Table, windows: int, **options: Any) -> KernelPlan:
    """Windows of one microsecond, the first ten of them a coarser one as well."""
    grid = Grid.of(np.quantile(np.random.default_rng(0).lognormal(size=4_000), np.linspace(0.01, 0.99, 50)))
    columns = tuple(KernelColumn(name, grid) for name in rows.column_names[3:])
    members = tuple((number, windows) if number < 10 else (number,) for number in range(windows))
    return KernelPlan(columns, tuple(range(windows + 1)), members, **options)


def partials_of(rows: pa.Table, plan: KernelPlan, order: list[np.ndarray]) -> pa.Table:
    """What tasks hand over, each of which reads rows of its own."""
    parts = [batch for part, mine in enumerate(order) for batch in Task(plan, part).run(rows.take(mine).to_batches())]
    return pa.Table.from_batches(parts).sort_by(ORDER)


def merged(partials: pa.Table, plan: KernelPlan) -> pa.Table:
    """The rows that are stored, in the order of their keys."""
    found = pa.Table.from_batches(list(merge_partials(partials.to_batches(max_chunksize=7), plan.columns)))
    return found.sort_by([(name, "ascending") for name in KEY])


def same(one: pa.Table, other: pa.Table) -> bool:
    """Equal to the last bit, NaN being equal to NaN."""
    return repr(one.to_pylist()) == repr(other.to_pylist())


def tasks_of(seed: int, rows: int, kind: str) -> list[np.ndarray]:
    """The rows of each of three tasks: one after the other, or scattered over all windows."""
    random = np.random.default_rng(seed)
    every = np.arange(rows)
    return (
        np.array_split(every, 3)
        if kind == "in order"
        else [np.sort(part) for part in np.array_split(random.permutation(every), 3)]
    )


@pytest.fixture(autouse=True)
def compiled() -> None:
    if library() is None:
        pytest.skip("the compiled kernel is not there; the numpy kernel makes a state of every window")


@pytest.mark.parametrize("kind", ["in order", "scattered"])
@pytest.mark.parametrize("budget", [1 << 29, 1 << 16])
@pytest.mark.parametrize("seed", [1, 2])
def test_packed_states_give_the_rows_of_single_ones(kind: str, budget: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    sizes = [*random.integers(0, 60, 30).tolist(), 0, 1, 2, 3_500, 1_024, 1_025]
    rows = table(seed, sizes)
    plan = plan_of(rows, len(sizes), byte_budget=budget)
    together = dataclasses.replace(plan, is_packed=True)
    order = tasks_of(seed, rows.num_rows, kind)
    alone, in_packs = partials_of(rows, plan, order), partials_of(rows, together, order)

    found = merged(in_packs, together)

    assert PACK_COLUMN in in_packs["column"].to_pylist()
    assert in_packs.num_rows < alone.num_rows  # of few bytes a task may hold, columns are handed over one by one
    assert same(found, merged(alone, plan))


def test_the_stored_rows_are_what_numpy_counts() -> None:
    sizes = [40, 0, 200, 5, 1, 900]
    rows = table(3, sizes)
    plan = plan_of(rows, len(sizes), is_packed=True)
    found = merged(partials_of(rows, plan, [np.arange(rows.num_rows)]), plan)
    names, checked = rows.column_names[3:], 0
    for row in found.to_pylist():
        if row["column"] < 0 or row["window"] >= len(sizes) or names[row["column"]] == "list":
            continue
        chosen = np.repeat(np.arange(len(sizes)), sizes) == row["window"]
        chosen &= np.array([version == row["model_version"] for version in rows["version"].to_pylist()])
        values = rows[names[row["column"]]].filter(pa.array(chosen))
        numbers = np.array([np.nan if value is None else float(value) for value in values.to_pylist()])
        finite = np.sort(numbers[np.isfinite(numbers)])
        assert row["count"] == chosen.sum()
        assert row["num_nulls"] == values.null_count
        assert row["num_positive_inf"] == (numbers == np.inf).sum()
        assert (row["min"], row["max"]) == ((finite[0], finite[-1]) if finite.size else (None, None))
        [block] = [numeric_block(pa.RecordBatch.from_pylist([row], STATE_SCHEMA), plan.columns[0].grid or Grid.of([1.0]))]
        sketch = block.sketch(0)
        assert sketch is not None
        if finite.size:
            # The smallest value of which so large a share is not above it.
            ranks = np.array([0.0, 0.5, 1.0])
            wanted = np.quantile(finite, ranks, method="inverted_cdf")
            assert [float(block.quantile(rank)[0]) for rank in ranks] == wanted.tolist()
        checked += 1
    assert checked > 60


def test_damaged_packs_put_their_window_in_error_and_no_other() -> None:
    sizes = [30] * 12
    rows = table(4, sizes)
    plan = plan_of(rows, len(sizes), is_packed=True)
    partials = partials_of(rows, plan, [np.arange(rows.num_rows)])
    listed = partials.to_pylist()
    [place] = [
        number
        for number, row in enumerate(listed)
        if (row["window"], row["model_version"], row["column"]) == (11, "1", PACK_COLUMN)
    ]
    listed[place]["state"] = listed[place]["state"][:-1] + bytes([listed[place]["state"][-1] ^ 1])
    sound, found = (
        {tuple(row[name] for name in KEY): row for row in merged(one, plan).to_pylist()}
        for one in (partials, pa.Table.from_pylist(listed, partials.schema))
    )
    assert found.keys() == sound.keys()
    for key, row in found.items():
        if key[:2] == (11, "1") and key[2] >= 0:
            assert row["count"] is None
            assert "small states: damaged" in row["error"]
        else:
            assert repr(row) == repr(sound[key])


def test_a_column_that_failed_in_one_task_is_in_error_whatever_another_packed() -> None:
    sizes = [30] * 4
    rows = table(5, sizes)
    plan = plan_of(rows, len(sizes), is_packed=True)
    wrong = rows.set_column(3, "plain", pa.array([[1.0]] * rows.num_rows))
    parts = [*Task(plan, 0).run(rows.to_batches()), *Task(plan, 1).run(wrong.to_batches())]
    found = merged(pa.Table.from_batches(parts).sort_by(ORDER), plan).to_pylist()
    failed = [row for row in found if row["column"] == 0]
    assert failed
    assert all(row["count"] is None and row["error"] for row in failed)
    assert all(row["count"] for row in found if row["column"] == 1)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(1, 4), st.integers(8, 60), st.randoms())
def test_every_state_is_in_one_pack_of_its_group_in_the_order_of_the_columns(
    sizes: list[int], groups: int, most: int, random: Any
) -> None:
    kept, packs.MOST_WORDS = packs.MOST_WORDS, most
    try:
        numbers = np.random.default_rng(random.randrange(1 << 30))
        values = [np.sort(numbers.normal(size=size)) for size in sizes]
        ends = np.array([[part[0] if part.size else np.nan, part[-1] if part.size else np.nan] for part in values]).T
        moments = np.vstack([ends, np.zeros((3, len(sizes)))])
        counts = np.vstack([[part.size for part in values], np.zeros((4, len(sizes)))]).astype(np.int64)
        states = SmallStates(numbers.integers(0, groups, len(sizes)), np.arange(len(sizes)), counts, moments, values)
        found = [(group, Pack.from_bytes(pack.to_bytes())) for group, pack in packed(states, 1024)]
    finally:
        packs.MOST_WORDS = kept
    seen = [(group, column) for group, pack in found for column in pack.columns.tolist()]
    assert seen == sorted((group, column) for column, group in enumerate(states.groups.tolist()))
    for _, pack in found:
        assert pack.words.size <= most or pack.columns.size == 1
        for place, column in enumerate(pack.columns.tolist()):
            image = pack.words[pack.bounds[place] : pack.bounds[place + 1]].tobytes()
            assert image == exact_image(1024, values[column].tobytes())
            assert pack.counts[:, place].tolist() == counts[:, column].tolist()


@given(st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=6), max_size=6))
def test_images_in_words_are_those_of_one(lists: list[list[float]]) -> None:
    values = [np.sort(np.array(one, dtype=np.float64)) for one in lists]
    ends = np.array([[part[0], part[-1]] if part.size else [0.0, 0.0] for part in values]).reshape(-1, 2).T
    bounds, words = exact_words(1024, np.array([part.size for part in values], dtype=np.int64), ends, values)
    for place, part in enumerate(values):
        image = words[bounds[place] : bounds[place + 1]].tobytes()
        assert image == exact_image(1024, struct.pack(f"<{part.size}d", *part.tolist()))


@given(st.data())
def test_changed_bytes_are_refused(data: st.DataObject) -> None:
    columns = np.array([0, 3])
    bounds, words = exact_words(1024, np.array([2, 0]), np.array([[1.0, 0.0], [2.0, 0.0]]), [np.array([1.0, 2.0]), np.array([])])
    whole = Pack(columns, np.ones((5, 2), dtype=np.int64), np.zeros((5, 2)), bounds, words).to_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[place] ^= data.draw(st.integers(1, 255))
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    for one in (bytes(changed), cut, whole + b"\0"):
        with pytest.raises(StateError, match="small states"):
            Pack.from_bytes(one)


def test_states_of_a_column_that_has_none_are_an_error_not_a_state() -> None:
    rows = table(6, [20])
    plan = plan_of(rows, 1, is_packed=True)
    partials = partials_of(rows, plan, [np.arange(20)])
    texts = (KernelColumn("plain", categories=Categories(("a",))), *plan.columns[1:])
    found = merged(partials, dataclasses.replace(plan, columns=texts)).to_pylist()
    assert all(row["count"] is None for row in found if row["column"] >= 0)
    assert any("of columns that have none" in (row["error"] or "") for row in found)


@pytest.mark.parametrize(("windows", "is_packed"), [(PACKED_FROM - 1, False), (PACKED_FROM, True)])
def test_a_plan_of_many_windows_packs_what_it_is_derived_from_too(windows: int, is_packed: bool) -> None:
    plan = KernelPlan((), tuple(range(windows + 1)), tuple((number,) for number in range(windows)))
    assert plan.is_packed is is_packed
    assert dataclasses.replace(plan, windows=(), edges=()).is_packed is is_packed
