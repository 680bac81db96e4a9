"""The file reader and the Spark reader against their floors, all in the tasks of one Spark session.

Floors: an empty ``mapInArrow`` over the same columns; decoding the same columns with pyarrow in Spark tasks; decoding and sorting
each chunk. Beside them Spark's own KLL sketch with count, min, max, mean and stddev in one wide aggregate.

What a case takes over a table of few rows is its fixed part: printed, and taken out of a second set of ratios.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from benchmarks.data import Made
from benchmarks.monitors import CORES, config_of, session, windows_of
from benchmarks.timing import per_value, ratio, timed
from spark_monitor.config.monitor import MonitorConfig, Slice, slice_key
from spark_monitor.kernel.parquet import read_blocks
from spark_monitor.kernel.plan import KernelPlan, ProfilePlan, WindowKey, plan_segments
from spark_monitor.kernel.spans import CHUNK_ROWS
from spark_monitor.sources.baseline import FrozenColumn
from spark_monitor.sources.predictions import open_predictions
from spark_monitor.sources.readers.files import blocks_of, file_partials, file_table
from spark_monitor.sources.readers.rows import rows_for_profile
from spark_monitor.sources.readers.spark import BATCH_SETTING, bounded_batches
from spark_monitor.sources.slice_values import capped_slice_values
from spark_monitor.stages.first_pass import frozen_columns
from spark_monitor.stages.merge import merged, profile

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Keys = Sequence[Slice]
SAMPLE = 100_000
"""Rows that grids are made from where the baseline is of no account."""

KEYS: dict[str, list[str]] = {"no slices": [], "one key of 3": ["small"], "five keys of 50": [f"g{key}" for key in range(5)]}
FEW_ROWS = 2_000
"""Rows of the table over which the fixed part of each case is timed."""

LISTED = "files, listing the blocks"
FIXED = ("decode", "decode and sort", "files, no slices", "files, one key of 3", "files, five keys of 50", "Spark's KLL")
"""Cases whose fixed parts are told."""

NONE = pa.RecordBatch.from_arrays([pa.array([0])], names=["none"])


class Bench:
    """One made table, opened, with its columns frozen on the rows of ``baseline`` (a SQL condition), or on some rows."""

    def __init__(self, spark: SparkSession, path: Path, columns: int, baseline: str | None = None) -> None:
        self.spark, self.path, self.columns, self.baseline = spark, path, columns, baseline
        spark.conf.set(BATCH_SETTING, str(bounded_batches(columns)))
        self.frozen = self.freezing()

    def config(self, keys: Keys) -> MonitorConfig:
        """The monitor of the table, sliced by these keys."""
        return config_of(self.path, keys, self.columns)

    def freezing(self) -> list[FrozenColumn]:
        """The columns' grids, as a monitor makes them once for a baseline."""
        predictions = open_predictions(self.spark, self.config([]))
        chosen = predictions.frame.where(self.baseline) if self.baseline else predictions.frame.limit(SAMPLE)
        rows = rows_for_profile(chosen, predictions.columns, [], time=None, version_sql="NULL", ids=["id"])
        return frozen_columns(rows, predictions.columns, 0)

    def plan(self, keys: Keys, windows: tuple[WindowKey, ...]) -> ProfilePlan:
        """What both readers compute: of a column as a slice key every value, of a cross as many as a monitor keeps."""
        edges, members = plan_segments(windows)
        columns = tuple(column.kernel for column in self.frozen)
        slice_values: list[frozenset[str] | None] = [None] * len(keys)
        crossings = [place for place, key in enumerate(keys) if not isinstance(key, str)]
        if crossings:
            capped = capped_slice_values(self.spark_rows([keys[place] for place in crossings]), len(crossings))
            for place, values in zip(crossings, capped, strict=True):
                slice_values[place] = values
        kernel = KernelPlan(columns, edges, members, len(keys), tuple(slice_values))
        return ProfilePlan(kernel, windows, tuple(map(slice_key, keys)), tuple(column.data_type for column in self.frozen))

    def spark_rows(self, keys: Keys) -> DataFrame:
        """The rows that the Spark reader hands to its tasks."""
        predictions = open_predictions(self.spark, self.config(keys))
        return rows_for_profile(
            predictions.frame, predictions.columns, predictions.slices, time="at", version_sql="'1'", ids=["id"]
        )

    def by_spark(self, keys: Keys, windows: tuple[WindowKey, ...]) -> Callable[[], None]:
        """The Spark reader's profile."""
        return lambda: done(profile(self.spark_rows(keys), self.plan(keys, windows)))

    def by_files(self, keys: Keys, windows: tuple[WindowKey, ...]) -> Callable[[], None]:
        """The file reader's profile, the listing of blocks included."""
        return lambda: done(self.file_states(keys, windows))

    def listed(self, windows: tuple[WindowKey, ...]) -> Callable[[], object]:
        """What every run by files begins with: a job over the column of times that lists the blocks and counts their rows."""
        config, span = self.config([]), (windows[0].start, windows[-1].end)
        predictions = open_predictions(self.spark, config)
        table = file_table(config, predictions, (), [span])
        return lambda: blocks_of(predictions.frame, table, "at", [span])

    def file_states(self, keys: Keys, windows: tuple[WindowKey, ...]) -> DataFrame:
        """The states by the file reader."""
        config = self.config(keys)
        plan, span = self.plan(keys, windows), (windows[0].start, windows[-1].end)
        predictions = open_predictions(self.spark, config)
        table = file_table(config, predictions, (), [span])
        tasks = blocks_of(predictions.frame, table, "at", [span])
        return merged(file_partials(self.spark, tasks, table.layout, plan), plan)

    def decoded(self, *, ordered: bool) -> Callable[[], None]:
        """Only decoding the same columns in Spark tasks, and, where asked, sorting each chunk of values."""
        config, span = self.config([]), (0, 1 << 62)
        predictions = open_predictions(self.spark, config)
        table = file_table(config, predictions, (), [span])
        tasks = blocks_of(predictions.frame, table, "at", [span])
        width = self.columns

        def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                for number in batch.column(0).to_pylist():
                    for rows in read_blocks(tasks[number], table.layout):
                        for position in range(width):
                            values = rows.column(position)
                            if ordered:
                                sort_chunks(values)
            yield NONE

        return lambda: done(self.spark.range(0, len(tasks), 1, len(tasks)).mapInArrow(run, "none long"))

    def native(self) -> Callable[[], None]:
        """Spark's own sketch and aggregates, all columns in one aggregate."""
        names = [f"x{position}" for position in range(self.columns)]
        asked = [
            text
            for name in names
            for text in (
                f"kll_sketch_agg_double({name}, 1024)",
                f"count({name})",
                f"min({name})",
                f"max({name})",
                f"avg({name})",
                f"stddev({name})",
            )
        ]
        frame = self.spark.read.parquet(str(self.path))
        return lambda: done(frame.selectExpr(*asked))


