"""A task's partial states, merged, against pandas on the same rows: every window, version, slice and column."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spark_monitor.errors import StateError
from spark_monitor.kernel import partial_rows as written_rows
from spark_monitor.kernel import partials, spans
from spark_monitor.kernel.blocks import KeyedRows, Part, SliceBlock, add_part
from spark_monitor.kernel.cells import SliceCells
from spark_monitor.kernel.groups import Codes, Segments, numbers_of
from spark_monitor.kernel.hashes import SliceHashes
from spark_monitor.kernel.merged_rows import MERGED_SCHEMA
from spark_monitor.kernel.merging import merge_partials, state_of
from spark_monitor.kernel.named_blocks import NamedBlock, failed
from spark_monitor.kernel.partial_rows import PARTIAL_SCHEMA, content_of
from spark_monitor.kernel.partials import NO_WINDOW, OTHER, TABLE_COLUMN, Task
from spark_monitor.kernel.plan import KernelColumn, KernelPlan
from spark_monitor.kernel.state_rows import states_at
from spark_monitor.kernel.tables import WHOLE
from spark_monitor.kernel.times import timestamps
from spark_monitor.states.categorical import CategoricalState, Categories
from spark_monitor.states.distinct import K_SLICE, K_WINDOW, Distinct, hash_numbers
from spark_monitor.states.grid import Grid, grid_from_quantiles
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.table import TableState

HOUR = 3_600_000_000
EDGES = (0, 10 * HOUR, 20 * HOUR, 30 * HOUR, 40 * HOUR)
# Windows 0 to 2 are short ones, 3 is a coarser one over the first two; no window is due in the last segment.
WINDOWS = ((0, 3), (1, 3), (2,), ())
MEMBERS = {0: (0, 10), 1: (10, 20), 2: (20, 30), 3: (0, 20)}
UTC = datetime.UTC

Key = tuple[int, str | None, int, str | None, int]


@dataclass
class Found:
    """What a kernel gave for a key."""

    state: NumericState | CategoricalState | TableState | None
    error: str | None


@dataclass
class Case:
    """A table as the kernel reads it, and the plan."""

    table: pa.Table
    columns: tuple[KernelColumn, ...]
    slice_keys: int = 3
    slice_values: tuple[frozenset[str] | None, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    _doubles: dict[int, np.ndarray] = field(default_factory=dict)

    @cached_property
    def values(self) -> list[list[Any]]:
        """Every column as Python values."""
        return [self.table[column.name].to_pylist() for column in self.columns]

    def nulls(self, position: int) -> np.ndarray:
        """Where a column is null."""
        return np.array([value is None for value in self.values[position]], dtype=bool)

    def doubles(self, position: int) -> np.ndarray:
        """A column as doubles, nulls as 0, worked out once and without the kernel."""
        if position not in self._doubles:
            values = self.values[position]
            self._doubles[position] = np.array([0.0 if value is None else as_double(value) for value in values])
        return self._doubles[position]

    @property
    def plan(self) -> KernelPlan:
        return KernelPlan(
            columns=self.columns,
            edges=EDGES,
            windows=WINDOWS,
            slice_keys=self.slice_keys,
            slice_values=self.slice_values or (None,) * self.slice_keys,
            **self.options,
        )


def numbers(random: np.random.Generator, rows: int) -> dict[str, list[Any]]:
    """Columns of every kind that a prediction table holds, with nulls, NaN and the infinities."""
    gamma = random.gamma(2.0, 2.0, rows)
    gamma[random.random(rows) < 0.1] = np.nan
    gamma[random.random(rows) < 0.05] = np.inf
    gamma[random.random(rows) < 0.05] = -np.inf
    offset = 1e9 + 1e-3 * random.normal(size=rows)
    few = random.choice([-2.0, -0.0, 0.0, 0.5, 0.1, 7.0], rows)
    wild = random.normal(size=rows) * 10.0 ** random.integers(-200, 100, rows)
    whole = random.integers(-(2**62), 2**62, rows)
    days = [datetime.date(1969, 12, 1) + datetime.timedelta(int(day)) for day in random.integers(0, 90, rows)]
    times = [datetime.datetime(1970, 1, 1, tzinfo=UTC) + datetime.timedelta(microseconds=int(m)) for m in whole >> 12]
    money = [decimal.Decimal(int(cents)).scaleb(-2) for cents in random.integers(-500, 500, rows)]
    columns: dict[str, list[Any]] = {
        "gamma": gamma.tolist(),
        "offset": offset.tolist(),
        "few": few.tolist(),
        "wild": wild.tolist(),
        "whole": whole.tolist(),
        "flag": (random.random(rows) < 0.3).tolist(),
        "day": days,
        "timestamp": times,
        "money": money,
        "constant": [0.1] * rows,
        "nothing": [None] * rows,
        "nan": [float("nan")] * rows,
    }
    return {name: with_nulls(random, values) for name, values in columns.items()}


TYPES = {
    "gamma": pa.float64(),
    "offset": pa.float64(),
    "few": pa.float64(),
    "wild": pa.float64(),
    "whole": pa.int64(),
    "flag": pa.bool_(),
    "day": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "money": pa.decimal128(10, 2),
    "constant": pa.float64(),
    "nothing": pa.float64(),
    "nan": pa.float64(),
}


def with_nulls(random: np.random.Generator, values: list[Any], share: float = 0.15) -> list[Any]:
    """The values, some of them missing."""
    return [None if missing else value for value, missing in zip(values, random.random(len(values)) < share, strict=True)]


def as_double(value: Any) -> float:
    """A value as the kernel counts it, worked out without the kernel."""
    if isinstance(value, datetime.datetime):
        return (value - datetime.datetime(1970, 1, 1, tzinfo=UTC)) // datetime.timedelta(microseconds=1) / 1e6
    if isinstance(value, datetime.date):
        return (value - datetime.date(1970, 1, 1)).days * 86400.0
    return float(value)


def random_case(seed: int, rows: int, *, clustered: bool = False, trivial: bool = False) -> Case:
    """A random table: times inside and outside the windows, two versions and NULL, slices with NULL values."""
    random = np.random.default_rng(seed)
    columns = numbers(random, rows)
    columns["text"] = with_nulls(random, random.choice(["", "a", "b", "éé", "日本語", "x" * 300, "rare"], rows).tolist())
    columns["bytes"] = with_nulls(random, [bytes([b, 255]) for b in random.integers(0, 9, rows).tolist()])
    columns["unread"] = with_nulls(random, [1.0] * rows)
    micros = random.integers(-5 * HOUR, 45 * HOUR, rows)
    micros[: rows // 50] = random.choice(EDGES, rows // 50)
    micros = np.sort(micros) if clustered else random.permutation(micros)
    kinds = {**TYPES, "text": pa.string(), "bytes": pa.binary(), "unread": pa.float64()}
    table = pa.table(
        {
            "time": pa.array(with_nulls(random, micros.tolist(), 0.02), pa.int64()),
            "null_id": pa.array((random.random(rows) < 0.03).tolist(), pa.bool_()),
            "version": pa.array(with_nulls(random, random.choice(["1", "2"], rows).tolist()), pa.string()),
            "s0": pa.array(with_nulls(random, random.choice(["x", "y", "NULL"], rows).tolist()), pa.string()),
            "s1": pa.array(random.choice([f"v{i}" for i in range(8)], rows).tolist(), pa.string()),
            "s2": pa.array(with_nulls(random, random.choice(["true", "false"], rows).tolist()), pa.string()),
            **{name: pa.array(values, kinds[name]) for name, values in columns.items()},
        }
    )
    return Case(table, tuple(kernel_column(name, columns[name], trivial=trivial) for name in columns))


def kernel_column(name: str, values: list[Any], *, trivial: bool) -> KernelColumn:
    """Frozen from half of the values, so that new ones are met too."""
    if name == "unread":
        return KernelColumn(name)
    if name in ("text", "bytes"):
        return KernelColumn(name, categories=Categories(("a", "", "éé", "00ff", "03ff", "never")))
    finite = np.array([as_double(value) for value in values[::2] if value is not None] + [1.0])
    finite = np.sort(finite[np.isfinite(finite)])
    ranks = np.linspace(0.01, 0.99, 60)
    quantiles = np.quantile(finite, ranks, method="inverted_cdf")
    return KernelColumn(name, grid=Grid.trivial() if trivial else grid_from_quantiles(quantiles, [], finite[0], finite[-1]))


def run(case: Case, *, tasks: int = 1, batch: int = 4096) -> dict[Key, Found]:
    """The merged states, by way of the bytes that tasks hand over, in the order in which Spark sorts them."""
    return {key: read(row, case) for key, row in merged_rows(partial_rows(case, tasks=tasks, batch=batch), case).items()}


def partial_rows(case: Case, *, tasks: int = 1, batch: int = 4096) -> list[dict[str, Any]]:
    """What tasks hand over."""
    rows: list[dict[str, Any]] = []
    size = -(-case.table.num_rows // tasks)
    for part in range(tasks):
        batches = case.table.slice(part * size, size).combine_chunks().to_batches(max_chunksize=batch)
        for found in Task(case.plan, part).run(batches):
            assert found.schema == PARTIAL_SCHEMA
            rows += found.to_pylist()
    return rows


def merged_rows(partials: list[dict[str, Any]], case: Case) -> dict[Key, dict[str, Any]]:
    """The rows that are stored, by their key."""
    names = ("window", "model_version", "slice_key", "column", "slice_value", "part", "sequence")
    ordered = sorted(partials, key=lambda row: tuple((row[name] is not None, row[name]) for name in names))
    merged: dict[Key, dict[str, Any]] = {}
    for found in merge_partials(in_batches(ordered), case.columns):
        assert found.schema == MERGED_SCHEMA
        for row in stored_rows(found, case):
            key = tuple(row[name] for name in MERGED_SCHEMA.names[:5])
            assert key not in merged, f"{key} comes twice"
            merged[key] = row
    return merged


def stored_rows(found: pa.RecordBatch, case: Case) -> Iterator[dict[str, Any]]:
    """The rows of states in columns, each with its state as bytes."""
    numbers = found["column"].to_pylist()
    for place, number in enumerate(numbers):
        column = None if number == TABLE_COLUMN else case.columns[number]
        named = pa.array([None if column is None else column.frame_id], pa.string())
        row = pa.Table.from_batches([found.slice(place, 1)]).append_column("grid_id", named)
        [one] = row.to_batches()
        (state,) = states_at(one, column)
        data, sketch = (None, None) if state is None else content_of(state)
        [values] = row.select(["window", "model_version", "slice_key", "slice_value", "column", "error"]).to_pylist()
        yield {**values, "state": data, "sketch": sketch}


def in_batches(rows: Sequence[dict[str, Any]]) -> Iterator[pa.RecordBatch]:
    """Rows in small batches, so that a key's rows lie in several."""
    for start in range(0, len(rows), 13):
        yield pa.RecordBatch.from_pylist(list(rows[start : start + 13]), schema=PARTIAL_SCHEMA)


