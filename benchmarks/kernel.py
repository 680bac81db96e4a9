"""The two kernels on arrays, in one process and on one core: nanoseconds of processor time a value, and ratios to the floors.

Floors: decoding the same columns from Parquet, and decoding and sorting each chunk.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.timing import per_value, ratio, timed
from spark_monitor.kernel.columns import NumericColumn, Rows, RowSlices
from spark_monitor.kernel.groups import Segments, numbers_of
from spark_monitor.kernel.memory import keep_freed_memory
from spark_monitor.kernel.native.library import AUTO, Library, in_use, library
from spark_monitor.kernel.partial_rows import counted_content
from spark_monitor.kernel.spans import CHUNK_ROWS
from spark_monitor.states.grid import Grid, Integers, grid_from_quantiles
from spark_monitor.states.sketch import K

ROWS, COLUMNS, WITH_NULLS = 1 << 20, 8, 4
"""Every fourth column has nulls, as in the tables of the other suites."""

SMALL_ROWS = 456
KEYS = {"no slices": (0, 1), "one key of 3": (1, 3), "five keys of 50": (5, 50)}


def main(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    keep_freed_memory()
    rows, columns = min(arguments.rows, ROWS), min(arguments.columns, COLUMNS)
    random = np.random.default_rng(20130101)
    file = written(random, rows, columns)
    grids = [grid_of(values) for values in decoded(file)]
    kernels: dict[str, Library | None] = {"numpy": None, "compiled": library(AUTO)}
    print(f"kernel of this machine: {in_use()}")
    cases: dict[str, Callable[[], object]] = {"decode": lambda: decoded(file), "decode and sort": lambda: sort(decoded(file))}
    for keys, (many, size) in KEYS.items():
        chunks = chunks_of(rows, CHUNK_ROWS, [random.integers(0, size, rows) for _ in range(many)])
        for name, kernel in kernels.items():
            cases[f"{name}, {keys}"] = profile(file, grids, kernel, chunks)
    small = chunks_of(rows, CHUNK_ROWS, [], window=SMALL_ROWS)
    for name, kernel in kernels.items():
        cases[f"{name}, windows of {SMALL_ROWS} rows"] = profile(file, grids, kernel, small)
    times = timed(cases, arguments.repeats, clock=time.process_time)
    for name, value in per_value(times, rows * columns).items():
        print(f"{name}: {value:.1f} ns a value")
    for name in cases:
        kernel, _, what = name.partition(", ")
        if what:
            print(ratio(times, name, "decode and sort" if what not in KEYS or not KEYS[what][0] else f"{kernel}, no slices"))
            if kernel == "compiled":
                print(ratio(times, f"numpy, {what}", name))


def written(random: np.random.Generator, rows: int, columns: int) -> pa.Buffer:
    """A Parquet file in memory."""
    arrays = [random.normal(size=rows) if number % 2 else random.lognormal(size=rows) for number in range(columns)]
    masks = [random.random(rows) < 0.02 if number % WITH_NULLS == 0 else None for number in range(columns)]
    table = pa.table({f"x{number}": pa.array(arrays[number], mask=masks[number]) for number in range(columns)})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=CHUNK_ROWS)
    return sink.getvalue()


def decoded(file: pa.Buffer) -> list[pa.Array]:
    """Its columns."""
    table = pq.read_table(pa.BufferReader(file), use_threads=False)
    return [column.combine_chunks() for column in table.columns]


def sort(columns: list[pa.Array]) -> None:
    """Sort every chunk."""
    for values in columns:
        numbers = values.drop_null().to_numpy(zero_copy_only=False)
        for low in range(0, numbers.size, CHUNK_ROWS):
            np.sort(numbers[low : low + CHUNK_ROWS])


def grid_of(values: pa.Array) -> Grid:
    """A grid as a baseline of these values has it."""
    numbers = np.sort(numbers_of(values.drop_null())[0])
    places = np.linspace(0, numbers.size - 1, 1025).astype(np.int64)[1:-1]
    return grid_from_quantiles(numbers[places], [], float(numbers[0]), float(numbers[-1]))


def chunks_of(rows: int, size: int, keys: list[Integers], *, window: int | None = None) -> list[tuple[int, Rows]]:
    """Where every chunk begins, and how its rows are grouped: all in one group, or in windows of so many rows."""
    chunks = []
    for low in range(0, rows, size):
        high = min(low + size, rows)
        groups = Segments.of(np.arange(low, high) // window if window else np.zeros(high - low, dtype=np.int64))
        chunks.append((low, Rows(groups, [_sliced(groups, values[low:high]) for values in keys])))
    return chunks


def _sliced(groups: Segments, values: Integers) -> RowSlices:
    stride = int(values.max(initial=0)) + 1
    rows = [np.bincount(values[low:high], minlength=stride) for low, high in pairwise(groups.bounds.tolist())]
    return RowSlices(Segments.of(values), stride, values, rows)


def profile(file: pa.Buffer, grids: list[Grid], kernel: Library | None, chunks: list[tuple[int, Rows]]) -> Callable[[], None]:
    """Decode the file, gather every column, and make the bytes of the windows' states."""

    def run() -> None:
        for values, grid in zip(decoded(file), grids, strict=True):
            column = NumericColumn(grid, library=kernel)
            for low, rows in chunks:
                column.add(values.slice(low, int(rows.groups.bounds[-1])), rows)
            for one in column.gathered():
                counted_content(one.state)
            for _, short in column.short():
                list(short.parts(grid, K))

    return run
