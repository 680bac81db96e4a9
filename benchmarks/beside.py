"""What quality and correlations cost beside the states of a profile: the work of one task on numeric columns, in processor time.

The same rows in memory are counted by four plans in turns: states alone, with the checks and hashes of quality, with products of
all pairs of columns, with both. No Spark is started, and nothing is decoded.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from benchmarks.timing import ratio
from spark_monitor.kernel.checks import ColumnChecks
from spark_monitor.kernel.covariances import CovariancePlan
from spark_monitor.kernel.partials import Task
from spark_monitor.kernel.plan import KernelColumn, KernelPlan
from spark_monitor.kernel.quality_rows import QualityPlan
from spark_monitor.states.grid import grid_from_quantiles

NULL_SHARE, BATCH_ROWS, MOST_BYTES = 0.02, 4096, 400 << 20


def main(arguments: argparse.Namespace) -> None:
    """Measure and print, in nanoseconds a value; products get one thread, as in Spark's tasks."""
    with threadpool_limits(limits=1):
        _measure(arguments)


def _measure(arguments: argparse.Namespace) -> None:
    columns = arguments.columns
    rows = min(arguments.rows, MOST_BYTES // (8 * columns))
    for keys in (0, 1):
        table, plans = _made(rows, columns, keys)
        times: dict[str, list[float]] = {name: [] for name in plans}
        for turn in range(arguments.repeats + 1):
            for name, plan in plans.items():
                began = time.process_time()
                for _ in Task(plan, 0).run(table.to_batches(max_chunksize=BATCH_ROWS)):
                    pass
                if turn:
                    times[name].append(time.process_time() - began)
        print(f"{rows:,} rows, {columns} columns, {keys} slice keys of 3 values")
        for name, seconds in times.items():
            print(f"{name}: {1e9 * statistics.median(seconds) / rows / columns:.1f} ns a value")
        for name in list(times)[1:]:
            print(ratio(times, name, "states"))


def _made(rows: int, columns: int, keys: int) -> tuple[pa.Table, dict[str, KernelPlan]]:
    """Correlated columns, every fourth with nulls, in two windows; and the plans."""
    random = np.random.default_rng(20130101)
    values = random.normal(size=(columns, columns)) / np.sqrt(columns) @ random.normal(size=(columns, rows))
    names = [f"x{position}" for position in range(columns)]
    arrays = {
        name: pa.array(values[place], mask=random.random(rows) < NULL_SHARE if place % 4 == 0 else None)
        for place, name in enumerate(names)
    }
    head = {"time": pa.array(np.sort(random.integers(0, 1_000_000, rows))), "null_id": pa.array(np.zeros(rows, dtype=np.bool_))}
    slices = {f"s{key}": pa.array(random.choice(["a", "b", "c"], rows)) for key in range(keys)}
    table = pa.table({**head, "version": pa.array(["1"] * rows), **slices, **arrays})
    quantiles = np.arange(1, 1024) / 1024
    frames = tuple(
        KernelColumn(name, grid_from_quantiles(np.quantile(sample, quantiles), [], float(sample.min()), float(sample.max())))
        for name, sample in zip(names, values, strict=True)
    )
    common = {"edges": (0, 500_000, 1_000_000), "windows": ((0,), (1,)), "slice_keys": keys, "slice_values": (None,) * keys}
    quality = QualityPlan(tuple(ColumnChecks(low=-3.0, high=3.0) for _ in names))
    centre, scale = (0.0,) * columns, (1.0,) * columns
    products = CovariancePlan(tuple(names), tuple(range(columns)), centre, scale, (None,) * keys)
    options = {
        "states": {},
        "with quality": {"quality": quality},
        "with correlations": {"covariance": products},
        "with both": {"quality": quality, "covariance": products},
    }
    # The keyword arguments are of several types.
    return table, {name: KernelPlan(columns=frames, **common, **more) for name, more in options.items()}  # type: ignore[arg-type]