def read(row: dict[str, Any], case: Case) -> Found:
    column = None if row["column"] == TABLE_COLUMN else case.columns[row["column"]]
    state = None if row["state"] is None else state_of(row["state"], row["sketch"], column)
    return Found(state, row["error"])


def expected_keys(case: Case) -> dict[Key, np.ndarray]:
    """The numbers of the rows of every key, by pandas."""
    names = ["time", "version", *(f"s{key}" for key in range(case.slice_keys))]
    frame = pd.DataFrame({name: pd.Series(case.table[name].to_pylist(), dtype=object) for name in names})
    times = frame["time"].map(lambda time: np.nan if time is None else time / HOUR).astype(float)
    keys: dict[Key, np.ndarray] = {}
    for window, (start, end) in MEMBERS.items():
        inside = frame[(times >= start) & (times < end)]
        for version, rows in inside.groupby("version", dropna=False):
            label = None if pd.isna(version) else version
            keys[window, label, WHOLE, None, TABLE_COLUMN] = rows.index.to_numpy()
            for key in range(case.slice_keys):
                for value, part in rows.groupby(f"s{key}", dropna=False):
                    keys[window, label, key, None if pd.isna(value) else value, TABLE_COLUMN] = part.index.to_numpy()
    return keys


def check_numeric(state: NumericState, doubles: np.ndarray, nulls: np.ndarray, grid: Grid, *, window: bool) -> None:
    """A numeric state against numpy in extended precision."""
    present = doubles[~nulls]
    finite = present[np.isfinite(present)]
    assert (state.count, state.nulls, state.nans) == (nulls.size, nulls.sum(), np.isnan(present).sum())
    assert (state.positive_infinities, state.negative_infinities) == ((present == np.inf).sum(), (present == -np.inf).sum())
    assert (state.zeros, state.negatives, state.finite) == ((finite == 0).sum(), (finite < 0).sum(), finite.size)
    assert state.cells.tolist() == np.bincount(grid.codes_by_search(finite), minlength=grid.cells).tolist()
    assert (state.sketch is not None) == window
    if not finite.size:
        assert np.isnan([state.minimum, state.maximum, state.mean, state.stddev]).all()
        return
    assert (state.minimum, state.maximum) == (finite.min(), finite.max())
    mean, m2 = long_moments(finite)
    assert state.mean == pytest.approx(mean, rel=1e-14, abs=1e-15 * np.abs(finite).max())
    assert state.m2 == pytest.approx(m2, rel=1e-11, abs=0.0)
    distinct = np.unique(finite).size
    assert state.distinct_count == distinct or distinct > (K_WINDOW if window else K_SLICE)


