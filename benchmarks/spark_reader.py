"""The Spark reader against an empty ``mapInArrow`` over the same columns, in one session; printed as ratios.

python -m benchmarks [--rows 4000000] [--columns 40] [--repeats 3]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from benchmarks import data
from spark_monitor.freeze import freeze
from spark_monitor.kernel.partials import KernelPlan
from spark_monitor.profile import BATCH_SETTING, ProfilePlan, WindowKey, bounded_batches, plan_segments, profile
from spark_monitor.read import read_column, read_slice, rows_for_profile
from spark_monitor.session import open_session


def empty(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Take every batch and give nothing back."""
    for _ in batches:
        pass
    yield pa.RecordBatch.from_arrays([pa.array([0])], names=["none"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--columns", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()) / "spark_monitor_bench")
    arguments = parser.parse_args()
    path = data.write(arguments.dir / f"{arguments.rows}x{arguments.columns}", rows=arguments.rows, columns=arguments.columns)
    spark = open_session(master="local[2]", conf={"spark.driver.memory": "4g"})
    spark.conf.set(BATCH_SETTING, str(bounded_batches(arguments.columns)))
    frame = spark.read.parquet(str(path))
    columns = [read_column(frame.schema[f"x{position}"]) for position in range(arguments.columns)]
    sample = rows_for_profile(frame.limit(200_000), columns, [], time=None, version_sql="NULL", ids=["id"])
    frozen, _ = freeze(sample, columns, [])
    start, end = data.START * 1_000_000, (data.START + data.DAYS * 86_400) * 1_000_000
    week = (end - start) // 4
    windows = tuple(WindowKey("1 week", start + i * week, start + (i + 1) * week) for i in range(4))
    edges, members = plan_segments(windows)
    types = tuple(column.data_type for column in columns)
    cases = {}
    for name, keys in (("no slices", []), ("one slice key of 3 values", ["small"])):
        slices = [read_slice(frame, key) for key in keys]
        rows = rows_for_profile(frame, columns, slices, time="at", version_sql="'1'", ids=["id"])
        kernel = KernelPlan(
            columns=tuple(column.kernel for column in frozen),
            edges=edges,
            windows=members,
            slice_keys=len(keys),
            slice_values=(None,) * len(keys),
        )
        plan = ProfilePlan(kernel, windows, tuple(keys), types)
        cases[name] = (rows.mapInArrow(empty, "none long"), profile(rows, plan))
    cells = arguments.rows * arguments.columns
    for name, (floor, profiled) in cases.items():
        times: dict[str, list[float]] = {"floor": [], "profile": []}
        for _ in range(arguments.repeats):
            for label, one in (("floor", floor), ("profile", profiled)):
                began = time.perf_counter()
                one.write.format("noop").mode("overwrite").save()
                times[label].append(time.perf_counter() - began)
        ratios = [b / a for a, b in zip(times["floor"], times["profile"], strict=True)]
        per_value = {label: 2e9 * statistics.median(found) / cells for label, found in times.items()}
        print(
            f"{name}: empty mapInArrow {per_value['floor']:.0f}, profile {per_value['profile']:.0f} ns a value and core; "
            f"ratio median {statistics.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}"
        )
    spark.stop()


if __name__ == "__main__":
    main()
