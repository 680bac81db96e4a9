"""The work of one task on a day of a request log: tallies of requests beside states of columns, in processor time, without Spark.

Both read the same file in the same way and take the same eight columns; half of what Spark and a busy machine add is left out.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.timing import ratio
from spark_monitor.kernel.conditions import Compared
from spark_monitor.kernel.layout import FileColumn, FileLayout, FileSlice
from spark_monitor.kernel.log_spans import LOG_SPAN_ROWS, LogColumns, log_batches
from spark_monitor.kernel.parquet import Block, read_blocks
from spark_monitor.kernel.partials import Task
from spark_monitor.kernel.plan import KernelColumn, KernelPlan, WindowKey, plan_segments
from spark_monitor.kernel.requests import RequestPlan, RequestTask
from spark_monitor.states.categorical import Categories
from spark_monitor.states.grid import grid_from_quantiles

TIMESTAMP = pa.timestamp("us", tz="UTC")
NUMBERS = ("latency", "cpu", "gpu", "memory")
STRINGS = ("endpoint", "host", "cluster")
SAMPLE = 100_000


def compare(file: Path, window: WindowKey, repeats: int) -> None:
    """Measure in turns and print, in nanoseconds a value."""
    metadata = pq.read_metadata(file)
    block = Block(str(file), 0, file.stat().st_size, file.stat().st_size, metadata.num_rows)
    edges, members = plan_segments((window,))
    cases = {"requests": _requests(block, edges, members), "states": _states(file, block, edges, members)}
    times: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(repeats + 1):
        for name, case in cases.items():
            began = time.process_time()
            case()
            if turn:
                times[name].append(time.process_time() - began)
    values = metadata.num_rows * (len(NUMBERS) + len(STRINGS) + 1)
    for name, seconds in times.items():
        print(f"one task, {name}: {1e9 * statistics.median(seconds) / values:.1f} ns a value of processor time")
    print(ratio(times, "requests", "states"), flush=True)


def _sliced(name: str) -> FileSlice:
    return FileSlice((FileColumn(name, pa.string()),))


def _requests(block: Block, edges: tuple[int, ...], members: tuple[tuple[int, ...], ...]) -> Callable[[], object]:
    failed = FileSlice((FileColumn("status", pa.int32()),), Compared("status", ">=", 500))
    layout = FileLayout(
        time=FileColumn("at", TIMESTAMP),
        ranges=((edges[0], edges[-1]),),
        zone="UTC",
        ids=(),
        version=FileColumn("version", pa.string()),
        slices=(*map(_sliced, STRINGS), failed),
        columns=tuple(FileColumn(name, pa.float64()) for name in NUMBERS),
    )
    columns = LogColumns((*STRINGS, "failed"), NUMBERS)
    plan = RequestPlan(edges, members, frozenset({*STRINGS, *NUMBERS, "version", "failed"}))
    return lambda: list(RequestTask(plan).run(log_batches(read_blocks([block], layout, LOG_SPAN_ROWS), columns)))


def _states(file: Path, block: Block, edges: tuple[int, ...], members: tuple[tuple[int, ...], ...]) -> Callable[[], object]:
    sample = pq.ParquetFile(file).read_row_group(0).slice(0, SAMPLE)
    frozen = []
    for name in (*NUMBERS, "status"):
        values = sample[name].to_numpy().astype(np.float64)
        quantiles = np.unique(np.quantile(values, np.arange(1, 1024) / 1024, method="inverted_cdf"))
        frozen.append(KernelColumn(name, grid_from_quantiles(quantiles, [], float(values.min()), float(values.max()))))
    frozen += [KernelColumn(name, categories=Categories(tuple(sample[name].unique().to_pylist()))) for name in STRINGS]
    layout = FileLayout(
        time=FileColumn("at", TIMESTAMP),
        ranges=((edges[0], edges[-1]),),
        zone="UTC",
        ids=("id",),
        version=FileColumn("version", pa.string()),
        slices=(),
        columns=(
            *(FileColumn(name, pa.float64()) for name in NUMBERS),
            FileColumn("status", pa.int32()),
            *(FileColumn(name, pa.string()) for name in STRINGS),
        ),
    )
    plan = KernelPlan(tuple(frozen), edges, members)
    return lambda: list(Task(plan, 0).run_spans(read_blocks([block], layout, plan.span_rows)))