def long_moments(values: np.ndarray) -> tuple[float, float]:
    """Mean and sum of squared deviations in extended precision, about the first value."""
    moved = values.astype(np.longdouble) - np.longdouble(values[0])
    mean = moved.mean()
    deviations = moved - mean
    return float(mean + np.longdouble(values[0])), float((deviations**2).sum() - deviations.sum() ** 2 / values.size)


def check_categorical(state: CategoricalState, values: list[Any], categories: Categories) -> None:
    """A categorical state against plain Python."""
    present = [value for value in values if value is not None]
    names = Counter(value.hex() if isinstance(value, bytes) else value for value in present)
    assert (state.count, state.nulls, state.empties) == (len(values), len(values) - len(present), names[""])
    assert state.counts.tolist() == [names[text] for text in categories.texts]
    assert state.other == sum(count for name, count in names.items() if name not in categories.texts)
    assert state.distinct_count == len(set(present))
    if present:
        lengths = [len(value) for value in present]
        assert (state.min_length, state.max_length) == (min(lengths), max(lengths))
        assert state.avg_length == pytest.approx(np.mean(lengths))
    assert sorted(count for _, count in state.frequent_items) == sorted(names.values())


def check_all(case: Case, merged: dict[Key, Found], *, failed: Sequence[int] = ()) -> None:
    """Every key that pandas finds is there, no other, and its state is right."""
    expected = expected_keys(case)
    counted = [position for position, column in enumerate(case.columns) if column.frame_id is not None]
    assert {key for key in merged if key[0] != NO_WINDOW} == {
        (*key[:4], position) for key in expected for position in [TABLE_COLUMN, *counted]
    }
    nulls = np.stack([case.nulls(position) for position in range(len(case.columns))])
    null_ids = np.array(case.table["null_id"].to_pylist(), dtype=bool)
    for key, rows in expected.items():
        table = merged[key].state
        assert isinstance(table, TableState)
        assert (table.count, table.null_ids) == (rows.size, null_ids[rows].sum())
        assert table.present.tolist() == (~nulls[:, rows]).sum(axis=1).tolist()
        for position in set(counted) - set(failed):
            check_column(case, merged[(*key[:4], position)], rows, position, window=key[2] == WHOLE)


