"""A task's partial states, merged, against pandas on the same rows: every window, version, slice and column."""

from __future__ import annotations

import datetime
import decimal
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from spark_monitor.kernel import partials
from spark_monitor.kernel.merging import MERGED_SCHEMA, merge_partials, state_of
from spark_monitor.kernel.partials import NO_WINDOW, PARTIAL_SCHEMA, TABLE_COLUMN, WHOLE, KernelColumn, KernelPlan, Task
from spark_monitor.states.categorical import CategoricalState, Categories
from spark_monitor.states.distinct import K_SLICE, K_WINDOW
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
    options: dict[str, int] = field(default_factory=dict)
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
        "instant": times,
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
    "instant": pa.timestamp("us", tz="UTC"),
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
            "s1": pa.array(random.choice([f"v{i}" for i in range(12)], rows).tolist(), pa.string()),
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
    partial_rows: list[dict[str, Any]] = []
    size = -(-case.table.num_rows // tasks)
    for part in range(tasks):
        batches = case.table.slice(part * size, size).combine_chunks().to_batches(max_chunksize=batch)
        for found in Task(case.plan, part).run(batches):
            assert found.schema == PARTIAL_SCHEMA
            partial_rows += found.to_pylist()
    ordered = sorted(partial_rows, key=lambda row: tuple((row[n] is not None, row[n]) for n in PARTIAL_SCHEMA.names[:7]))
    merged: dict[Key, Found] = {}
    for found in merge_partials(in_batches(ordered), case.columns):
        assert found.schema == MERGED_SCHEMA
        for row in found.to_pylist():
            key = tuple(row[name] for name in MERGED_SCHEMA.names[:5])
            assert key not in merged, f"{key} comes twice"
            merged[key] = read(row, case)
    return merged


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
        (2000, 1 << 16, 1 << 29, 1, False, False),
        (2000, 1 << 16, 1 << 29, 1, True, False),
        (1500, 301, 1 << 29, 3, False, True),
        (800, 97, 0, 2, True, False),
        (90, 7, 0, 1, False, False),
        (40, 1, 1 << 29, 5, False, False),
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
