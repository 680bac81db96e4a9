"""Whole monitors, as `init` writes them, over made tables where nothing drifts but one shift planted at the end of one feature.

`--rows` are those of a window and `--columns` the features: columns of the kinds of `false_alarms`, a binary model's score and
labels, and a column of five values that `init` makes slices of. Printed are the checks, every incident before the shift or of
another column (each is a false one), and how many windows later the shift, a KS distance of 0.05, had an incident of its own.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from benchmarks.false_alarms import KINDS, SHIFT, draw, shifted

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

WINDOWS: Final = 16
SHIFTED: Final = 4
"""The shift is in so many of the last windows; the baseline is the first quarter, as `init` guesses."""

MICROS_A_DAY: Final = 86_400_000_000
FIRST: Final = 1_704_067_200_000_000
SEED: Final = 20240101
SEGMENTS: Final = ("north", "south", "east", "west", "centre")
MOST_AT_ONCE: Final = 100_000


def main(arguments: argparse.Namespace) -> None:
    """Print what one monitor of ``--columns`` features and ``--rows`` rows a window finds."""
    from benchmarks.monitors import CORES
    from spark_monitor.session import open_session

    place = arguments.dir / f"undisturbed-{arguments.rows}-{arguments.columns}"
    names = write(place / "rows", arguments.rows, arguments.columns)
    spark = open_session(master=f"local[{CORES}]", conf={"spark.sql.shuffle.partitions": str(CORES)})
    began = time.process_time()
    for line in report(spark, place, names):
        print(line, flush=True)
    print(f"processor time of the driver's Python: {time.process_time() - began:.0f} s")


def write(place: Path, rows: int, columns: int) -> list[str]:
    """The table, a file for each window; the names of its features, of which the first is shifted at the end."""
    random = np.random.default_rng([SEED, rows, columns])
    kinds = [KINDS[number % len(KINDS)] for number in range(columns)]
    place.mkdir(parents=True, exist_ok=True)
    for window in range(WINDOWS):
        table = window_of(window, rows, kinds, random)
        pq.write_table(table, place / f"part-{window:02d}.parquet", row_group_size=MOST_AT_ONCE)
    return [f"f{number}_{kind}" for number, kind in enumerate(kinds)]


def window_of(window: int, rows: int, kinds: list[str], random: np.random.Generator) -> pa.Table:
    """The rows of one day."""
    at = np.sort(FIRST + window * MICROS_A_DAY + random.integers(0, MICROS_A_DAY, rows))
    score = random.beta(2.0, 3.0, rows)
    columns: dict[str, Any] = {
        "row_id": pa.array([f"r{window:02d}-{number}" for number in range(rows)]),
        "predicted_at": pa.array(at, pa.timestamp("us", "UTC")),
        "segment": pa.array(random.choice(np.array(SEGMENTS), rows, p=[0.4, 0.25, 0.15, 0.12, 0.08])),
        "probability": pa.array(score),
        "predicted": pa.array((score >= 0.5).astype(np.int64)),
        "label": pa.array((random.random(rows) < score).astype(np.int64)),
        "label_time": pa.array(at + random.integers(0, MICROS_A_DAY // 4, rows), pa.timestamp("us", "UTC")),
    }
    for number, kind in enumerate(kinds):
        values = draw(kind, random, rows)
        if number == 0 and window >= WINDOWS - SHIFTED:
            values = shifted(values, random, SHIFT)
        is_number = values.dtype.kind != "U"
        columns[f"f{number}_{kind}"] = pa.array(values, from_pandas=is_number)
    return pa.table(columns)


def report(spark: SparkSession, place: Path, names: list[str]) -> list[str]:
    """What the monitor that `init` writes says of the table."""
    from datetime import UTC, datetime

    from spark_monitor import Monitor
    from spark_monitor.commands.first_file import first_file
    from spark_monitor.commands.first_look import made_from, open_table

    source, frame = open_table(spark, str(place / "rows"))
    config = yaml.safe_load(first_file(made_from(frame, source, str(place / "rows"), place / "monitor.yaml")))
    config["outputs"] = {"path": str(place / f"out-{time.time_ns()}")}
    (place / "monitor.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    end = datetime.fromtimestamp((FIRST + WINDOWS * MICROS_A_DAY) / 1e6, UTC)
    result = Monitor.load(place / "monitor.yaml").run(spark, as_of=end)
    verdicts = Counter({row["verdict"]: row["count"] for row in result.checks.groupBy("verdict").count().collect()})
    incidents = [row.asDict(recursive=True) for row in result.incidents.collect()]
    moved = end.timestamp() - SHIFTED * MICROS_A_DAY / 1e6
    true = [one for one in incidents if one["column_name"] == names[0] and seconds_of(one["opened"]) >= moved]
    false = [one for one in incidents if one not in true]
    after = [round((seconds_of(one["opened"]) - moved) * 1e6 / MICROS_A_DAY) + 1 for one in true]
    return [
        f"{len(names)} features, slices {config['slices']}: {sum(verdicts.values()):,} checks, {dict(verdicts)}",
        f"false incidents: {len(false)}",
        *(f"  {one['kind']}: {one['diagnosis']}" for one in false),
        f"a shift of D = {SHIFT} in {names[0]}: found in window {after}",
    ]


def seconds_of(timestamp: Any) -> float:
    """Epoch seconds of what a table holds, whose times are UTC."""
    from datetime import UTC

    return float((timestamp if timestamp.tzinfo is not None else timestamp.replace(tzinfo=UTC)).timestamp())