def check_column(case: Case, found: Found, rows: np.ndarray, position: int, *, window: bool) -> None:
    column = case.columns[position]
    assert found.error is None
    if column.grid is not None:
        assert isinstance(found.state, NumericState)
        doubles, nulls = case.doubles(position)[rows], case.nulls(position)[rows]
        check_numeric(found.state, doubles, nulls, column.grid, window=window)
    else:
        assert isinstance(found.state, CategoricalState)
        assert column.categories is not None
        values = case.values[position]
        check_categorical(found.state, [values[row] for row in rows.tolist()], column.categories)


@pytest.mark.parametrize(
    ("rows", "chunk_rows", "byte_budget", "tasks", "clustered", "trivial"),
    [
        pytest.param(1200, 1 << 16, 1 << 29, 1, False, False, marks=pytest.mark.slow),
        pytest.param(700, 1 << 16, 1 << 29, 1, True, False, marks=pytest.mark.slow),
        (500, 101, 1 << 29, 3, False, True),
        (160, 61, 0, 2, True, False),
        (30, 7, 0, 1, False, False),
        pytest.param(25, 1, 1 << 29, 5, False, False, marks=pytest.mark.slow),
    ],
    ids=["one chunk", "clustered", "odd chunks, no baseline", "flushed every chunk", "tiny chunks", "row by row"],
)
def test_merged_states_are_those_that_pandas_computes(
    monkeypatch: pytest.MonkeyPatch, rows: int, chunk_rows: int, byte_budget: int, tasks: int, clustered: bool, trivial: bool
) -> None:
    monkeypatch.setattr(partials, "CHUNK_ROWS", chunk_rows)
    case = random_case(rows + chunk_rows, rows, clustered=clustered, trivial=trivial)
    case.options["byte_budget"] = byte_budget
    check_all(case, run(case, tasks=tasks, batch=min(chunk_rows, 4096)))


def test_numpy_alone_gives_what_pandas_computes() -> None:
    case = random_case(5, 200)
    case.options["kernel"] = "numpy"
    check_all(case, run(case, tasks=2))


def numeric_case(values: pa.Array, slices: Sequence[str | None], grid: Grid | None = None, **options: int) -> Case:
    """One numeric column and one slice key, all rows in window 0."""
    rows = len(values)
    table = pa.table(
        {
            "time": pa.array([HOUR] * rows, pa.int64()),
            "null_id": pa.array([False] * rows, pa.bool_()),
            "version": pa.array(["1"] * rows, pa.string()),
            "s0": pa.array(slices, pa.string()),
            "x": values,
        }
    )
    return Case(table, (KernelColumn("x", grid=grid or Grid.trivial()),), slice_keys=1, options=options)


def same_distinct(first: Distinct, second: Distinct) -> bool:
    return (first.k, first.theta, first.hashes.tolist()) == (second.k, second.theta, second.hashes.tolist())


@pytest.mark.parametrize("kind", ["continuous", "few values", "many duplicates", "on the grid", "mixed"])
@pytest.mark.parametrize("trivial", [True, False])
def test_a_slice_is_known_as_well_as_if_its_rows_had_come_alone(kind: str, trivial: bool) -> None:
    random = np.random.default_rng(11)
    rows = 90_000
    makers = {
        "continuous": random.normal(size=rows),
        "few values": random.integers(0, 90, rows) / 7,
        "many duplicates": random.integers(0, 3000, rows) / 7,
        "on the grid": random.integers(-300, 300, rows).astype(float),
        "mixed": np.where(random.random(rows) < 0.5, random.integers(-300, 300, rows), random.normal(size=rows)),
    }
    values = makers[kind]
    values[random.random(rows) < 0.01] = np.nan
    # Sizes from two rows to most of them, so that a slice may have very few of the window's smallest hashes.
    slices = random.choice(["huge", "large", "small", None], rows, p=[0.9, 0.09, 0.009, 0.001])
    slices[:2] = "two rows"
    grid = Grid.trivial() if trivial else Grid.of(np.arange(-400.0, 400.0))
    case = numeric_case(pa.array(values), slices.tolist(), grid)
    merged = run(case, tasks=2)
    for value in ("huge", "large", "small", None, "two rows"):
        alone = NumericState.empty(grid, k=None).update(values[slices == value])
        state = merged[0, "1", 0, value, 0].state
        assert isinstance(state, NumericState)
        assert same_distinct(state.distinct, alone.distinct)
        assert state.cells.tolist() == alone.cells.tolist()
        assert (state.count, state.nans, state.minimum, state.maximum) == (alone.count, alone.nans, alone.minimum, alone.maximum)
        assert state.frequent_items == alone.frequent_items
    window = merged[0, "1", WHOLE, None, 0].state
    assert isinstance(window, NumericState)
    assert same_distinct(window.distinct, NumericState.empty(grid).update(values).distinct)


