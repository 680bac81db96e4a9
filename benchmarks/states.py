"""What a state costs after its rows are counted: read from columns, presented, compared with the baseline and the window before.

Beside it the cost of one state at a time, by the same functions on blocks of one, and whole runs over many states.
"""

from __future__ import annotations

import argparse
import statistics
from functools import partial

import numpy as np
import pyarrow as pa

from benchmarks import many_states
from benchmarks.timing import timed
from spark_monitor.distances.compare import compared
from spark_monitor.states.columns import STATE_SCHEMA
from spark_monitor.states.grid import Grid, grid_from_quantiles
from spark_monitor.states.numeric import NumericState, profile_column
from spark_monitor.states.numeric_block import NumericBlock
from spark_monitor.states.numeric_columns import numeric_block, numeric_columns
from spark_monitor.states.presented import present_numeric

STATES, ROWS = 840, 456
"""Windows of an hour over five weeks, and the rows of each."""

ONE_BY_ONE = 60
PAIRS = 128


def main(arguments: argparse.Namespace) -> None:
    """Measure and print, in microseconds a state."""
    random = np.random.default_rng(20130101)
    baseline = np.sort(random.lognormal(size=100_000))
    grid = grid_from_quantiles(np.quantile(baseline, np.arange(1, 1024) / 1024), [], float(baseline[0]), float(baseline[-1]))
    frozen = profile_column(baseline, grid)
    windows = [profile_column(random.lognormal(0.05, 1, size=ROWS), grid) for _ in range(STATES)]
    cases = {kind: _stored(states) for kind, states in (("windows", windows), ("slices", [one.as_slice() for one in windows]))}
    frozen_columns = _stored([frozen])
    for kind, stored in cases.items():
        operations = {
            "read from columns": partial(_read, stored, grid),
            "presented": partial(_presented, stored, grid),
            "compared with the baseline": partial(_compared, stored, frozen_columns, grid),
            "compared with the window before": partial(_consecutive, stored, grid),
            f"presented one by one ({ONE_BY_ONE})": partial(_alone, stored.slice(0, ONE_BY_ONE), grid),
        }
        for name, seconds in timed(operations, arguments.repeats).items():
            states = ONE_BY_ONE if "one by one" in name else STATES
            print(f"{kind}, {name}: {1e6 * statistics.median(seconds) / states:.0f} us a state", flush=True)
    if not arguments.files_only:
        many_states.main(arguments)


def _stored(states: list[NumericState]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(numeric_columns(NumericBlock.of(states)), schema=STATE_SCHEMA)


def _read(stored: pa.RecordBatch, grid: Grid) -> NumericBlock:
    return numeric_block(stored, grid)


def _presented(stored: pa.RecordBatch, grid: Grid) -> object:
    return present_numeric(_read(stored, grid))


def _alone(stored: pa.RecordBatch, grid: Grid) -> object:
    return [_presented(stored.slice(place, 1), grid) for place in range(stored.num_rows)]


def _compared(stored: pa.RecordBatch, frozen: pa.RecordBatch, grid: Grid) -> object:
    block = _read(pa.concat_batches([frozen, stored]), grid)
    return _pairs(block, np.zeros(stored.num_rows, dtype=np.int64), 1 + np.arange(stored.num_rows))


def _consecutive(stored: pa.RecordBatch, grid: Grid) -> object:
    places = np.arange(1, stored.num_rows)
    return _pairs(_read(stored, grid), places - 1, places)


def _pairs(block: NumericBlock, before: np.ndarray, now: np.ndarray) -> object:
    return [
        compared(block.take(before[low : low + PAIRS]), block.take(now[low : low + PAIRS])) for low in range(0, now.size, PAIRS)
    ]