def sort_chunks(values: pa.Array) -> None:
    """Sort the values chunk by chunk, as the profile does."""
    numbers = values.drop_null().to_numpy(zero_copy_only=False)
    for low in range(0, numbers.size, CHUNK_ROWS):
        np.sort(numbers[low : low + CHUNK_ROWS])


def empty(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Take every batch and give nothing back."""
    for _ in batches:
        pass
    yield NONE


def done(frame: DataFrame) -> None:
    """Compute a frame and keep nothing."""
    frame.write.format("noop").mode("overwrite").save()


def floors_and_files(bench: Bench, windows: tuple[WindowKey, ...]) -> dict[str, Callable[[], object]]:
    """The floors and the file reader over one table."""
    return {
        "decode": bench.decoded(ordered=False),
        "decode and sort": bench.decoded(ordered=True),
        **{f"files, {name}": bench.by_files(keys, windows) for name, keys in KEYS.items()},
    }


def main(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    rows, columns = arguments.rows, arguments.columns
    path = Made(rows, columns).write(arguments.dir)
    bench = Bench(session(), path, columns)
    windows = windows_of(4)
    plain = bench.spark_rows([])
    cases = {**floors_and_files(bench, windows), LISTED: bench.listed(windows)}
    if not arguments.files_only:
        cases |= {
            "empty mapInArrow": lambda: done(plain.mapInArrow(empty, "none long")),
            "spark, no slices": bench.by_spark([], windows),
            "spark, one key of 3": bench.by_spark(KEYS["one key of 3"], windows),
            "Spark's KLL": bench.native(),
        }
    few = Bench(bench.spark, Made(FEW_ROWS, columns).write(arguments.dir), columns)
    cases |= {f"{name}, fixed": case for name, case in floors_and_files(few, windows).items()}
    if not arguments.files_only:
        cases["Spark's KLL, fixed"] = few.native()
    times = timed(cases, arguments.repeats)
    times["files, no slices, blocks known"] = [
        whole - listed for whole, listed in zip(times["files, no slices"], times[LISTED], strict=True)
    ]
    for name, value in per_value(times, rows * columns, CORES).items():
        if not name.endswith(", fixed"):
            print(f"{name}: {value:.0f} ns a value and core")
    pairs = [
        ("files, no slices", "decode and sort"),
        ("files, no slices, blocks known", "decode and sort"),
        ("files, no slices", "decode"),
        ("files, one key of 3", "files, no slices"),
        ("files, five keys of 50", "files, no slices"),
        ("spark, no slices", "empty mapInArrow"),
        ("spark, one key of 3", "empty mapInArrow"),
        ("spark, no slices", "files, no slices"),
        ("Spark's KLL", "files, no slices"),
    ]
    for name, of in pairs:
        if name in times and of in times:
            print(ratio(times, name, of))
    without = fixed_taken_out(times)
    for name, of in pairs:
        if name in without and of in without:
            print(f"fixed parts taken out: {ratio(without, name, of)}")


def fixed_taken_out(times: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """Every case without its fixed part, the median of its turns over few rows, which is printed."""
    without = {}
    for name in FIXED:
        if name in times:
            fixed = statistics.median(times[f"{name}, fixed"])
            print(f"{name}, fixed part: {fixed:.2f} s")
            without[name] = [seconds - fixed for seconds in times[name]]
    return without