def test_hashes_of_slices_are_the_smallest_distinct_ones_however_they_come() -> None:
    random = np.random.default_rng(5)
    held, expected = SliceHashes(), {code: Distinct.empty(K_SLICE) for code in range(6)}
    pools = [random.integers(0, 1 << 63, size).astype(np.uint64) for size in (50, 127, 128, 129, 5000, 1 << 17)]
    for rows in (1, 10, 40_000, 0, 20_000, 300):
        codes = random.choice(6, rows, p=[0.3, 0.2, 0.1, 0.1, 0.299, 0.001])
        hashes = np.array([random.choice(pools[code]) for code in codes.tolist()], dtype=np.uint64)
        held.add(codes, hashes)
        known = np.unique(hashes)
        held.add_positions(codes, np.searchsorted(known, hashes), known)
        for code in range(6):
            expected[code] = expected[code].update(hashes[codes == code])
            assert same_distinct(held.of(code), expected[code])
    assert held.of(99).count == 0


@given(st.lists(st.tuples(st.lists(st.integers(0, 6), max_size=30), st.sampled_from([1, 50])), max_size=6), st.integers(0, 99))
def test_cells_of_slices_are_counted_in_the_table_and_beside_it(chunks: list[tuple[list[int], int]], seed: int) -> None:
    random = np.random.default_rng(seed)
    counted, expected = SliceCells(5), np.zeros((301, 5), dtype=np.int64)
    for codes, stride in chunks:
        rows = np.array(codes, dtype=np.int64) * stride
        cells = random.integers(0, 5, rows.size)
        counted.add(rows, cells)
        np.add.at(expected, (rows, cells), 1)
        assert [counted.of(code).tolist() for code in range(301)] == expected.tolist()
    assert counted.nbytes <= 8 * max(5 * sum(len(codes) for codes, _ in chunks), 0)


def test_a_column_that_cannot_be_read_is_in_error_and_the_others_are_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partials, "CHUNK_ROWS", 30)
    case = random_case(3, 120)
    case.table = case.table.set_column(0, "time", pa.array([*case.table["time"].to_pylist()[:-1], HOUR], pa.int64()))
    broken = [f"number {row}" if row == 119 else str(row) for row in range(120)]
    position = [column.name for column in case.columns].index("few")
    case.table = case.table.set_column(6 + position, "few", pa.array(broken))
    case.options["byte_budget"] = 0
    merged = run(case, tasks=2, batch=30)
    check_all(case, merged, failed=[position])
    errors = {key: found for key, found in merged.items() if found.error is not None}
    last = set(expected_keys(case))  # keys met in the last chunk of the second task
    assert errors
    assert {key[4] for key in errors} == {position}
    assert all("ValueError: could not convert string to float" in str(found.error) for found in errors.values())
    assert all(found.state is None for found in errors.values())
    assert {(*key[:4], TABLE_COLUMN) for key in errors} <= last


@pytest.mark.parametrize("values", [pa.array([[1.0], [2.0]]), pa.array([{"a": 1}, None]), pa.array(["a", None])])
def test_values_of_an_unexpected_type_are_an_error_of_their_column_alone(values: pa.Array) -> None:
    merged = run(numeric_case(values, ["s", "s"]))
    assert merged[0, "1", WHOLE, None, 0].error
    assert merged[0, "1", 0, "s", 0].error
    table = merged[0, "1", WHOLE, None, TABLE_COLUMN].state
    assert isinstance(table, TableState)
    assert table.count == 2


def test_rows_without_a_time_are_counted_and_rows_outside_all_windows_are_not() -> None:
    case = numeric_case(pa.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), ["s"] * 6)
    times = [None, EDGES[0] - 1, EDGES[0], EDGES[3] - 1, EDGES[3], EDGES[4]]
    case.table = case.table.set_column(0, "time", pa.array(times, pa.int64()))
    merged = run(case)
    lost = merged[NO_WINDOW, None, WHOLE, None, TABLE_COLUMN].state
    assert isinstance(lost, TableState)
    assert lost.count == 1
    seen = {key[0]: found.state for key, found in merged.items() if key[2] == WHOLE and key[4] == 0}
    assert {window: (state.count, state.minimum) for window, state in seen.items()} == {0: (1, 3.0), 3: (1, 3.0), 2: (1, 4.0)}  # type: ignore[union-attr]


def test_a_task_without_rows_gives_nothing_and_one_without_timed_rows_their_number_alone() -> None:
    case = numeric_case(pa.array([], pa.float64()), [])
    assert run(case) == {}
    case = numeric_case(pa.array([1.0, 2.0]), ["s", "t"])
    case.table = case.table.set_column(0, "time", pa.array([None, None], pa.int64()))
    assert list(run(case)) == [(NO_WINDOW, None, WHOLE, None, TABLE_COLUMN)]


def test_slice_values_beyond_the_known_ones_count_as_other_and_null_stays_null() -> None:
    case = numeric_case(pa.array([1.0, 2.0, 3.0, 4.0, 5.0]), ["a", "b", None, "c", "a"])
    case.slice_values = (frozenset({"a"}),)
    merged = run(case)
    found = {key[3]: found.state for key, found in merged.items() if key[2] == 0 and key[4] == 0}
    assert {value: (state.count, state.mean) for value, state in found.items()} == {
        "a": (2, 3.0),
        OTHER: (2, 3.0),
        None: (1, 3.0),
    }  # type: ignore[union-attr]


def test_the_same_rows_give_the_same_bytes() -> None:
    case = random_case(17, 100)
    first, second = ([batch.to_pylist() for batch in Task(case.plan, 4).run(case.table.to_batches())] for _ in range(2))
    assert first == second


def test_partial_rows_come_in_batches_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(written_rows, "CHUNK_ROWS", 400)
    case = random_case(8, 100)
    batches = list(Task(case.plan, 0).run(case.table.to_batches()))
    assert max(batch.num_rows for batch in batches) == 50
    monkeypatch.setattr(written_rows, "CHUNK_BYTES", 8 * 10_000)
    batches = list(Task(case.plan, 0).run(case.table.to_batches()))
    sizes = [sum(len(value or b"") for name in ("state", "sketch") for value in batch[name].to_pylist()) for batch in batches]
    assert max(sizes) < 10_000 + 60_000  # the last state of a batch may pass the bound, none after it


def test_a_task_holds_no_more_than_its_byte_budget_and_one_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "CHUNK_ROWS", 1000)
    rows = 5_000
    slices = [f"v{row}" for row in range(rows)]
    case = numeric_case(pa.array(np.arange(float(rows))), slices, Grid.of(np.arange(100.0)), byte_budget=1 << 20)
    task = Task(case.plan, 0)
    most = 0
    original = task._add_column

    def add(*arguments: Any) -> None:
        nonlocal most
        original(*arguments)
        most = max(most, task.nbytes)

    monkeypatch.setattr(task, "_add_column", add)
    found = sum(batch.num_rows for batch in task.run(case.table.to_batches(max_chunksize=1000)))
    assert found >= 2 * rows
    assert most < 4 << 20


def test_a_first_pass_for_a_baseline_keeps_sharper_sketches() -> None:
    values = np.random.default_rng(1).normal(size=50_000)
    merged = run(numeric_case(pa.array(values), ["s"] * values.size, k=8192))
    state = merged[0, "1", WHOLE, None, 0].state
    assert isinstance(state, NumericState)
    assert state.sketch is not None
    assert (state.sketch.k, state.sketch.n) == (8192, 50_000)


@given(st.lists(st.integers(0, 4), max_size=40), st.integers(0, 2**32))
def test_segments_bring_the_rows_of_a_code_together_in_their_order(codes: list[int], seed: int) -> None:
    coded = np.array(codes, dtype=np.int64)
    segments = Segments.of(coded)
    rows = segments.arranged(np.arange(coded.size))
    flags = np.random.default_rng(seed).random(coded.size) < 0.5
    kept_segments, kept = segments.without(segments.arranged(flags))
    kept_rows = rows[kept]
    assert segments.codes.tolist() == sorted(set(codes))
    assert segments.sizes.sum() == coded.size
    for position, code in enumerate(segments.codes.tolist()):
        here = slice(*segments.bounds[position : position + 2])
        assert rows[here].tolist() == np.flatnonzero(coded == code).tolist()
        kept_here = slice(*kept_segments.bounds[position : position + 2])
        assert kept_rows[kept_here].tolist() == np.flatnonzero((coded == code) & ~flags).tolist()
        assert segments.totals(segments.arranged(flags))[position] == (flags & (coded == code)).sum()


@given(st.lists(st.lists(st.sampled_from(["a", "b", "", "é", None]), max_size=8), max_size=5))
def test_a_text_keeps_its_number_from_batch_to_batch(batches: list[list[str | None]]) -> None:
    codes = Codes()
    encoded = [codes.encode(pa.array(batch, pa.string())) for batch in batches]
    assert [[codes.strings[number] for number in numbers.tolist()] for numbers in encoded] == batches
    assert len(set(codes.strings)) == len(codes.strings)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([1, None, -3], pa.int8()), [1.0, 0.0, -3.0]),
        (pa.array([2**64 - 1, None], pa.uint64()), [2.0**64, 0.0]),
        (pa.array([2**53 + 1, 2**53 + 3], pa.int64()), [2.0**53, 2.0**53 + 4]),
        (pa.array([1.5, None], pa.float32()), [1.5, 0.0]),
        (pa.array([True, None, False], pa.bool_()), [1.0, 0.0, 0.0]),
        (pa.array([True, False], pa.bool_()), [1.0, 0.0]),
        (pa.array([decimal.Decimal("0.10"), None], pa.decimal128(38, 2)), [0.1, 0.0]),
        (pa.array([datetime.date(1970, 1, 2), None], pa.date32()), [86400.0, 0.0]),
        (pa.array([datetime.date(1, 1, 1)], pa.date32()), [-62135596800.0]),
        (pa.array([1_500_000, None], pa.timestamp("us")), [1.5, 0.0]),
        (pa.array([-1], pa.timestamp("us", tz="America/New_York")), [-1e-6]),
        (pa.array([1, None], pa.timestamp("s", tz="UTC")), [1.0, 0.0]),
        (pa.array([1_000_000_001, None], pa.timestamp("ns")), [1.0, 0.0]),
        (pa.array([np.nan, np.inf, None]), [np.nan, np.inf, 0.0]),
        (pa.array([], pa.float64()), []),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_a_column_of_any_type_becomes_doubles(values: pa.Array, expected: list[float]) -> None:
    padded = pa.concat_arrays([values[:1], values]).slice(min(len(values), 1))  # an offset that is not zero
    for column in (values, padded):
        doubles, nulls = numbers_of(column)
        np.testing.assert_array_equal(doubles, np.array(expected))
        missing = [value is None for value in column.to_pylist()]
        assert (nulls.tolist() if nulls is not None else [False] * len(values)) == missing


@pytest.mark.parametrize(
    ("values", "zone", "expected"),
    [
        (pa.array([datetime.datetime(2024, 3, 31, 2, 30)], pa.timestamp("us")), "Europe/Berlin", "2024-03-31T01:00:00+00:00"),
        (pa.array([datetime.datetime(2024, 10, 27, 2, 30)], pa.timestamp("us")), "Europe/Berlin", "2024-10-27T00:30:00+00:00"),
        (pa.array([datetime.date(2024, 7, 1)], pa.date32()), "America/New_York", "2024-07-01T04:00:00+00:00"),
        (pa.array([datetime.datetime(2024, 7, 1, 12)], pa.timestamp("s")), "Asia/Kolkata", "2024-07-01T06:30:00+00:00"),
        (
            pa.array([datetime.datetime(2024, 7, 1, 12)], pa.timestamp("us", tz="UTC")),
            "Asia/Kolkata",
            "2024-07-01T12:00:00+00:00",
        ),
        (pa.array([datetime.datetime(2024, 7, 1, 12)], pa.timestamp("ms", tz="Asia/Tokyo")), "UTC", "2024-07-01T12:00:00+00:00"),
    ],
)
def test_times_of_any_kind_become_timestamps(values: pa.Array, zone: str, expected: str) -> None:
    micros = int(datetime.datetime.fromisoformat(expected).timestamp()) * 1_000_000
    found = timestamps(pa.concat_arrays([values, pa.nulls(1, values.type)]), zone)
    assert found.to_pylist() == [micros, None]


def test_a_time_column_that_is_no_time_is_refused() -> None:
    with pytest.raises(StateError, match="of type string, a timestamp or a date is needed"):
        timestamps(pa.array(["2024-01-01"]), "UTC")


@given(st.integers(0, 2**32))
@example(35843688)  # a part without rows
def test_blocks_merged_by_their_texts_are_the_block_of_all_rows(seed: int) -> None:
    random = np.random.default_rng(seed)
    grid = Grid.of(np.linspace(-2, 2, 40))
    values, codes = random.normal(size=3_000), random.integers(0, 3, 3_000)
    texts: list[str | None] = ["a", None, "c"]

    def block(rows: np.ndarray, order: list[int]) -> NamedBlock:
        """These rows, the slice values numbered in another order."""
        found, place = SliceBlock(grid), np.argsort(order)
        own, numbers = place[codes[rows]], values[rows]
        part = Part.of(numbers, None, grid.codes(numbers), None, hash_numbers(numbers), guess=0.0)
        add_part(part, [KeyedRows(found, own, np.bincount(own, minlength=3))])
        found.hashes.add(own if part.inner is None else own[part.inner], part.hashes)
        return NamedBlock([texts[number] for number in order], found)

    cut = int(random.integers(0, 3_000))
    first, second = np.arange(cut), np.arange(cut, 3_000)
    parts = [NamedBlock.from_bytes(block(*case).to_bytes(), grid) for case in ((first, [0, 1, 2]), (second, [2, 0, 1]))]
    merged = dict(parts[0].merge(parts[1]).states())
    for text, whole in block(np.arange(3_000), [0, 1, 2]).states():
        state = merged[text]
        assert isinstance(state, NumericState)
        assert isinstance(whole, NumericState)
        np.testing.assert_array_equal(state.cells, whole.cells)
        assert (state.count, state.minimum, state.maximum) == (whole.count, whole.minimum, whole.maximum)
        assert (state.distinct.theta, state.distinct.hashes.tolist()) == (whole.distinct.theta, whole.distinct.hashes.tolist())
        assert state.moments.mean == pytest.approx(whole.moments.mean, rel=1e-12, abs=1e-13)
        assert state.moments.m2 == pytest.approx(whole.moments.m2, rel=1e-12)


def test_states_are_flushed_between_two_columns_of_one_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    columns, rows, budget = 60, 2_000, 2 << 20
    values = np.random.default_rng(2).normal(size=(columns, rows))
    grid = Grid.of(np.linspace(-2, 2, 1_000))
    keys = {
        "time": pa.array(np.zeros(rows, dtype=np.int64)),
        "null_id": pa.array([False] * rows),
        "version": pa.array(["1"] * rows),
    }
    table = pa.table({**keys, **{f"x{number}": values[number] for number in range(columns)}})
    kernel = tuple(KernelColumn(f"x{number}", grid) for number in range(columns))
    task = Task(Case(table, kernel, slice_keys=0, options={"byte_budget": budget}).plan, 0)
    held: list[int] = []
    original = task._add_column

    def add(*arguments: Any) -> None:
        original(*arguments)
        held.append(task.nbytes)

    monkeypatch.setattr(task, "_add_column", add)
    found = [row for batch in task.run(table.to_batches()) for row in batch.to_pylist()]
    expected = sorted((window, column) for window in WINDOWS[0] for column in (TABLE_COLUMN, *range(columns)))
    assert sorted((row["window"], row["column"]) for row in found) == expected
    assert max(held) < budget


def test_rows_of_many_windows_are_ordered_once_for_all_columns() -> None:
    rows, windows = 2 * spans.CHUNK_ROWS, 2_000
    segment = np.random.default_rng(4).integers(0, windows, rows)
    text = pa.array(["1"]).take(pa.array(np.zeros(rows, dtype=np.int64)))
    table = pa.table({"time": segment, "null_id": pa.array(np.zeros(rows, dtype=bool)), "version": text, "x": segment})
    found = spans.placed(spans.TableSpan(table, 0), segment, windows, Codes(), [])
    assert found.arranged(table["x"].combine_chunks()).to_pylist() == np.sort(segment).tolist()
    # Cutting what is ordered parts no more windows than there are cuts.
    assert sum(piece.rows.groups.codes.size for piece in found.pieces) <= windows + len(found.pieces) - 1


@pytest.mark.parametrize(
    "cuts",
    [
        pytest.param((0,), id="rows alone", marks=pytest.mark.slow),
        pytest.param((1_000,), id="stored alone", marks=pytest.mark.slow),
        pytest.param((0, 300, 301, 700), id="several parts"),
    ],
)
def test_stored_states_and_rows_that_are_read_make_the_states_of_all_rows(cuts: tuple[int, ...]) -> None:
    whole = random_case(11, 1_000)
    pieces: list[dict[str, Any]] = []
    for sequence, (low, high) in enumerate(pairwise(cuts if cuts[0] == 0 else (0, *cuts))):
        stored = merged_rows(partial_rows(dataclasses.replace(whole, table=whole.table.slice(low, high - low))), whole)
        # Stored states come with a row for every slice value, and say that they are a part before every task's.
        pieces += [{**row, "part": -1, "sequence": sequence} for row in stored.values()]
    rest = dataclasses.replace(whole, table=whole.table.slice(cuts[-1]))
    merged = merged_rows(pieces + partial_rows(rest, tasks=2), whole)
    check_all(whole, {key: read(row, whole) for key, row in merged.items()})


@pytest.mark.slow
def test_a_column_that_failed_in_the_rows_that_are_read_is_in_error_beside_stored_states() -> None:
    case = random_case(12, 300)
    stored = merged_rows(partial_rows(case), case)
    pieces = [{**row, "part": -1, "sequence": 0} for row in stored.values()]
    numeric = next(key for key, row in stored.items() if key[2] == 1 and case.columns[key[4]].grid is not None and row["state"])
    window, version, slice_key, _, column = numeric
    values = {"window": window, "model_version": version, "slice_key": slice_key, "slice_value": None, "column": column}
    broken = {**values, "part": 0, "sequence": 1, "state": failed(["v0", "new"]), "sketch": None, "error": "it broke"}
    merged = merged_rows([*pieces, broken], case)
    errors = {key: row["error"] for key, row in merged.items() if row["error"] is not None}
    same = {key for key in stored if key[:3] == numeric[:3] and key[4] == column}
    assert set(errors) == same | {(window, version, slice_key, "new", column)}
    assert set(errors.values()) == {"it broke"}
    assert all(merged[key]["state"] is None for key in errors)
